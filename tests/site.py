"""A real site for tests: its own folder, port and processes, started and killed as an operator would."""

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from tests.canary import watch

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 40
STOP_SECONDS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@functools.cache
def collected_static():
    """The static files as the site serves them, collected once for all sites of a run."""
    folder = tempfile.mkdtemp(prefix="chatsite-static-")
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env={**inherited(), "STATIC_ROOT": folder}, check=True)
    return folder


def inherited():
    """Of our environment, what says where things are; none of the tests' own settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}


class Site:
    """`manage.py run` on a folder of its own. `lines` is what it printed."""

    def __init__(self, folder=None, **environment):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="chatsite-site-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ours = {
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "STARTING_CREDITS": "0",
            "STATIC_ROOT": collected_static(),
        }
        self.environment = inherited() | ours | environment
        self.process = None
        self.lines = []
        watch.folders.append(self.folder)

    def start(self):
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run", "--with-parent", str(os.getpid())],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=[self.process, ready], daemon=True).start()
        deadline = time.monotonic() + READY_SECONDS
        while not ready.wait(0.1) and self.process.poll() is None and time.monotonic() < deadline:
            pass
        if not ready.is_set():
            self.kill()
            raise AssertionError("The site did not start:\n" + "\n".join(self.lines))
        return self

    def _read(self, process, ready):
        for line in process.stdout:
            self.lines.append(line.rstrip())
            watch.look(line, "what a site printed")
            if "Ctrl-C stops it" in line:
                ready.set()
        process.stdout.close()

    def setup_link(self):
        """The one-time link that the site printed."""
        return next(iter(re.findall(r"http://\S+/setup/\S+", "\n".join(self.lines))), None)

    def command(self, *words, **environment):
        """Run `manage.py …` beside the running site, and give what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        watch.look(done.stdout + done.stderr, f"what manage.py {words[0]} printed")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code):
        return self.command("shell", "--no-imports", "-v", "0", "-c", code)

    def simulator_url(self):
        """Where this site's simulated upstream listens, read from its process."""
        for child in self.children():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"providers.simulator" in words:
                return listening_url(child)
        raise AssertionError("no simulated upstream runs")

    def children(self):
        """Process ids of what the site started."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def kill(self):
        """SIGKILL, as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self, number=signal.SIGINT):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(STOP_SECONDS)
        return self.process.returncode


def listening_url(pid):
    """The address on which process `pid` listens, from the kernel's tables."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(link)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for row in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        columns = row.split()
        if columns[3] == "0A" and columns[9] in inodes:
            return f"http://127.0.0.1:{int(columns[1].rpartition(':')[2], 16)}"
    raise AssertionError(f"process {pid} does not listen")


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition, seconds=10, step=0.05):
    """Poll until `condition()` is true, and give its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(step)
    raise AssertionError(f"not within {seconds} s: {condition}")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read()
