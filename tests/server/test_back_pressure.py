"""A client that does not read stops the application, costs no memory, and is not kept for ever."""

import time

from websockets.sync.client import connect

from tests.server.conftest import settle

MEGABYTE = 1_000_000
FLOOD = "/flood?pieces=1200"  # 79 MB
WHOLE_FLOOD = 1_200 * 65_536


def ask_for_flood(client, kind):
    if kind == "http":
        client.send(f"GET {FLOOD} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    else:
        assert client.upgrade(FLOOD)[0] == 101


def assert_the_producer_stops(server, kind):
    before, sent_before = server.forget_peak(), server.sent(kind)
    with server.connect() as client:
        ask_for_flood(client, kind)
        taken = settle(lambda: server.sent(kind) - sent_before)
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


def test_others_are_served_while_somebody_floods(patient):
    with patient.connect() as reader:
        reader.send(b"GET /flood?pieces=4000 HTTP/1.1\r\nHost: test\r\n\r\n")
        began = time.monotonic()
        assert patient.get("/") == (200, b"got 0")
        assert time.monotonic() - began < 1


def assert_it_is_aborted(server, kind):
    with server.connect() as client:
        ask_for_flood(client, kind)
        began = time.monotonic()
        server.wait_for(f"ended {kind} /flood")
        assert 0.5 < time.monotonic() - began < 2


def test_a_reader_that_stalls_is_let_go_and_its_application_ends(hasty):
    assert_it_is_aborted(hasty, "http")


def test_a_websocket_reader_that_stalls_is_let_go_and_its_application_ends(hasty):
    assert_it_is_aborted(hasty, "websocket")


def test_a_slow_reader_is_not_a_stalled_one(hasty):
    with hasty.connect(receive_buffer=65_536) as client:
        client.send(b"GET /blob?bytes=8000000 HTTP/1.1\r\nHost: test\r\n\r\n")
        received, began = 0, time.monotonic()
        while time.monotonic() - began < 1.8:
            received += len(client.socket.recv(65_536))
            time.sleep(0.1)
        assert received < 5 * MEGABYTE
        while received < 8 * MEGABYTE and (piece := client.socket.recv(1 << 20)):
            received += len(piece)
        assert received >= 8 * MEGABYTE


def test_a_response_that_nobody_takes_is_let_go_even_when_its_application_is_done(hasty):
    with hasty.connect(receive_buffer=65_536) as client:
        client.send(b"GET /blob?bytes=20000000 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        hasty.wait_for("ended http /blob")
        time.sleep(1.2)
        received = 0
        try:
            while piece := client.socket.recv(1 << 20):
                received += len(piece)
        except ConnectionResetError:
            pass
        assert received < 20 * MEGABYTE
