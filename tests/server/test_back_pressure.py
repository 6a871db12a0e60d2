"""A client that does not read stops the application, costs no memory, and is not kept for ever."""

import socket
import time
from types import SimpleNamespace

from websockets.sync.client import connect

from chatsite.http_channel import Channel
from tests.server.conftest import settle

MEGABYTE = 1_000_000
FLOOD = "/flood?pieces=1200"  # 79 MB
UNREAD_FLOOD = "/flood?pieces=1201"
WHOLE_FLOOD = 1_200 * 65_536


def ask_for_unread_flood(client, kind):
    if kind == "http":
        client.send(f"GET {UNREAD_FLOOD} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    else:
        assert client.upgrade(UNREAD_FLOOD)[0] == 101


def assert_the_producer_stops(server, kind):
    before = server.forget_peak()
    with server.connect() as client:
        ask_for_unread_flood(client, kind)
        taken = settle(lambda: server.sent(kind, 1201))
    assert taken < 16 * MEGABYTE  # what the kernel's buffers hold
    assert server.peak() - before < 4 * MEGABYTE


def test_a_flood_nobody_reads_stops_in_the_application(patient):
    assert_the_producer_stops(patient, "http")


def test_a_websocket_flood_nobody_reads_stops_in_the_application(patient):
    assert_the_producer_stops(patient, "websocket")


def test_a_flood_that_is_read_arrives_whole_and_the_connection_lives_on(patient):
    before = patient.forget_peak()
    with patient.connect() as client:
        status, body = client.ask("GET", FLOOD)
        assert (status, len(body)) == (200, WHOLE_FLOOD + len(b"got 0"))
        assert client.ask("GET", "/") == (200, b"got 0")
    assert patient.peak() - before < 8 * MEGABYTE


def test_a_websocket_flood_that_is_read_arrives_whole(patient):
    before = patient.forget_peak()
    with connect(f"ws://127.0.0.1:{patient.port}{FLOOD}", compression=None) as browser:
        assert sum(len(browser.recv()) for _ in range(1_200)) == WHOLE_FLOOD
        browser.send("still here?")
        assert browser.recv() == "still here?"
    assert patient.peak() - before < 8 * MEGABYTE


def test_an_application_that_floods_a_client_who_left_does_not_starve_the_others(start):
    server = start()
    with server.connect() as client:
        client.send(b"GET /flood?pieces=10000000 HTTP/1.1\r\nHost: test\r\n\r\n")
        client.head()
    began = time.monotonic()
    for _ in range(5):
        assert server.get("/") == (200, b"got 0")
    assert time.monotonic() - began < 2


def assert_it_is_aborted(server, kind):
    with server.connect() as client:
        ask_for_unread_flood(client, kind)
        began = time.monotonic()
        server.wait_for(f"ended {kind} /flood")
        assert 0.6 < time.monotonic() - began < 5


def test_a_reader_that_stalls_is_let_go_and_its_application_ends(hasty):
    assert_it_is_aborted(hasty, "http")


def test_a_websocket_reader_that_stalls_is_let_go_and_its_application_ends(hasty):
    assert_it_is_aborted(hasty, "websocket")


def test_a_slow_reader_is_neither_a_stalled_nor_an_idle_one(start):
    server = start(stall_seconds=1.5, idle_seconds=0.9)
    with server.connect(receive_buffer=65_536) as client:
        client.send(b"GET /blob?bytes=16000000 HTTP/1.1\r\nHost: test\r\n\r\n")
        assert client.head()[0] == 200
        received, began = 0, time.monotonic()
        while time.monotonic() - began < 2.5:
            received += len(client.reader.read(16_384))
            time.sleep(0.05)
        assert received < 2 * MEGABYTE
        assert len(client.reader.read(16 * MEGABYTE - received)) == 16 * MEGABYTE - received
        time.sleep(0.5)  # less than idle_seconds
        assert client.ask("GET", "/") == (200, b"got 0")


def test_what_the_kernel_holds_counts_as_not_taken():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        ours.setblocking(False)
        sent = ours.send(bytes(32 * MEGABYTE))
        channel = Channel()
        channel.transport = SimpleNamespace(dataBuffer=b"12345", offset=2, _tempDataLen=4, fileno=ours.fileno)
        assert 7 < channel._untaken() <= 7 + sent
        with theirs:
            while sent:
                sent -= len(theirs.recv(1 << 20))
        assert settle(channel._untaken) == 7


def test_a_response_that_nobody_takes_is_let_go_even_when_its_application_is_done(hasty):
    with hasty.connect(receive_buffer=65_536) as client:
        client.send(b"GET /blob?bytes=20000000 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        hasty.wait_for("ended http /blob")
        time.sleep(1.5)
        received = 0
        try:
            while piece := client.socket.recv(1 << 20):
                received += len(piece)
        except ConnectionResetError:
            pass
        assert received < 20 * MEGABYTE
