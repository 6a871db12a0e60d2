"""Every way in which an answer can fail, before its headers, after them and after its first tokens."""

import contextlib
import email.utils
import gzip
import http.client
import json
import time
import zlib

import pytest

from .peer import wait_until
from .test_steering import STATUSES

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def received(client):
    """All that arrives until the end of the connection, or until nothing comes any more, and how it ended."""
    client.settimeout(0.3)
    data = b""
    try:
        while piece := client.recv(9000):
            data += piece
    except (TimeoutError, ConnectionResetError) as error:
        return data, type(error)
    return data, None


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_after_the_first_tokens_is_an_error_in_the_stream(simulator, status):
    reply = simulator.chat(f"Hi [[length=50 fail={status} fail_after=3]]", stream=True)
    assert (reply.status, len(reply.chunks)) == (200, 1 + 3 + 1)
    assert reply.chunks[-1]["error"]["message"] == f"The simulated upstream was told to answer {status}."
    whole = simulator.chat(f"Hi [[length=50 fail={status} fail_after=3]]")
    assert (whole.status, whole.json["error"]) == (status, reply.chunks[-1]["error"])


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_told_in_seconds_or_as_a_date(simulator, status):
    in_seconds = simulator.chat(f"[[fail={status} retry_after=31]]")
    assert (in_seconds.status, in_seconds.headers["Retry-After"]) == (status, "31")
    as_date = simulator.chat(f"[[fail={status} retry_date=3600]]")
    now, then = (email.utils.parsedate_to_datetime(as_date.headers[name]) for name in ("Date", "Retry-After"))
    assert 3598 <= (then - now).total_seconds() <= 3602
    assert as_date.headers["Retry-After"].endswith(" GMT")


@BOTH
@pytest.mark.parametrize(("mode", "end"), [("hang", TimeoutError), ("close", None), ("reset", ConnectionResetError)])
def test_a_connection_can_fail_before_its_headers(simulator, stream, mode, end):
    with contextlib.closing(simulator.open_stream(f"[[fail_mode={mode}]]", stream=stream)) as client:
        assert received(client) == (b"", end)


@BOTH
@pytest.mark.parametrize(("mode", "end"), [("hang", TimeoutError), ("close", None), ("reset", ConnectionResetError)])
def test_a_connection_can_fail_between_headers_and_body(simulator, stream, mode, end):
    text = f"[[fail_after=headers fail_mode={mode}]]"
    with contextlib.closing(simulator.open_stream(text, stream=stream)) as client:
        data, how = received(client)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (body, how) == (b"", end)


@pytest.mark.parametrize(("mode", "end"), [("hang", TimeoutError), ("close", None), ("reset", ConnectionResetError)])
def test_a_connection_can_fail_after_some_tokens(simulator, mode, end):
    text = f"[[speed=500 length=50 fail_after=4 fail_mode={mode}]]"
    with contextlib.closing(simulator.open_stream(text)) as client:
        data, how = received(client)
    assert (data.count(b"data: "), how) == (1 + 4, end)


def test_a_request_that_hangs_is_open_in_the_journal(simulator):
    with contextlib.closing(simulator.open_stream("[[fail_mode=hang]]")):
        wait_until(lambda: simulator.journal()[0]["body"])
        assert simulator.journal()[0]["open"] is True
    wait_until(lambda: simulator.journal()[0]["disconnected"])


def test_a_stream_can_end_in_good_order_without_its_finish(simulator):
    reply = simulator.chat("Hi [[length=50 fail_after=4 fail_mode=end]]", stream=True)
    assert [chunk["choices"][0]["finish_reason"] for chunk in reply.chunks] == [None] * 5
    assert reply.raw.endswith(b"}\n\n")


@BOTH
def test_an_answer_can_be_empty(simulator, stream):
    reply = simulator.chat("[[fail_mode=end]]", stream=stream)
    assert (reply.status, reply.raw) == (200, b"")


BODIES = {
    "null": ("application/json", b"null"),
    "list": ("application/json", b"[]"),
    "garbage": ("application/json", b'{"choices": <<<\xff\xfe not JSON'),
    "not_sse": ("text/plain", b"upstream connect error\r\n\x00\x01 \xff\xfe: 7;\n"),
    "html": (
        "text/html",
        b"<!DOCTYPE html>\n<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n",
    ),
}


@BOTH
@pytest.mark.parametrize("mode", BODIES)
def test_a_body_can_be_none_that_a_service_would_send(simulator, stream, mode):
    reply = simulator.chat(f"[[fail_mode={mode}]]", stream=stream)
    assert (reply.status, reply.headers["Content-Type"], reply.raw) == (200, *BODIES[mode])


def test_a_wrong_body_can_have_a_status(simulator):
    reply = simulator.chat("[[fail=502 fail_mode=html]]", stream=True)
    assert (reply.status, reply.headers["Content-Type"], reply.raw) == (502, *BODIES["html"])


@pytest.mark.parametrize("mode", BODIES)
def test_a_stream_can_hold_what_is_no_chunk(simulator, mode):
    reply = simulator.chat(f"Hi [[length=50 fail_after=2 fail_mode={mode}]]", stream=True)
    bare = mode in ("not_sse", "html")
    assert reply.raw.count(b"data: ") == 3 + (not bare)
    assert reply.raw.endswith(BODIES[mode][1] if bare else b"\n\ndata: " + BODIES[mode][1] + b"\n\n")


def test_half_a_character_stands_in_a_body_and_in_a_stream(simulator):
    whole = simulator.chat("[[fail_mode=bad_utf8]]")
    streamed = simulator.chat("Hi [[length=50 fail_after=2 fail_mode=bad_utf8]]", stream=True)
    assert whole.raw.count(b'"content": "\xe6\xbc') == streamed.raw.count(b'"content": "\xe6\xbc') == 1
    for reply in (whole, streamed):
        with pytest.raises(UnicodeDecodeError):
            reply.raw.decode()
    assert json.loads(whole.raw.decode("utf-8", "replace"))["choices"][0]["message"]["content"].startswith("\ufffd")


def test_a_stream_can_go_on_after_its_failure(simulator):
    reply = simulator.chat("Hi [[length=3 fail_after=1 fail_mode=null go_on=1]]", stream=True)
    assert [data == "null" for data in reply.events] == [False, False, True, False, False, False, False]
    assert reply.events[-1] == "[DONE]"


def test_a_service_that_leaks_repeats_the_key(simulator):
    told = "The simulated upstream was told to answer 401. It received Authorization: Bearer a-good-key"
    broke = "The simulated upstream broke off, as it was told to. It received x-api-key: a-good-key"
    refused, failed = simulator.chat("[[fail=401 leak=1]]"), simulator.segmind("[[leak=1]]")
    assert (refused.status, refused.json["error"]["message"]) == (401, told)
    assert (failed.status, failed.json["error"]["message"]) == (500, broke)
    streamed = simulator.chat("Hi [[length=9 leak=1 fail_after=2]]", stream=True)
    assert streamed.chunks[-1]["error"]["message"].endswith("It received Authorization: Bearer a-good-key")


def test_gzip_comes_though_nobody_asked_for_it(simulator):
    whole = simulator.chat('[[gzip=1 say="Hi"]]')
    streamed = simulator.chat('[[gzip=1 say="Hi"]]', stream=True)
    assert (whole.headers["Content-Encoding"], streamed.headers["Content-Encoding"]) == ("gzip", "gzip")
    assert json.loads(gzip.decompress(whole.raw))["choices"][0]["message"]["content"] == "Hi"
    assert gzip.decompress(streamed.raw).endswith(b"data: [DONE]\n\n")


def test_every_compressed_event_can_be_read_when_it_comes(simulator):
    connection = simulator.connect()
    message = {"role": "user", "content": "[[gzip=1 length=9 fail_after=2 fail_mode=reset speed=50]]"}
    body = json.dumps({"model": "deepseek-chat", "stream": True, "messages": [message]})
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer k"})
        response, unpacker, text = connection.getresponse(), zlib.decompressobj(31), b""
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            while piece := response.read1(9000):
                text += unpacker.decompress(piece)
    assert text.count(b"data: ") == 3


@BOTH
def test_a_body_can_drip(simulator, stream):
    started = time.monotonic()
    dripped = simulator.chat('[[say="Hi" pause=0.001]]', stream=stream)
    # Each byte waits, so that this holds on the busiest machine.
    assert time.monotonic() - started >= 0.001 * len(dripped.raw)
    assert (dripped.content if stream else dripped.message["content"]) == "Hi"


def test_a_whole_answer_is_cut_into_pieces_too(simulator):
    with contextlib.closing(simulator.open_stream('[[say="漢" chunk=1]]', stream=False)) as client:
        data, _ = received(client)
    assert b"\r\n1\r\n\xe6\r\n1\r\n\xbc\r\n1\r\n\xa2\r\n" in data


@BOTH
def test_a_request_is_sent_elsewhere(simulator, stream):
    reply = simulator.chat('[[redirect="http://127.0.0.1:9/x?y=1"]]', stream=stream)
    assert (reply.status, reply.headers["Location"]) == (302, "http://127.0.0.1:9/x?y=1")


def test_only_an_answer_that_is_given_costs_credits(simulator):
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    simulator.post("/v1/deepseek-chat", body, key="frugal", fail=500)
    # 8 tokens asked and 10 answered, at a millionth of a credit each.
    paid = simulator.post("/v1/deepseek-chat", body, key="frugal", speed=0, length=10)
    assert paid.headers["x-remaining-credits"] == "99.999982"


@pytest.mark.parametrize(
    ("key", "status"), [("key-abcd", 429), ("key-efgh", 429), ("key-good", 200), ("abcd-key", 200)]
)
def test_only_the_named_keys_fail(simulator, key, status):
    message = {"role": "user", "content": '[[fail=429 fail_keys="abcd,efgh" say="Well"]]'}
    reply = simulator.post("/v1/chat/completions", {"model": "deepseek-chat", "messages": [message]}, key=key, speed=0)
    assert reply.status == status
    assert status == 429 or reply.message["content"] == "Well"
