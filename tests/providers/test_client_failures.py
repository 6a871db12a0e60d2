"""What goes wrong on the wire, and what it means (SS-1, SS-2, SS-9, SK-1, AV-3)."""

import asyncio
import socket
import time
import traceback
from dataclasses import replace

import pytest
from aiohttp.abc import AbstractResolver

from providers.dialects import thinking
from providers.errors import (
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from providers.types import ContentDelta

from .upstream import (
    ANSWER,
    CANARY,
    HI,
    SSE,
    STORY,
    WHOLE,
    Upstream,
    all_of,
    calling,
    data,
    delta,
    serving,
    status,
    streamed,
    whole,
)

HTML = b"<html><h1>Traceback (most recent call last)</h1></html>"


async def failure(*script, request=HI, **changes):
    """The error that this script makes of a request, and the texts that came before it."""
    async with serving(*script) as upstream, calling(upstream) as client:
        return await failure_of(client.stream(upstream.target(**changes), request))


async def failure_of(stream):
    events = []
    with pytest.raises(UpstreamError) as problem:
        async for event in stream:
            events.append(event)
    return problem.value, [event.text for event in events if isinstance(event, ContentDelta)]


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class NoNames(AbstractResolver):
    def __init__(self, answer=None, wait=0):
        self.answer, self.wait = answer, wait

    async def resolve(self, host, port=0, family=socket.AF_INET):
        await asyncio.sleep(self.wait)
        if self.answer is None:
            raise OSError(None, "Name or service not known")
        return [{"hostname": host, "host": self.answer, "port": port, "family": 2, "proto": 6, "flags": 0}]

    async def close(self):
        pass


async def test_a_refused_connection_was_not_sent():
    upstream = Upstream(closed_port())
    async with calling(upstream) as client:
        error, _ = await failure_of(client.stream(upstream.target(), HI))

    assert (type(error), error.sent) == (UpstreamUnavailable, False)
    assert error.message == "The provider cannot be reached. Try again in a moment, or choose another model."


async def test_an_unknown_name_was_not_sent():
    async with calling(resolver=NoNames()) as client:
        error, _ = await failure_of(client.stream(Upstream().target(base_url="https://api.example.com"), HI))

    assert (type(error), error.sent) == (UpstreamUnavailable, False)
    assert error.message.startswith("api.example.com cannot be reached.")


@pytest.mark.parametrize("host", ["127.0.0.1", "0177.0.0.1", "127.1", "0", "[::ffff:127.0.0.1]", "localhost"])
async def test_a_closed_address_is_never_called(host):
    async with serving(whole(ANSWER)) as upstream, calling() as client:
        error, _ = await failure_of(client.stream(upstream.target(base_url=f"http://{host}:{upstream.port}"), HI))
        await asyncio.sleep(0.05)

    assert (type(error), error.sent) == (UpstreamUnavailable, False)
    assert upstream.connections == 0
    assert "127.0.0.1" not in error.message


async def test_a_public_name_for_a_closed_address_is_never_called():
    async with serving(whole(ANSWER)) as upstream, calling(resolver=NoNames("127.0.0.1")) as client:
        target = upstream.target(base_url=f"http://rebind.example.com:{upstream.port}")
        error, _ = await failure_of(client.stream(target, HI))

    assert (type(error), error.sent, upstream.connections) == (UpstreamUnavailable, False, 0)


async def test_a_listed_name_is_called():
    async with serving(whole(ANSWER)) as upstream:
        places = [("gw.example.com", upstream.port)]
        async with calling(resolver=NoNames("127.0.0.1"), places=places) as client:
            target = upstream.target(base_url=f"http://gw.example.com:{upstream.port}")
            assert await all_of(client.stream(target, WHOLE))

    assert upstream.requests[0].header("host") == f"gw.example.com:{upstream.port}"


@pytest.mark.parametrize("base_url", ["file:///etc/passwd", "http://", "http://[::1", "gopher://x.com"])
async def test_an_address_that_is_none_was_not_sent(base_url):
    async with calling() as client:
        error, _ = await failure_of(client.stream(Upstream().target(base_url=base_url), HI))

    assert (type(error), error.sent) == (UpstreamUnavailable, False)
    assert error.message.startswith("The address of this deployment cannot be called.")


async def test_a_connection_that_takes_too_long_was_not_sent():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        upstream = Upstream(full.getsockname()[1])
        with socket.create_connection(("127.0.0.1", upstream.port)):
            async with calling(upstream) as client:
                error, _ = await failure_of(client.stream(upstream.target(connect_timeout=0.2), HI))

    assert (type(error), error.sent) == (UpstreamTimeout, False)
    assert error.message.startswith("The provider could not be reached within 0.2 s.")


async def test_a_name_that_is_not_answered_counts_as_connecting():
    async with calling(resolver=NoNames("8.8.8.8", wait=5)) as client:
        target = Upstream().target(base_url="https://api.example.com", connect_timeout=0.1)
        error, _ = await failure_of(client.stream(target, HI))

    assert (type(error), error.sent) == (UpstreamTimeout, False)


@pytest.mark.parametrize(
    "begun",
    [b"", streamed(end=False), streamed(b": keep-alive\n\n", end=False), streamed(delta(role="assistant"), end=False)],
    ids=["no headers", "headers", "a comment", "an empty delta"],
)
async def test_an_answer_that_does_not_begin_times_out(begun):
    error, texts = await failure([begun, "hang"], first_token_timeout=0.2)

    assert (type(error), error.sent, texts) == (UpstreamTimeout, True, [])
    assert error.message.startswith("The provider did not begin to answer: nothing came for 0.2 s.")


async def test_comments_alone_do_not_put_off_the_first_token():
    comments = [act for _ in range(20) for act in (b"3\r\n:\n\n\r\n", 0.05)]
    started = time.monotonic()
    error, _ = await failure([streamed(end=False), *comments, "hang"], first_token_timeout=0.2)

    assert type(error) is UpstreamTimeout
    assert time.monotonic() - started < 0.6


async def test_a_silence_in_the_answer_times_out():
    error, texts = await failure([streamed(*STORY[:2], end=False), "hang"], silence_timeout=0.2)

    assert (type(error), error.sent, texts) == (UpstreamTimeout, True, ["Once ", "upon."])
    assert error.message.startswith("The provider went silent in the middle of its answer: nothing came for 0.2 s")


async def test_comments_alone_do_not_break_a_silence():
    comments = [act for _ in range(20) for act in (b"3\r\n:\n\n\r\n", 0.05)]
    started = time.monotonic()
    error, _ = await failure([streamed(STORY[0], end=False), *comments, "hang"], silence_timeout=0.2)

    assert type(error) is UpstreamTimeout
    assert time.monotonic() - started < 0.6


async def test_a_reader_that_takes_its_time_is_not_the_upstreams_silence():
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        events = client.stream(upstream.target(silence_timeout=0.1), HI)
        await anext(events)
        await asyncio.sleep(0.3)
        assert len(await all_of(events)) == 3


async def test_a_whole_answer_must_come_in_time_too():
    late, _ = await failure([0.5, whole(ANSWER)], request=WHOLE, first_token_timeout=0.2)
    cut, _ = await failure([whole(ANSWER)[:90], "hang"], request=WHOLE, silence_timeout=0.2)

    assert (type(late), type(cut)) == (UpstreamTimeout, UpstreamTimeout)


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_lost_before_the_answer_was_sent(end):
    error, _ = await failure([end])

    assert (type(error), error.sent) == (UpstreamUnavailable, True)
    assert error.message.startswith("The provider closed the connection without an answer.")


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_lost_after_the_headers_was_sent(end):
    error, _ = await failure([streamed(end=False), end])

    assert (type(error), error.sent) == (UpstreamUnavailable, True)


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_lost_in_the_answer_breaks_it_off(end):
    error, texts = await failure([streamed(STORY[0], end=False), 0.05, end])

    assert (type(error), error.sent, texts) == (UpstreamProtocolError, True, ["Once "])
    assert "broke off before the end of the answer" in error.message


@pytest.mark.parametrize("pieces", [[], [STORY[0]], [STORY[0], data("[DONE]")], [STORY[0], STORY[3]], [b": x\n\n"]])
async def test_a_stream_that_ends_without_an_end_is_an_error(pieces):
    error, _ = await failure(streamed(*pieces))

    assert type(error) is UpstreamProtocolError
    assert "broke off before its end" in error.message


async def test_a_whole_answer_without_an_end_is_an_error(monkeypatch):
    monkeypatch.setattr(thinking, "decode_answer", lambda payload: [ContentDelta(0, "Once ")])
    error, texts = await failure(whole(ANSWER), request=WHOLE)

    assert (type(error), texts) == (UpstreamProtocolError, ["Once "])


async def test_a_stream_without_length_that_is_cut_in_the_middle_of_a_line_is_an_error():
    head = f"{SSE}Connection: close\r\n\r\n".encode()
    error, texts = await failure([head + STORY[0] + STORY[2][:20], "close"])

    assert (type(error), texts) == (UpstreamProtocolError, ["Once "])


async def test_an_error_inside_a_stream_is_the_error():
    error, texts = await failure(streamed(STORY[0], data({"error": {"code": 429, "message": "slow down"}})))

    assert (type(error), error.upstream_status, texts) == (UpstreamUnavailable, 429, ["Once "])


@pytest.mark.parametrize("body", [HTML, b"", b"\xff\xfe", b"[" * 100_000, b'{"choices": []}', b"null", b"7"])
async def test_a_whole_answer_that_is_none_is_an_error(body):
    error, _ = await failure(whole(body), request=WHOLE)

    assert type(error) is UpstreamProtocolError


async def test_a_web_page_with_status_200_is_an_error():
    error, _ = await failure(whole(HTML, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"))

    assert type(error) is UpstreamProtocolError
    assert error.message.startswith("The provider answered with a web page.")


async def test_a_compressed_answer_is_refused_unread():
    error, _ = await failure(whole(b"\x1f\x8b", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"))

    assert type(error) is UpstreamProtocolError
    assert "compressed" in error.message


async def test_something_that_is_not_http_is_an_error():
    error, _ = await failure([b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "close"])

    assert type(error) is UpstreamProtocolError
    assert error.message.startswith("The provider answered something that is not HTTP.")


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(code):
    async with serving(whole(ANSWER)) as elsewhere:
        script = status(code, b"", f"Location: {elsewhere.url}/latest/meta-data")
        async with serving(script) as upstream, calling(upstream, elsewhere) as client:
            error, _ = await failure_of(client.stream(upstream.target(), HI))

    assert (type(error), error.upstream_status) == (UpstreamProtocolError, code)
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (204, UpstreamProtocolError),
        (400, UpstreamRejected),
        (401, UpstreamRejected),
        (402, UpstreamRejected),
        (404, UpstreamRejected),
        (405, UpstreamRejected),
        (406, UpstreamRejected),
        (429, UpstreamUnavailable),
        (500, UpstreamUnavailable),
        (503, UpstreamUnavailable),
        (529, UpstreamUnavailable),
    ],
)
async def test_a_status_says_what_happened(code, kind):
    body = b"" if code == 204 else b'{"error": {"message": "no"}}'
    error, _ = await failure(status(code, body, "Retry-After: 7", "Content-Type: application/json"))

    assert (type(error), error.upstream_status, error.sent) == (kind, code, True)
    assert error.retry_after == (None if code == 204 else 7)


async def test_an_error_page_without_end_is_read_to_its_limit_only():
    endless = [f"HTTP/1.1 500 Oops\r\nContent-Length: {10**9}\r\n\r\n".encode(), b"x" * 1_000_000, "hang"]
    started = time.monotonic()
    error, _ = await failure(endless, first_token_timeout=5)

    assert (type(error), error.upstream_status) == (UpstreamUnavailable, 500)
    assert time.monotonic() - started < 2


async def test_an_error_page_that_does_not_come_leaves_the_status():
    error, _ = await failure([b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\n", "hang"], first_token_timeout=0.2)

    assert (type(error), error.upstream_status) == (UpstreamRejected, 401)


async def test_a_whole_answer_has_a_largest_size(monkeypatch):
    monkeypatch.setattr("providers.call.ANSWER_LIMIT", 100)
    error, _ = await failure(whole(ANSWER), request=WHOLE)

    assert type(error) is UpstreamProtocolError
    assert "more than any answer should be" in error.message


async def test_a_stream_has_a_largest_size(monkeypatch):
    monkeypatch.setattr("providers.call.STREAM_LIMIT", 100)
    error, _ = await failure(streamed(*STORY))

    assert type(error) is UpstreamProtocolError


@pytest.mark.parametrize("key", ["sk-line\r\nX-Admin: 1", "sk-ключ", "sk-\x00"])
async def test_a_key_that_is_no_header_is_not_sent(key):
    async with serving(whole(ANSWER)) as upstream, calling(upstream) as client:
        error, _ = await failure_of(client.stream(upstream.target(key=key), HI))

    assert (type(error), error.sent, upstream.connections) == (UpstreamUnavailable, False, 0)
    assert key not in f"{error!r}"


ECHO = f'{{"error": {{"message": "Incorrect API key provided: {CANARY}", "code": 401}}}}'.encode()
PATHS = {
    "refused": None,
    "closed": ["close"],
    "reset": ["reset"],
    "broke off": [streamed(STORY[0], end=False), 0.02, "close"],
    "not http": [b"HTTP/9.9 nonsense " + CANARY.encode() + b"\r\n\r\n", "close"],
    "timeout": ["hang"],
    "silence": [streamed(STORY[0], end=False), "hang"],
    "redirect": status(302, b"", f"Location: http://x/{CANARY}"),
    "401": status(401, ECHO),
    "401 cut": status(401, b" " * 470 + CANARY.encode()),
    "500 page": status(500, b"<pre>" + CANARY.encode() + b"</pre>"),
    "in the stream": streamed(data(ECHO.decode())),
    "not json": whole(CANARY.encode()),
    "not json in the stream": streamed(data(CANARY)),
    "web page": whole(CANARY.encode(), "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"),
    "encoding": whole(b"", f"HTTP/1.1 200 OK\r\nContent-Encoding: {CANARY}\r\n"),
}


@pytest.mark.parametrize("path", PATHS)
async def test_no_failure_tells_the_key(path, caplog):
    caplog.set_level("DEBUG")
    script = PATHS[path] or ["close"]
    async with serving(script) as upstream, calling(upstream) as client:
        target = upstream.target(first_token_timeout=0.3, silence_timeout=0.3)
        if path == "refused":
            target = replace(target, base_url="http://127.0.0.1:9")
        error, _ = await failure_of(client.stream(target, HI))

    told = "".join(traceback.format_exception(error)) + f"{error!r} {error.excerpt} {error.__dict__} {caplog.text}"
    assert CANARY[:20] not in told
    assert "c2stY2FuYXJ5" not in told
    assert error.__cause__ is None
    assert error.__context__ is None
