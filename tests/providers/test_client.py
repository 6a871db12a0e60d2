"""What goes out and what comes back, against a scripted upstream."""

import asyncio
import time
from contextlib import aclosing

import pytest

from providers.client import get_client
from providers.errors import InvalidRequest, UpstreamUnavailable
from providers.types import (
    ChatMessage,
    ChatRequest,
    ContentDelta,
    Finished,
    ReasoningDelta,
    Sampling,
    UsageReported,
)

from .upstream import (
    ANSWER,
    CANARY,
    HI,
    STORY,
    WHOLE,
    Upstream,
    all_of,
    calling,
    chunked,
    data,
    delta,
    serving,
    status,
    streamed,
    whole,
)

EVENTS = [ContentDelta(0, "Once "), ContentDelta(0, "upon."), Finished(0, "stop"), UsageReported(3, 2)]


async def test_a_stream_gives_the_events_of_its_dialect():
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        assert await all_of(client.stream(upstream.target(), HI)) == EVENTS


async def test_the_request_says_what_the_dialect_writes_and_no_more():
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        await all_of(client.stream(upstream.target(headers={"X-Extra": "1", "Authorization": "Bearer other"}), HI))

    (request,) = upstream.requests
    assert request.head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert request.header("authorization") == f"Bearer {CANARY}"
    assert request.header("accept-encoding") == "identity"
    assert request.header("content-type") == "application/json"
    assert request.header("x-extra") == "1"
    assert request.header("cookie") is None
    assert request.json["model"] == "deepseek-v3.1"
    assert request.json["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_the_network_may_cut_the_stream_anywhere(size):
    told = b"".join([delta("é\u2028😀"), *STORY])
    pieces = [told[start : start + size] for start in range(0, len(told), size)]
    async with serving(streamed(*pieces)) as upstream, calling(upstream) as client:
        events = await all_of(client.stream(upstream.target(), HI))

    assert events == [ContentDelta(0, "é\u2028😀"), *EVENTS]


async def test_an_event_is_given_before_the_next_one_comes():
    script = [streamed(STORY[0], end=False), 0.3, chunked(*STORY[1:])]
    async with serving(script) as upstream, calling(upstream) as client:
        started = time.monotonic()
        async with aclosing(client.stream(upstream.target(), HI)) as events:
            assert await anext(events) == ContentDelta(0, "Once ")
            assert time.monotonic() - started < 0.25


async def test_a_whole_answer_gives_the_same_events():
    async with serving(whole(ANSWER)) as upstream, calling(upstream) as client:
        events = await all_of(client.stream(upstream.target(), WHOLE))

    assert events == [ContentDelta(0, "Once upon."), Finished(0, "stop"), UsageReported(3, 2)]
    assert upstream.requests[0].json.get("stream") in (None, False)


async def test_an_upstream_that_answers_whole_although_asked_to_stream_is_understood():
    async with serving(whole(ANSWER)) as upstream, calling(upstream) as client:
        events = await all_of(client.stream(upstream.target(), HI))

    assert events == [ContentDelta(0, "Once upon."), Finished(0, "stop"), UsageReported(3, 2)]


async def test_a_dialect_that_never_streams_is_asked_once_for_a_whole_answer():
    async with serving(whole(ANSWER)) as upstream, calling(upstream) as client:
        events = await all_of(client.stream(upstream.target(dialect="segmind"), HI))

    assert ContentDelta(0, "Once upon.") in events
    (request,) = upstream.requests
    assert request.head.startswith("POST /v1/deepseek-chat ")
    assert request.header("x-api-key") == CANARY


async def test_a_stream_without_a_content_type_is_a_stream():
    head = "HTTP/1.1 200 OK\r\n"
    async with serving([whole(b"".join(STORY), head)]) as upstream, calling(upstream) as client:
        assert await all_of(client.stream(upstream.target(), HI)) == EVENTS


async def test_reasoning_comes_apart_from_the_answer():
    pieces = [delta(reasoning_content="Hm. "), *STORY]
    async with serving(streamed(*pieces)) as upstream, calling(upstream) as client:
        assert await all_of(client.stream(upstream.target(), HI)) == [ReasoningDelta(0, "Hm. "), *EVENTS]


async def test_half_a_surrogate_pair_in_a_message_can_be_sent():
    request = ChatRequest(model="m", messages=(ChatMessage("user", "a\ud83d"),))
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        await all_of(client.stream(upstream.target(), request))

    assert upstream.requests[0].json["messages"][0]["content"] == "a\ud83d"


async def test_what_the_dialect_cannot_say_is_not_sent():
    request = ChatRequest(model="m", messages=(ChatMessage("user", "Hi"),), sampling=Sampling(seed=7))
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        with pytest.raises(InvalidRequest, match="seed"):
            await all_of(client.stream(upstream.target(), request))

    assert upstream.connections == 0


async def test_requests_one_after_the_other_share_a_connection():
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        for _ in range(5):
            assert await all_of(client.stream(upstream.target(), HI)) == EVENTS

    assert (len(upstream.requests), upstream.connections) == (5, 1)


async def test_a_response_that_ends_a_little_after_its_answer_leaves_the_connection_usable():
    script = [streamed(*STORY, end=False), 0.02, b"0\r\n\r\n"]
    async with serving(script) as upstream, calling(upstream) as client:
        for _ in range(3):
            assert await all_of(client.stream(upstream.target(), HI)) == EVENTS

    assert (len(upstream.requests), upstream.connections) == (3, 1)


async def test_an_upstream_that_keeps_the_connection_open_after_its_end_delays_nobody():
    async with serving([streamed(*STORY, end=False), "hang"]) as upstream, calling(upstream) as client:
        started = time.monotonic()
        assert await all_of(client.stream(upstream.target(), HI)) == EVENTS
        assert time.monotonic() - started < 0.5
        await asyncio.wait_for(upstream.gone.wait(), 1)


async def test_closing_the_stream_closes_the_connection_at_once():
    async with serving([streamed(STORY[0], end=False), "hang"]) as upstream, calling(upstream) as client:
        async with aclosing(client.stream(upstream.target(), HI)) as events:
            assert await anext(events) == ContentDelta(0, "Once ")
        await asyncio.wait_for(upstream.gone.wait(), 0.5)


@pytest.mark.parametrize("begun", [b"", streamed(STORY[0], end=False)], ids=["before the answer", "in the answer"])
async def test_cancelling_the_reader_closes_the_connection_at_once(begun):
    async with serving([begun, "hang"]) as upstream, calling(upstream) as client:
        task = asyncio.create_task(all_of(client.stream(upstream.target(), HI)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(upstream.gone.wait(), 0.5)


async def test_cookies_are_not_kept():
    script = [status(200, b"".join(STORY), "Set-Cookie: session=1; Path=/", "Content-Type: text/event-stream")]
    async with serving(script) as upstream, calling(upstream) as client:
        for _ in range(2):
            assert await all_of(client.stream(upstream.target(), HI)) == EVENTS

    assert [request.header("cookie") for request in upstream.requests] == [None, None]


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        assert await all_of(client.stream(upstream.target(), HI)) == EVENTS


async def test_more_streams_than_connections_are_refused_in_clear_words():
    script = [streamed(STORY[0], end=False), "hang"]
    async with serving(script) as upstream, calling(upstream, max_connections=2) as client:
        async with (
            aclosing(client.stream(upstream.target(), HI)) as first,
            aclosing(client.stream(upstream.target(), HI)) as second,
        ):
            await anext(first), await anext(second)
            with pytest.raises(UpstreamUnavailable, match="All 2 connections to providers are in use") as problem:
                await all_of(client.stream(upstream.target(), HI))
            assert problem.value.sent is False
        async with aclosing(client.stream(upstream.target(), HI)) as third:
            assert await anext(third) == ContentDelta(0, "Once ")


async def test_a_hundred_streams_at_once_do_not_mix():
    def story(number):
        return streamed(delta(f"{number} "), delta(f"{number}"), delta(finish="stop"), data("[DONE]"))

    async with serving(*[story(number) for number in range(101)]) as upstream, calling(upstream) as client:
        answers = await asyncio.gather(*(all_of(client.stream(upstream.target(), HI)) for _ in range(100)))

    texts = sorted("".join(event.text for event in answer if isinstance(event, ContentDelta)) for answer in answers)
    assert texts == sorted(f"{number} {number}" for number in range(100))


async def test_a_target_shows_neither_key_nor_headers():
    target = Upstream().target(headers={"x-secret": "sesame"})

    assert CANARY not in repr(target)
    assert "sesame" not in repr(target)


async def test_a_loop_has_one_client_until_it_is_closed():
    client = get_client()
    assert get_client() is client

    await client.aclose()

    assert get_client() is not client
    await get_client().aclose()
