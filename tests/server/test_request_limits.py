"""What a client may send, and how long it may take."""

import threading
import time
from contextlib import suppress

import pytest

MEGABYTE = 1_000_000
BLOCK = bytes(MEGABYTE)
TOO_LARGE = (413, b"The request body is larger than the 1048576 bytes allowed here.\n")
TOO_SLOW = (408, b"The request took too long to arrive.\n")


def huge_post(client, way):
    """Send 64 MB, or as much of it as the server takes."""
    head, before, after = {
        "length": ("Content-Length: 64000000", b"", b""),
        "expect": ("Content-Length: 64000000\r\nExpect: 100-continue", b"", b""),
        "chunks": ("Transfer-Encoding: chunked", b"f4240\r\n", b"\r\n"),
        "one chunk": ("Transfer-Encoding: chunked", b"", b""),
    }[way]
    client.send(f"POST / HTTP/1.1\r\nHost: test\r\n{head}\r\n\r\n".encode())
    if way == "one chunk":
        client.send(b"3d09000\r\n")
    for _ in range(64):
        client.send(before + BLOCK + after)


@pytest.mark.parametrize("way", ["length", "expect", "chunks", "one chunk"])
def test_a_huge_body_is_refused_in_words_and_never_held(patient, way):
    before = patient.forget_peak()
    with patient.connect() as client:
        huge_post(client, way)
        assert client.answer() == TOO_LARGE
        assert client.is_closed()
    assert patient.peak() - before < 8 * MEGABYTE


def test_a_client_that_waits_for_100_continue_is_told_before_it_sends(patient):
    with patient.connect() as client:
        assert client.ask("POST", "/", "Content-Length: 64000000\r\nExpect: 100-continue\r\n") == TOO_LARGE


def test_a_client_that_waits_for_100_continue_may_send_what_is_allowed(patient):
    with patient.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.head() == (100, {})
        client.send(b"hello")
        assert client.answer() == (200, b"got 5")


@pytest.mark.parametrize("headers", ["Content-Length: 1048576\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_body_of_just_the_limit_is_taken(patient, headers):
    body = bytes(1_048_576)
    with patient.connect() as client:
        if "chunked" in headers:
            body = b"100000\r\n" + body + b"\r\n0\r\n\r\n"
        assert client.ask("POST", "/", headers, body) == (200, b"got 1048576")


def test_a_body_of_one_byte_more_is_refused(patient):
    with patient.connect() as client:
        assert client.ask("POST", "/", "Content-Length: 1048577\r\n") == TOO_LARGE


def test_the_limit_goes_by_method_and_decoded_path_without_the_query(patient):
    refused = (413, b"The request body is larger than the 200000 bytes allowed here.\n")
    for method, path, expected in [
        ("PUT", "/roomy%20place?a=1", refused),
        ("POST", "/roomy%20place", (200, b"got 200001")),
    ]:
        with patient.connect() as client:
            assert client.ask(method, path, "Content-Length: 200001\r\n", bytes(200_001)) == expected


def test_forms_are_left_to_the_application_even_broken_ones(patient):
    with patient.connect() as client:
        headers = "Content-Type: multipart/form-data\r\nContent-Length: 5\r\n"
        assert client.ask("POST", "/", headers, b"hello") == (200, b"got 5")


def test_more_body_than_announced_is_not_read_as_body(patient):
    before = patient.forget_peak()
    with patient.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello")
        with suppress(OSError):
            for _ in range(64):
                client.send(BLOCK)
    assert patient.peak() - before < 8 * MEGABYTE
    assert patient.get("/") == (200, b"got 0")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("X-Long: " + "a" * 9_000 + "\r\n", 431),
        ("".join(f"X-{number}: {'a' * 1_000}\r\n" for number in range(20)), 400),
        ("".join(f"X-{number}: a\r\n" for number in range(150)), 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 5, 6\r\n", 400),
        ("No colon\r\n", 400),
    ],
)
def test_headers_out_of_bounds_are_refused_in_words(patient, headers, status):
    with patient.connect() as client:
        answer, sentence = client.ask("GET", "/", headers)
        assert (answer, sentence[-2:]) == (status, b".\n")
        assert client.is_closed()


def test_an_endless_request_line_is_refused(patient):
    with patient.connect() as client:
        client.send(b"GET /" + bytes(b"a" * MEGABYTE))
        assert client.answer() == (431, b"A request line or header is too long.\n")


def send_slowly(client, data):
    """Go on sending a byte at a time, in the background, until the connection is gone."""

    def send():
        with suppress(OSError):
            for byte in data:
                client.send(bytes([byte]))
                time.sleep(0.06)

    threading.Thread(target=send).start()


@pytest.mark.parametrize(
    ("at_once", "slowly", "seconds"),
    [
        (b"", b"GET /" + b"a" * 40, 0.4),
        (b"GET / HTTP/1.1\r\nX-Slow: ", b"a" * 40, 0.4),
        (b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n", b"a" * 40, 0.6),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n", b"a" * 40, 0.6),
        (b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n", b"", 0.6),
    ],
    ids=["first line", "header", "body", "chunk", "no body"],
)
def test_a_request_that_dawdles_is_told_so_at_its_deadline(hasty, at_once, slowly, seconds):
    with hasty.connect() as client:
        began = time.monotonic()
        client.send(at_once)
        send_slowly(client, slowly)
        assert client.answer() == TOO_SLOW
        assert seconds - 0.1 < time.monotonic() - began < seconds + 1.5
        assert client.is_closed()


def test_the_idle_limit_does_not_silence_a_deadline_that_is_longer(start):
    server = start(idle_seconds=0.2, body_seconds=0.5)
    with server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        assert client.answer() == TOO_SLOW


def test_the_header_deadline_holds_for_a_second_request_too(hasty):
    with hasty.connect() as client:
        assert client.ask("GET", "/")[0] == 200
        client.send(b"GET /1")
        assert client.answer() == TOO_SLOW


def test_half_a_request_behind_a_running_one_is_timed_from_the_end_of_that(hasty):
    with hasty.connect() as client:
        began = time.monotonic()
        client.send(b"GET /?wait=0.5 HTTP/1.1\r\nHost: test\r\n\r\nGET /half")
        assert client.answer() == (200, b"got 0")
        assert time.monotonic() - began >= 0.5
        assert client.answer() == TOO_SLOW


def test_a_connection_may_idle_longer_than_any_deadline_and_be_used_again(hasty):
    with hasty.connect() as client:
        assert client.ask("POST", "/", "Content-Length: 5\r\n", b"hello") == (200, b"got 5")
        time.sleep(0.7)
        assert client.ask("GET", "/") == (200, b"got 0")


def test_an_idle_connection_is_closed_in_the_end_without_a_word(hasty):
    with hasty.connect() as client:
        assert client.ask("GET", "/")[0] == 200
        began = time.monotonic()
        assert client.is_closed()
        assert 0.8 < time.monotonic() - began < 5


def test_a_slow_response_is_no_slow_request(hasty):
    with hasty.connect() as client:
        assert client.ask("GET", "/drip?wait=0.7&pieces=2&pause=0.15") == (200, b"..got 0")


def test_pipelined_requests_are_answered_in_order(patient):
    with patient.connect() as client:
        client.send(
            b"".join(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%b" % (n, b"x" * n) for n in range(5))
        )
        assert [client.answer() for _ in range(5)] == [(200, b"got %d" % n) for n in range(5)]
