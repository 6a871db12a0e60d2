"""Servers to talk to, and a client that can be as rude as it likes."""

import json
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 10


def spare_process():
    """A process that has done its imports by the time somebody has wishes for it."""
    command = [sys.executable, "-m", "tests.server.app"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, cwd=ROOT, text=True, **pipes)


class Running:
    """A server process and what it said."""

    def __init__(self, process, wishes):
        self.process = process
        with process.stdin:
            process.stdin.write(json.dumps(wishes))
        self.lines, self.errors = queue.Queue(), []
        self.readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for reader in self.readers:
            reader.start()
        self.said = []
        self.wait_for("port")
        self.port = wishes.get("port") or int(self.said[0].split()[1])

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def _read_errors(self):
        self.errors.extend(self.process.stderr)

    def wait_for(self, beginning):
        """Return the next line that begins so."""
        while True:
            self.said.append(self.lines.get(timeout=PATIENCE))
            if self.said[-1].startswith(beginning):
                return self.said[-1]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def finish(self):
        """Wait for the end; return the exit code."""
        code = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join(PATIENCE)
        while not self.lines.empty():
            self.said.append(self.lines.get())
        return code

    def kill(self):
        self.process.kill()
        self.finish()
        self.process.stdout.close()
        self.process.stderr.close()

    def connect(self, receive_buffer=None):
        return Client(self.port, receive_buffer)

    def get(self, path):
        with self.connect() as client:
            return client.ask("GET", path)

    def sent(self, kind, pieces):
        """How many bytes of a flood of so many pieces the application has got rid of."""
        return json.loads(self.get("/sent")[1]).get(f"{kind} {pieces}", 0)

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.peak()

    def peak(self):
        """The most memory it has had since `forget_peak`, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


class Client:
    """One connection and the bytes on it."""

    def __init__(self, port, receive_buffer):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, path, headers="", body=b""):
        self.send(f"{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n".encode() + body)
        return self.answer()

    def answer(self):
        """Read one response: its status and its body."""
        status, headers = self.head()
        if "content-length" in headers:
            return status, self.reader.read(int(headers["content-length"]))
        pieces = []
        while size := int(self.reader.readline(), 16):
            pieces.append(self.reader.read(size))
            self.reader.readline()
        self.reader.readline()
        return status, b"".join(pieces)

    def head(self):
        status = int(self.reader.readline().split()[1])
        headers = {}
        while line := self.reader.readline().strip():
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        return status, headers

    def is_closed(self):
        """Whether the server closes, in order or not, without another byte."""
        try:
            return self.reader.read(1) == b""
        except ConnectionResetError:
            return True

    def upgrade(self, path):
        """Become a websocket that never reads on."""
        headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        headers += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        self.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n".encode())
        return self.head()


def settle(measure, patience=PATIENCE):
    """Return what `measure` returns once it has been the same, and not nothing, for a while."""
    until, before = time.monotonic() + patience, None
    while time.monotonic() < until:
        now = measure()
        if now and now == before:
            return now
        before = now
        time.sleep(0.2)
    raise AssertionError(f"still moving: {before}")


@pytest.fixture(scope="session")
def run():
    """Starts servers with wishes; the next process warms up meanwhile."""
    spares = [spare_process()]

    def run_one(until="listening", **wishes):
        spares.append(spare_process())
        running = Running(spares.pop(0), wishes)
        running.wait_for(until)
        return running

    yield run_one
    Running(spares[0], {}).kill()


@pytest.fixture
def start(run):
    """Starts servers for one test and ends them after it."""
    started = []

    def start_one(**wishes):
        started.append(run(**wishes))
        return started[-1]

    yield start_one
    for running in started:
        running.kill()


@pytest.fixture(scope="session")
def hasty(run):
    """One server with short deadlines, shared by whoever leaves it alive."""
    running = run(header_seconds=0.4, body_seconds=0.6, idle_seconds=0.9, stall_seconds=0.7)
    yield running
    running.kill()


@pytest.fixture(scope="session")
def patient(run):
    """One server with the deadlines of everyday."""
    running = run()
    yield running
    running.kill()
