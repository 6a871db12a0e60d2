"""A sign of life that costs nothing."""

import asyncio
import traceback

import pytest

from providers.dialects import DIALECTS
from providers.errors import (
    Busy,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

from .test_client_failures import NoNames, closed_port
from .upstream import CANARY, Upstream, calling, serving, status

MODELS = status(200, b'{"data": []}', "Content-Type: application/json")
SENT = {"host", "accept", "accept-encoding", "connection", "user-agent"}
OTHERS = sorted(set(DIALECTS) - {"openai"})


async def probe(*script, dialect="openai", **changes):
    """The upstream that was asked, and the seconds that its sign of life took."""
    async with serving(*script) as upstream, calling(upstream) as client:
        base_url = f"{upstream.url}/v1"
        return upstream, await client.probe(upstream.target(dialect=dialect, base_url=base_url, **changes))


async def problem_of(*script, **changes):
    with pytest.raises(UpstreamError) as problem:
        await probe(*script, **changes)
    return problem.value


async def test_chat_completions_are_asked_for_their_models_with_the_key():
    upstream, seconds = await probe(MODELS)

    (request,) = upstream.requests
    assert request.head.startswith("GET /v1/models HTTP/1.1\r\n")
    assert request.header("authorization") == f"Bearer {CANARY}"
    assert request.header_names == SENT | {"authorization"}
    assert request.body == b""
    assert 0 < seconds < 5


async def test_chat_completions_without_a_key_are_asked_without_one():
    upstream, _ = await probe(MODELS, key="")

    assert upstream.requests[0].header("authorization") is None


@pytest.mark.parametrize("dialect", OTHERS)
@pytest.mark.parametrize("code", [200, 204, 302, 401, 404, 405, 429])
async def test_any_answer_of_another_host_is_life_and_the_key_stays_here(dialect, code):
    answer = status(code, b"", "Location: http://127.0.0.1:9/")
    upstream, seconds = await probe(answer, dialect=dialect, headers={"X-Extra": "1"})

    (request,) = upstream.requests
    assert request.head.startswith("GET / HTTP/1.1\r\n")
    assert request.header_names == SENT
    assert CANARY not in request.head
    assert seconds > 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (302, UpstreamProtocolError),
        (401, UpstreamRejected),
        (403, UpstreamRejected),
        (404, UpstreamRejected),
        (429, UpstreamUnavailable),
        (500, UpstreamUnavailable),
    ],
)
async def test_a_refusal_to_list_models_is_an_error_with_its_status(code, kind):
    error = await problem_of(status(code, b"", "Location: http://127.0.0.1:9/"))

    assert (type(error), error.upstream_status) == (kind, code)


@pytest.mark.parametrize("dialect", OTHERS)
async def test_a_failure_of_another_host_is_an_error_with_its_status(dialect):
    error = await problem_of(status(503), dialect=dialect)

    assert (type(error), error.upstream_status) == (UpstreamUnavailable, 503)


async def test_a_redirect_is_not_followed():
    async with serving(MODELS) as elsewhere:
        script = status(307, b"", f"Location: {elsewhere.url}/latest/meta-data")
        async with serving(script) as upstream, calling(upstream, elsewhere) as client:
            await client.probe(upstream.target(dialect="deepinfra"))

    assert elsewhere.connections == 0


async def test_a_body_without_end_is_not_read_to_its_end():
    endless = [f"HTTP/1.1 200 OK\r\nContent-Length: {10**9}\r\n\r\n".encode(), b"x" * 100_000, "hang"]
    async with serving(endless) as upstream, calling(upstream) as client:
        await asyncio.wait_for(client.probe(upstream.target(dialect="deepinfra")), 2)
        await asyncio.wait_for(upstream.gone.wait(), 1)


async def test_a_host_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr("providers.client.PROBE_TIMEOUT", 0.2)
    error = await problem_of("hang")

    assert (type(error), error.upstream_status) == (UpstreamTimeout, None)
    assert error.message.startswith("The provider did not begin to answer: nothing came for 0.2 s.")


async def test_a_host_that_is_not_there_cannot_be_reached():
    upstream = Upstream(closed_port())
    async with calling(upstream) as client:
        with pytest.raises(UpstreamUnavailable, match="cannot be reached") as problem:
            await client.probe(upstream.target())

    assert problem.value.sent is False


@pytest.mark.parametrize("host", ["127.0.0.1", "rebind.example.com"])
@pytest.mark.parametrize("dialect", ["openai", "deepinfra"])
async def test_a_closed_address_is_never_called(host, dialect):
    async with serving(MODELS) as upstream, calling(resolver=NoNames("127.0.0.1")) as client:
        with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
            await client.probe(upstream.target(dialect=dialect, base_url=f"http://{host}:{upstream.port}"))

    assert upstream.connections == 0


async def test_a_probe_takes_a_connection_and_gives_it_back():
    async with serving(MODELS) as upstream, calling(upstream, max_connections=1) as client:
        waiting = asyncio.create_task(client.probe(upstream.target()))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await client.probe(upstream.target())
        await waiting
        await client.probe(upstream.target())


async def test_a_refused_key_stays_untold(caplog):
    caplog.set_level("DEBUG")
    key = "words-that-look-like-no-key"
    error = await problem_of(status(401, f"Nobody knows {key} here".encode()), key=key)

    told = "".join(traceback.format_exception(error)) + f"{error!r} {error.excerpt} {error.__dict__} {caplog.text}"
    assert (error.upstream_status, error.excerpt) == (401, "Nobody knows [redacted] here")
    assert key not in told
    assert error.__context__ is None
