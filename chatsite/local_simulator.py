"""The simulated upstream beside `manage.py run`: on a free port of its own, and never without its parent."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# All that the peer needs of our environment: whatever else is in there, keys of providers too, is not its business.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONHOME")
STOP_SECONDS = 3


class LocalSimulator:
    """The port is taken before the settings are read, so that SIMULATOR_URL can name it; the process comes later.

    What connects in between waits in the socket's queue: nobody has to poll for the simulator to be ready.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Hand the socket to a process of its own that ends at the end of its standard input, however we end."""
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own command
            [sys.executable, "-m", "providers.simulator", "--fd", str(self._listener.fileno()), "--with-parent"],
            cwd=ROOT,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[self._listener.fileno()],
            start_new_session=True,
        )
        self._listener.close()

    def stop(self) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_local: LocalSimulator | None = None


def reserve() -> None:
    """Name the simulator's address in the environment, unless somebody named another one."""
    global _local
    if not os.environ.get("SIMULATOR_URL"):
        _local = LocalSimulator()
        os.environ["SIMULATOR_URL"] = _local.url


def start() -> None:
    if _local:
        _local.start()


def stop() -> None:
    if _local:
        _local.stop()
