"""The engine and its sockets in the test's own loop, against the simulated upstream's own process."""

import asyncio
import json
import time
from uuid import uuid4

import pytest
from blockbuster import blockbuster_ctx
from channels.testing import WebsocketCommunicator

from billing.audit import audit
from billing.models import Hold
from billing.services import grant
from conversations.consumers import ChatConsumer
from conversations.engine.runner import Engine
from conversations.engine.store import store
from conversations.models import Generation, Message
from providers import client, threads
from tests.simulator.peer import Peer, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _the_ledger_is_sound_and_nothing_is_left_open(transactional_db):
    """After every test here, whatever it did: the engine has stopped by then."""
    yield
    assert audit() == []
    assert not Hold.objects.filter(state="open").exists()
    assert not Generation.objects.filter(status__in=Generation.UNFINISHED).exists()


@pytest.fixture(autouse=True)
def _the_loop_is_never_blocked():
    """A wait for a file, a socket, a lock or a database in the event loop is an error."""
    with blockbuster_ctx():
        yield


@pytest.fixture(scope="session")
def upstream():
    """The simulated upstream in its own process."""
    with running("--port", "0", "--with-parent") as (process, port):
        yield Upstream(port)
        process.stdin.close()
        process.wait(timeout=5)


class Upstream(Peer):
    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def calls(self, word):
        """The upstream's own records of the calls whose prompt holds `word`, oldest first."""
        return [c for c in self.request("GET", "/__simulator__/requests").json if word in json.dumps(c["body"])]

    def call(self, word):
        """The last of them, once it has ended."""
        for _ in range(100):
            calls = self.calls(word)
            if calls and calls[-1]["finished"]:
                return calls[-1]
            time.sleep(0.02)
        raise AssertionError(f"no call with {word!r} ended")


@pytest.fixture
def alice(transactional_db, alice, upstream, settings):
    """Alice with 1 credit, on a site whose models the simulated upstream serves."""
    settings.SIMULATOR_URL = upstream.url
    grant(user=alice, amount=10**9, reason="To try it")
    return alice


@pytest.fixture
async def engine(transactional_db):
    engine = Engine(store)
    await engine.start()
    yield engine
    await engine.stop()
    await client.get_client().aclose()
    await asyncio.to_thread(threads.shutdown)
    assert store.answers == {}


def text_of(message):
    return Message.objects.get(pk=message).text


def assembled(frames, generation, channel):
    """What a browser makes of the frames of one answer."""
    shown = ""
    for frame in frames:
        if frame.get("generation") != generation:
            continue
        if frame["type"] == "snapshot":
            shown = frame[channel]
        elif frame["type"] == "delta" and frame["channel"] == channel:
            assert frame["at"] <= len(shown), "a piece is missing"
            shown += frame["text"][len(shown) - frame["at"] :]
    return shown


class Tab:
    """One browser tab's socket."""

    def __init__(self, user, engine=None):
        self.engine = engine
        self.socket = WebsocketCommunicator(ChatConsumer.as_asgi(), "/ws/")
        self.socket.scope["user"] = user
        self.frames = []

    async def open(self):
        connected, code = await self.socket.connect()
        assert connected, code
        return self

    async def tell(self, **frame):
        await self.socket.send_to(text_data=json.dumps(frame, default=str))

    async def send(self, text, model, **frame):
        """Send a message and give its turn.started."""
        values = {"text": text, "model": model.name, "client_id": uuid4()} | frame
        await self.tell(type="send", **values)
        return await self.until("turn.started")

    async def until(self, wanted, seconds=10):
        """The next frame of this type; everything heard is kept in `frames`."""
        return await self.until_any(wanted, seconds=seconds)

    async def until_any(self, *wanted, seconds=10):
        async with asyncio.timeout(seconds):
            while True:
                frame = json.loads(await self.socket.receive_from(timeout=seconds))
                self.frames.append(frame)
                if frame["type"] in wanted:
                    return frame

    def text(self, generation, channel="text"):
        """What this tab shows of an answer."""
        return assembled(self.frames, generation, channel)

    async def close(self):
        await self.socket.disconnect()


@pytest.fixture
async def tab(alice, engine):
    tab = await Tab(alice, engine).open()
    yield tab
    await tab.close()
