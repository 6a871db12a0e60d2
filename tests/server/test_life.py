"""From on_start to on_stop: starting, draining, and everything that can go wrong on the way."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chatsite.server import serve
from tests.server.conftest import ROOT

TO_THE_END = ["on_drain", "on_drain done", "on_stop", "on_stop done"]


def hooks_said(server):
    return [line for line in server.said if line.startswith("on_")]


def socket_to(server, path="/"):
    return connect(f"ws://127.0.0.1:{server.port}{path}", compression=None)


def is_refused(server):
    try:
        server.connect().__exit__()
    except ConnectionRefusedError:
        return True
    return False


def test_nobody_can_connect_before_on_start_is_done(start):
    server = start(until="on_start", on_start=0.3)
    assert is_refused(server)
    server.wait_for("listening")
    assert server.get("/") == (200, b"got 0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_leaves_at_once_and_in_order(start, number):
    server = start()
    with server.connect() as idle:
        assert idle.ask("GET", "/")[0] == 200
        began = time.monotonic()
        server.signal(number)
        assert server.finish() == 0
        assert time.monotonic() - began < 5
    assert server.said[1:] == ["on_start", "on_start done", "listening", "ended http /", *TO_THE_END]
    assert server.errors == []


def test_draining_refuses_the_new_and_finishes_the_running(start):
    server = start()
    with server.connect() as slow, server.connect() as streaming:
        slow.send(b"GET /?wait=0.6 HTTP/1.1\r\nHost: test\r\n\r\n")
        streaming.send(b"GET /drip?pieces=5&pause=0.1 HTTP/1.1\r\nHost: test\r\n\r\n")
        streaming.head()
        server.signal()
        server.wait_for("on_drain")
        assert is_refused(server)
        status, headers = slow.head()
        assert (status, headers["connection"]) == (200, "close")
        assert streaming.reader.read().endswith(b"5\r\ngot 0\r\n0\r\n\r\n")
    assert server.finish() == 0
    assert server.said[-2:] == ["on_stop", "on_stop done"]


def test_draining_lets_a_slow_reader_have_all_of_its_response(start):
    server = start()
    with server.connect(receive_buffer=65_536) as client:
        client.send(b"GET /blob?bytes=8000000 HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for("ended http /blob")
        server.signal()
        server.wait_for("on_drain done")
        time.sleep(0.3)
        assert len(client.answer()[1]) == 8_000_000
        assert client.is_closed()
    assert server.finish() == 0


def test_draining_sends_half_a_request_away(start):
    server = start()
    with server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhe")
        assert server.get("/") == (200, b"got 0")
        server.signal()
        assert client.answer() == (503, b"The server is restarting. Please try again.\n")
    assert server.finish() == 0


def test_draining_closes_websockets_with_1012_and_lets_them_clean_up(start):
    server = start()
    with socket_to(server, "/?cleanup=0.3") as browser:
        browser.send("hello")
        assert browser.recv() == "hello"
        server.signal()
        with pytest.raises(ConnectionClosed) as closed:
            browser.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "service restart")
    assert server.finish() == 0
    assert "websocket got 1012" in server.said
    assert server.said.index("websocket cleaned up") < server.said.index("on_stop")


def test_a_websocket_accepted_while_draining_hears_1012_too(start):
    server = start(on_drain=0.6)
    with server.connect() as client:
        client.send(
            b"GET /?wait=0.3 HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert server.get("/") == (200, b"got 0")
        server.signal()
        assert client.head()[0] == 101
        assert client.reader.read(4) == b"\x88\x11\x03\xf4"  # a close frame of 17 bytes, 1012
    assert server.finish() == 0


def test_a_websocket_that_never_reads_does_not_hold_the_drain(start):
    server = start()
    with server.connect() as client:
        client.upgrade("/flood?pieces=1200")
        assert server.get("/") == (200, b"got 0")
        began = time.monotonic()
        server.signal()
        assert server.finish() == 0
        assert time.monotonic() - began < 5


def test_what_is_not_done_after_drain_seconds_is_cut(start):
    server = start(drain_seconds=0.4)
    with server.connect() as client:
        client.send(b"GET /drip?pieces=99&pause=0.1 HTTP/1.1\r\nHost: test\r\n\r\n")
        client.head()
        began = time.monotonic()
        server.signal()
        assert server.finish() == 0
        assert 0.3 < time.monotonic() - began < 5
    assert server.said.index("ended http /drip") < server.said.index("on_stop")


@pytest.mark.parametrize("hook", [{}, {"on_drain": "hang"}])
def test_a_second_signal_cuts_but_on_stop_still_runs(start, hook):
    server = start(**hook)
    with server.connect() as client:
        client.send(b"GET /drip?pieces=99&pause=0.1 HTTP/1.1\r\nHost: test\r\n\r\n")
        client.head()
        began = time.monotonic()
        server.signal()
        server.wait_for("on_drain")
        server.signal()
        assert server.finish() == 0
        assert time.monotonic() - began < 5
    assert server.said[-2:] == ["on_stop", "on_stop done"]


def test_a_signal_while_on_start_runs_ends_it_and_stops_cleanly(start):
    server = start(until="on_start", on_start="hang")
    began = time.monotonic()
    server.signal()
    assert server.finish() == 0
    assert time.monotonic() - began < 5
    assert hooks_said(server) == ["on_start", *TO_THE_END]
    assert server.errors == []


def test_on_start_that_raises_is_one_line_and_the_end(start):
    server = start(until="on_start", on_start="raise")
    assert server.finish() == 1
    assert server.errors == ["Could not start: ValueError: on_start went wrong\n"]
    assert "listening" not in server.said
    assert server.said[-2:] == ["on_stop", "on_stop done"]


def test_on_drain_that_raises_is_logged_and_the_drain_goes_on(start):
    server = start(on_drain="raise")
    with server.connect() as client:
        client.send(b"GET /drip?pieces=5&pause=0.1 HTTP/1.1\r\nHost: test\r\n\r\n")
        client.head()
        server.signal()
        assert client.reader.read().endswith(b"0\r\n\r\n")
    assert server.finish() == 1
    assert server.errors[-1] == "ValueError: on_drain went wrong\n"
    assert server.said[-2:] == ["on_stop", "on_stop done"]


def test_a_taken_port_is_one_clear_sentence(patient, capfd):
    assert serve(None, host="127.0.0.1", port=patient.port) == 1
    assert capfd.readouterr() == (
        "",
        f"Port {patient.port} on 127.0.0.1 is taken. "
        f"Stop the program that uses it, or choose another: PORT={patient.port + 1} make run.\n",
    )


def test_a_host_that_is_not_ours_is_one_clear_sentence(capfd):
    assert serve(None, host="192.0.2.1", port=8000) == 1
    assert capfd.readouterr() == ("", "Cannot listen on port 8000 of 192.0.2.1: Cannot assign requested address.\n")


def test_it_listens_on_a_host_and_port_of_its_own(start):
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    server = start(port=port)
    assert server.get("/") == (200, b"got 0")


MAIN = """
import sys, types
asgi = types.ModuleType("chatsite.asgi")
async def nothing(): pass
def imported(name):
    import daphne.server
    return nothing
asgi.__getattr__ = imported
sys.modules["chatsite.asgi"] = asgi
from chatsite.server import main
assert "twisted.internet.reactor" not in sys.modules
try:
    main()
finally:
    import asyncio
    print(sys.modules["twisted.internet.reactor"]._asyncioEventloop.__class__.__module__)
"""


def test_main_takes_host_and_port_from_the_environment_and_runs_on_uvloop(start):
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == f"Listening on http://127.0.0.1:{port}\n"
        process.terminate()
        assert process.stdout.read() == "uvloop\n"
    assert process.returncode == 0
