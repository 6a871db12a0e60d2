"""Streams that are odd, and streams that are hostile, over real sockets (AV-3)."""

import asyncio
import gc
import json
import tracemalloc

import pytest

from providers.errors import UpstreamProtocolError, UpstreamTimeout
from providers.types import ChatMessage, ChatRequest, ContentDelta, Finished, Sampling, UsageReported

from .test_client_failures import failure
from .upstream import HI, SSE, STORY, USAGE, all_of, calling, chunked, data, delta, serving, streamed, whole

EVENTS = [ContentDelta(0, "Once "), ContentDelta(0, "upon."), Finished(0, "stop"), UsageReported(3, 2)]
BOM = b"\xef\xbb\xbf"
TOLD = b"".join(STORY)


def choice(index, text="", finish=None):
    return {"index": index, "delta": {"content": text}, "finish_reason": finish}


async def events_of(script, request=HI, **changes):
    async with serving(script) as upstream, calling(upstream) as client:
        return await all_of(client.stream(upstream.target(**changes), request))


@pytest.mark.parametrize(
    "pieces",
    [
        [BOM + TOLD],
        [BOM[:1], BOM[1:2], BOM[2:] + TOLD],
        [TOLD.replace(b"data: ", b"data:")],
        [TOLD.replace(b"\n", b"\r\n")],
        [TOLD.replace(b"\n", b"\r")],
        [STORY[0].replace(b"\n", b"\r"), STORY[1].replace(b"\n", b"\r\n"), *STORY[2:]],
        [STORY[0].replace(b', "delta"', b',\ndata: "delta"'), *STORY[1:]],
        [b": OPENROUTER PROCESSING\n\n" * 3, *STORY, b": bye\n\n"],
        [b"event: message\nid: 1\nretry: 5\n" + STORY[0], *STORY[1:]],
        [*STORY, data("[DONE]")],
        [*STORY[:-1], data("[DONE]") * 2],
        STORY[:-1],
        [TOLD.removesuffix(b"\n")],
        [data({"id": "x", "object": "chat.completion.chunk"}), *STORY],
        [data({"choices": []}), data({"choices": None}), *STORY],
        [*STORY, delta("after the end")],
    ],
    ids=[
        *("BOM", "BOM in pieces", "no space after the colon", "CRLF", "CR", "CR, CRLF and LF", "data in two lines"),
        *("comments", "other fields", "[DONE] twice", "[DONE] twice in one piece", "no [DONE]", "no last blank line"),
        *("no choices", "empty choices", "something after [DONE]"),
    ],
)
async def test_an_odd_stream_tells_the_same_story(pieces):
    assert await events_of(streamed(*pieces)) == EVENTS


async def test_a_usage_that_comes_alone_and_first_is_the_last_event():
    assert await events_of(streamed(USAGE, *STORY[:3], data("[DONE]"))) == EVENTS


async def test_two_answers_that_cross_are_told_apart():
    pieces = [
        data({"choices": [choice(0, "A"), choice(1, "x")]}),
        data({"choices": [choice(1, "y")]}),
        data({"choices": [choice(0, "B", "stop"), choice(1, "", "length")]}),
        data("[DONE]"),
    ]
    two = ChatRequest("m", (ChatMessage("user", "Hi"),), sampling=Sampling(n=2))

    events = await events_of(streamed(*pieces), two, dialect="openai")

    assert events == [
        ContentDelta(0, "A"),
        ContentDelta(1, "x"),
        ContentDelta(1, "y"),
        ContentDelta(0, "B"),
        Finished(0, "stop"),
        Finished(1, "length"),
    ]


async def test_an_index_that_comes_twice_in_one_chunk_goes_on_with_its_answer():
    pieces = [data({"choices": [choice(0, "A"), choice(0, "B")]}), delta(finish="stop"), data("[DONE]")]

    assert await events_of(streamed(*pieces)) == [ContentDelta(0, "A"), ContentDelta(0, "B"), Finished(0, "stop")]


async def test_one_of_two_answers_without_an_end_is_an_error():
    pieces = [data({"choices": [choice(0, "A"), choice(1, "x")]}), data({"choices": [choice(0, "", "stop")]})]
    error, texts = await failure(streamed(*pieces, data("[DONE]")), dialect="openai")

    assert (type(error), texts) == (UpstreamProtocolError, ["A", "x"])


async def test_the_events_before_a_broken_one_in_the_same_bytes_are_given():
    error, texts = await failure(streamed(STORY[0] + STORY[1] + data("{") + STORY[2]))

    assert (type(error), texts) == (UpstreamProtocolError, ["Once ", "upon."])
    assert error.message == "The provider sent something that is not JSON."


async def test_a_stream_in_gzip_that_nobody_asked_for_is_refused():
    head = f"{SSE}Content-Encoding: gzip\r\n"
    error, texts = await failure(whole(b"\x1f\x8b\x08" + b"\0" * 1000, head))

    assert (type(error), texts) == (UpstreamProtocolError, [])
    assert "compressed" in error.message


@pytest.mark.parametrize(
    ("begun", "timeouts", "told"),
    [
        ([], {"first_token_timeout": 0.3}, "did not begin to answer"),
        ([STORY[0]], {"silence_timeout": 0.3}, "went silent in the middle of its answer"),
    ],
    ids=["before the answer", "in the answer"],
)
async def test_bytes_that_only_trickle_in_end_at_the_deadline(begun, timeouts, told):
    trickle = [act for byte in STORY[1] * 3 for act in (chunked(bytes([byte]), end=False), 0.05)]
    error, texts = await failure([streamed(*begun, end=False), *trickle, "hang"], **timeouts)

    assert (type(error), texts) == (UpstreamTimeout, ["Once "][: len(begun)])
    assert told in error.message


async def test_a_reader_that_takes_its_time_does_not_use_up_the_upstreams():
    """The silence is counted from the moment when we listen again, and nothing is cut off before that."""
    script = [streamed(STORY[0], end=False), 0.05, chunked(STORY[1], end=False), 0.8, chunked(*STORY[2:])]
    async with serving(script) as upstream, calling(upstream) as client:
        stream = client.stream(upstream.target(silence_timeout=0.4), HI)
        events = [await anext(stream), await anext(stream)]
        await asyncio.sleep(0.6)
        events += await all_of(stream)

    assert events == EVENTS


async def test_headers_that_only_trickle_in_end_at_the_deadline():
    trickle = [act for byte in streamed(*STORY) for act in (bytes([byte]), 0.05)]
    error, _ = await failure([*trickle, "hang"], first_token_timeout=0.3)

    assert type(error) is UpstreamTimeout


async def test_one_event_without_end_is_refused_in_bounded_memory():
    piece = chunked(b"x" * 65536, end=False)
    script = [streamed(b'data: {"choices": [{"delta": {"content": "', end=False), *[piece] * 320, "hang"]
    gc.collect()
    tracemalloc.start()
    try:
        error, _ = await failure(script, first_token_timeout=5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert type(error) is UpstreamProtocolError
    assert error.message == "The provider sent one event of more than 5 MB."
    assert peak < 16 * 1024 * 1024  # 20 MB were sent


async def test_an_event_just_within_the_limit_is_given():
    text = "x" * 4_000_000
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]})

    events = await events_of(streamed(data(chunk), data("[DONE]")))

    assert events == [ContentDelta(0, text), Finished(0, "stop")]


async def test_a_request_of_megabytes_is_sent_whole_and_without_a_warning():
    long = ChatRequest(model="deepseek-chat", messages=(ChatMessage("user", "a" * 2_000_000),))
    async with serving(streamed(*STORY)) as upstream, calling(upstream) as client:
        assert await all_of(client.stream(upstream.target(), long)) == EVENTS
    assert upstream.requests[0].json["messages"] == [{"role": "user", "content": "a" * 2_000_000}]
    assert int(upstream.requests[0].header("content-length")) > 2_000_000
    assert upstream.requests[0].header("transfer-encoding") is None
