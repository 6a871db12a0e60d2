"""The client against the simulated upstream, over real HTTP, in every dialect."""

import asyncio
from contextlib import aclosing

import pytest

from providers.errors import (
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from providers.types import ChatMessage, ChatRequest, ContentDelta, Finished, ReasoningDelta, Thinking, UsageReported
from tests.simulator.peer import Peer, running

from .test_client_failures import failure_of
from .upstream import Upstream, all_of, calling

# What the simulated upstream speaks; a dialect that it does not is tested by its documents.
FACES = ["deepinfra", "eigenai", "openai", "segmind", "thinking"]
HI = ChatRequest(model="m", messages=(ChatMessage("user", "Hi"),))


@pytest.fixture(scope="session")
def port():
    with running("--port", "0", "--with-parent") as (_, port):
        yield port


@pytest.fixture
def simulator(port):
    peer = Peer(port)
    peer.forget()
    return peer


@pytest.fixture
async def client(port):
    async with calling(Upstream(port)) as client:
        yield client


def target(simulator, dialect="thinking", *, wait=5.0, **steering):
    names = {"eigenai": "deepseek-v31-terminus", "deepinfra": "deepseek-ai/DeepSeek-V3"}
    base_url = f"http://127.0.0.1:{simulator.port}"
    return Upstream().target(
        dialect=dialect,
        base_url=f"{base_url}/v1" if dialect == "openai" else base_url,
        upstream_model=names.get(dialect, "deepseek-chat"),
        first_token_timeout=wait,
        silence_timeout=wait,
        headers={f"x-simulator-{name.replace('_', '-')}": str(value) for name, value in steering.items()},
    )


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, ContentDelta))


@pytest.mark.parametrize("dialect", FACES)
@pytest.mark.parametrize("steering", [{}, {"chunk": 1}, {"chunk": 7, "crlf": 1, "comments": 1}], ids=str)
async def test_every_dialect_tells_the_same_story(client, simulator, dialect, steering):
    request = ChatRequest(model="m", messages=(ChatMessage("user", '[[say="Once upon a time, 你好 😀."]]'),))

    events = await all_of(client.stream(target(simulator, dialect, speed=0, **steering), request))

    assert text_of(events) == "Once upon a time, 你好 😀."
    assert [event for event in events if isinstance(event, Finished)] == [Finished(0, "stop")]
    assert not isinstance(events[-1], ContentDelta)


async def test_text_of_any_script_survives_any_cut(client, simulator):
    request = ChatRequest(model="m", messages=(ChatMessage("user", '[[say="Déjà\u2028 你好 😀\\n\\nend."]]'),))

    events = await all_of(client.stream(target(simulator, speed=0, chunk=1), request))

    assert text_of(events) == "Déjà\u2028 你好 😀\n\nend."


async def test_reasoning_is_told_apart(client, simulator):
    request = ChatRequest(model="m", messages=HI.messages, thinking=Thinking(enabled=True, budget_tokens=256))

    events = await all_of(client.stream(target(simulator, speed=0, reasoning=20), request))

    kinds = [type(event) for event in events]
    assert kinds.index(ReasoningDelta) < kinds.index(ContentDelta)
    (usage,) = [event for event in events if isinstance(event, UsageReported)]
    assert usage.reasoning == 20


@pytest.mark.parametrize("dialect", FACES)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, UpstreamRejected), (402, UpstreamRejected), (429, UpstreamUnavailable), (500, UpstreamUnavailable)],
)
async def test_every_dialect_tells_what_a_status_means(client, simulator, dialect, status, kind):
    error, _ = await failure_of(client.stream(target(simulator, dialect, fail=status), HI))

    assert (type(error), error.upstream_status) == (kind, status)


@pytest.mark.parametrize("mode", ["close", "reset", "half_event", "garbage"])
async def test_an_upstream_that_dies_in_its_answer_leaves_the_texts_before(client, simulator, mode):
    error, texts = await failure_of(client.stream(target(simulator, fail_after=5, fail_mode=mode), HI))

    assert type(error) is UpstreamProtocolError
    assert texts


async def test_an_error_event_in_the_stream_is_the_error(client, simulator):
    error, texts = await failure_of(client.stream(target(simulator, fail_after=5, fail_mode="error_event"), HI))

    assert isinstance(error, UpstreamUnavailable | UpstreamRejected)
    assert texts


async def test_an_upstream_that_hangs_times_out(client, simulator):
    error, texts = await failure_of(client.stream(target(simulator, wait=0.3, fail_after=5, fail_mode="hang"), HI))

    assert type(error) is UpstreamTimeout
    assert texts


async def test_a_stream_without_done_is_whole(client, simulator):
    events = await all_of(client.stream(target(simulator, speed=0, no_done=1, length=5), HI))

    assert Finished(0, "stop") in events


async def test_the_upstream_notices_a_reader_that_left(client, simulator):
    async with aclosing(client.stream(target(simulator, speed=20, length=2000), HI)) as events:
        async for event in events:
            if isinstance(event, ContentDelta):
                break

    for _ in range(100):
        (entry,) = await asyncio.to_thread(simulator.journal)
        if entry["disconnected"]:
            break
        await asyncio.sleep(0.02)
    assert entry["disconnected"] is True
