"""Programs as an operator starts them: in a session of their own, with what they print kept line by line."""

import os
import signal
import subprocess
import threading
from contextlib import suppress

from tests.site import ROOT, STOP_SECONDS, is_alive, wait_until


class Program:
    """A running program. `lines` is what it has printed so far, on both of its outputs."""

    def __init__(self, words, environment, folder=ROOT):
        self.lines = []
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())

    def says(self, words):
        """The first line that holds `words`, if it came already."""
        return next((line for line in self.lines if words in line), None)

    def wait_for(self, words, seconds=30):
        wait_until(lambda: self.says(words) or self.process.poll() is not None, seconds)
        line = self.says(words)
        assert line, "\n".join([f"It ended without saying {words!r}:", *self.lines])
        return line

    def finish(self, seconds=STOP_SECONDS):
        """Wait for its end and for all that it printed; returns its exit code."""
        self.process.wait(seconds)
        self._reader.join(seconds)
        return self.process.returncode

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.finish()

    def kill(self):
        return self.stop(signal.SIGKILL)

    def signal_all(self, number):
        """Send the signal to the whole group, if there is still somebody in it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def family(self):
        """Process ids of all that it has started, and of what those have started."""
        return descendants(self.process.pid)


def descendants(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []
    return children + [later for child in children for later in descendants(child)]


def are_gone(pids, seconds):
    """Wait until none of the processes is left."""
    wait_until(lambda: not any(is_alive(pid) for pid in pids), seconds)
