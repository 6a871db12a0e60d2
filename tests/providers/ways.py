"""Requests on their way through several keys and places, over real HTTP to the simulated upstream."""

import asyncio
from contextlib import aclosing

import pytest

from providers import client, threads
from providers.endpoints import Candidate, Endpoint
from providers.errors import InvalidRequest, UpstreamError
from providers.models import Deployment, Model, UpstreamKey
from providers.services import save_key
from providers.threads import in_thread
from providers.types import ChatMessage, ChatRequest, ContentDelta, Sampling
from tests.canary import CANARY
from tests.simulator.peer import Peer, running

FIRST, SECOND = "deepseek-chat", "deepseek-coder"  # their names at the upstream: two places on one host
WHOLE = "Once upon a time."


@pytest.fixture(scope="session")
def port():
    with running("--port", "0", "--with-parent") as (process, port):
        yield port
        process.stdin.close()
        process.wait(timeout=5)


@pytest.fixture
async def simulator(port, settings):
    settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{port}"]
    peer = Peer(port)
    await asyncio.to_thread(peer.forget)
    yield peer
    await client.get_client().aclose()
    await asyncio.to_thread(threads.shutdown)


@in_thread
def candidates(port, *keys, **fields):
    """Candidates in this order: keys called one… are the first place's, those called two… the second's."""
    model, _ = Model.objects.get_or_create(name="m", defaults={"title": "M", "dialect": "thinking"})
    made = []
    for name in keys:
        deployment, _ = Deployment.objects.get_or_create(
            model=model,
            dialect="thinking",
            base_url=f"http://127.0.0.1:{port}",
            upstream_model=FIRST if name.startswith("one") else SECOND,
            defaults={"context_window": 9000, "max_output": 900} | fields,
        )
        key = save_key(deployment=deployment, plain=f"{CANARY}-{name}")
        key.deployment = deployment
        made.append(Candidate(Endpoint(deployment, key), 100))
    return made


async def order(simulator, key, **fault):
    """Let the key with these last four characters fail so."""
    reply = await asyncio.to_thread(simulator.order, match={"key_last_four": key}, **fault)
    assert reply.status == 201, reply.raw


async def calls(simulator):
    return await asyncio.to_thread(simulator.journal)


def request(text=f'[[speed=0 say="{WHOLE}"]] Hi', **sampling):
    return ChatRequest("m", (ChatMessage("user", text),), sampling=Sampling(**sampling))


async def follow(route):
    """The text that came, and the error if one did."""
    text = ""
    try:
        async with aclosing(route.events()) as events:
            async for event in events:
                if isinstance(event, ContentDelta):
                    text += event.text
    except (UpstreamError, InvalidRequest) as error:
        return text, error
    return text, None


def tried(route):
    """Key, result and status of each attempt."""
    return [(each["key"], each["result"], each["status"]) for each in route.attempts]


@in_thread
def row(key):
    return UpstreamKey.objects.get(last_four=key)


OK_TWO, OK_NEXT = ("…one2", "ok", None), ("…two1", "ok", None)


@in_thread
def endpoints_again(*keys):
    """The candidates of these keys as their rows are now."""
    found = [UpstreamKey.objects.select_related("deployment__model").get(last_four=key) for key in keys]
    return [Candidate(Endpoint(key.deployment, key), 100) for key in found]
