"""What the client calls: whatever a base address, a name server or an upstream say (SS-1, SS-2, SS-10)."""

import socket
from contextlib import ExitStack

import pytest
from aiohttp.abc import AbstractResolver

from providers import addresses
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamUnavailable
from providers.types import ChatMessage, ChatRequest

from .test_client_failures import NoNames, failure_of
from .upstream import ANSWER, CANARY, HI, STORY, Upstream, all_of, calling, serving, status, streamed, whole

PLACES = ["127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"]
SPELLINGS = [
    *("127.0.0.1", "127.0.0.2", "127.9.9.9", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "2130706434"),
    *("017700000001", "0177.0.0.1", "0x7f000001", "0x7f.0.0.0x1", "0X7F.1", "127.0.0.1.", "00000177.1"),
    *("127。0。0。1", "１２７.0.0.1", "127．0｡0.1", "①②⑦.0.0.1", "127%2e0%2e0%2e1", "%31%32%37.0.0.1"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:7f00:1]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]"),
    *(
        "localhost",
        "localhost.",
        "LOCALHOST",
        "ｌｏｃａｌｈｏｓｔ",
        "db",
        "redis",
        "api.localhost",
        "rebind.example.com",
    ),
    *(
        "user:secret@127.0.0.1",
        "api.example.com@127.0.0.1",
        "api.example.com\\@127.0.0.1",
        "api.example.com%40127.0.0.1",
    ),
]


class Listeners:
    """Dummies on one port of several loopback addresses. They accept nothing: who came is in their queues."""

    def __enter__(self):
        self._stack = ExitStack()
        self._sockets = []
        for place in PLACES:
            family = socket.AF_INET6 if ":" in place else socket.AF_INET
            listener = self._stack.enter_context(socket.socket(family))
            listener.bind((place, self.port if self._sockets else 0))
            listener.listen()
            listener.setblocking(False)
            self._sockets.append(listener)
        return self

    def __exit__(self, *exception):
        self._stack.close()

    @property
    def port(self):
        return self._sockets[0].getsockname()[1]

    def called(self):
        found = []
        for listener in self._sockets:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            connection.close()
            found.append(listener.getsockname()[0])
        return found


def test_the_listeners_notice_who_comes():
    with Listeners() as listeners:
        for place in PLACES:
            socket.create_connection((place, listeners.port)).close()
        assert listeners.called() == PLACES


async def error_at(base_url, resolver=None, policy_places=()):
    async with calling(resolver=resolver, places=policy_places) as client:
        target = Upstream().target(base_url=base_url, first_token_timeout=0.3)
        return (await failure_of(client.stream(target, HI)))[0]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_a_closed_address_is_called(spelling):
    with Listeners() as listeners:
        error = await error_at(f"http://{spelling}:{listeners.port}", NoNames("127.0.0.1"))
        assert listeners.called() == []

    assert (type(error), error.sent) == (UpstreamUnavailable, False)


@pytest.mark.parametrize("spelling", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_literal_is_stopped_at_its_socket(spelling, monkeypatch):
    """The counter-check: with that one guard broken the same call arrives."""
    monkeypatch.setattr(addresses, "is_public", lambda text: True)
    with Listeners() as listeners:
        error = await error_at(f"http://{spelling}:{listeners.port}")
        assert len(listeners.called()) == 1

    assert isinstance(error, UpstreamError)


class TwoFaced(dict):
    """A resolver's row that says something public while it is checked, and something else when it is used."""

    def __getitem__(self, name):
        if name == "host" and not self.get("checked"):
            self["checked"] = True
            return "8.8.8.8"
        return super().__getitem__(name)


class TwoFacedNames(AbstractResolver):
    async def resolve(self, host, port=0, family=socket.AF_INET):
        flags = socket.AI_NUMERICHOST
        return [TwoFaced(hostname=host, host="127.0.0.1", port=port, family=2, proto=6, flags=flags)]

    async def close(self):
        pass


async def test_a_name_that_changes_between_check_and_use_is_stopped_at_the_socket():
    with Listeners() as listeners:
        error = await error_at(f"http://rebind.example.com:{listeners.port}", TwoFacedNames())
        assert listeners.called() == []

    assert (type(error), error.sent) == (UpstreamUnavailable, False)


class Changing(NoNames):
    """One answer after the other."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.answer = self.answers.pop(0)
        return await super().resolve(host, port, family)


async def test_every_connection_asks_for_the_name_anew():
    """An answer that was checked once is not used for later connections."""
    resolver = Changing("127.0.0.1", "127.0.0.1", "8.8.8.8")
    answer = whole(ANSWER).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    async with serving([answer, "close"]) as upstream:
        target = upstream.target(base_url=f"http://gw.example.com:{upstream.port}")
        async with calling(resolver=resolver, places=[("gw.example.com", upstream.port)]) as client:
            for _ in range(2):
                await all_of(client.stream(target, HI))

    assert upstream.connections == 2
    assert resolver.answers == ["8.8.8.8"]


async def test_a_port_of_another_service_is_not_called_even_where_the_address_is_public(monkeypatch):
    monkeypatch.setattr(addresses, "is_public", lambda text: True)
    with Listeners() as listeners:
        monkeypatch.setattr(addresses, "NOT_HTTP", frozenset({listeners.port}))
        for host in ("127.0.0.1", "[::1]", "redis.example.com"):
            error = await error_at(f"http://{host}:{listeners.port}", NoNames("127.0.0.1"))
            assert (type(error), error.sent) == (UpstreamUnavailable, False)
        assert listeners.called() == []


async def test_a_port_of_another_service_is_called_where_the_operator_lists_it(monkeypatch):
    async with serving(whole(ANSWER)) as upstream, calling(upstream) as client:
        monkeypatch.setattr(addresses, "NOT_HTTP", frozenset({upstream.port}))
        assert await all_of(client.stream(upstream.target(), HI))


@pytest.mark.parametrize("scheme", ["file", "gopher", "ftp", "ws", "unix", "data", "http+unix", "javascript"])
async def test_nothing_but_http_is_spoken(scheme):
    with Listeners() as listeners:
        error = await error_at(f"{scheme}://127.0.0.1:{listeners.port}/x")
        assert listeners.called() == []

    assert (type(error), error.sent) == (UpstreamUnavailable, False)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "place", ["http://127.0.0.2:{port}/latest/meta-data", "//127.0.0.2:{port}/", "gopher://127.0.0.2:{port}"]
)
async def test_no_redirect_is_followed_even_to_where_one_may_call(code, place):
    with Listeners() as listeners:
        script = status(code, CANARY.encode(), f"Location: {place.format(port=listeners.port)}")
        listed = [("127.0.0.2", listeners.port)]
        async with serving(script) as upstream, calling(upstream, places=listed) as client:
            error, _ = await failure_of(client.stream(upstream.target(), HI))
        assert listeners.called() == []

    assert (type(error), error.upstream_status) == (UpstreamProtocolError, code)


async def test_what_is_sent_is_what_the_dialect_needs_and_nothing_of_ours():
    cookie = status(200, b"".join(STORY), "Set-Cookie: session=1; Path=/", "Content-Type: text/event-stream")
    request = ChatRequest("our-name", (ChatMessage("user", "Hi"),), user_hash="5f2a")
    async with serving(cookie, streamed(*STORY)) as upstream, calling(upstream) as client:
        for _ in range(2):
            await all_of(client.stream(upstream.target(), request))

    for sent in upstream.requests:
        assert sent.header_names == {
            *("host", "accept", "accept-encoding", "connection", "user-agent"),
            *("authorization", "content-type", "content-length"),
        }
        assert sent.head.lower().count("content-length:") == 1
        assert set(sent.json) == {"model", "messages", "stream", "stream_options"}
        assert "our-name" not in sent.head + sent.body.decode()


async def test_listing_one_place_opens_no_other():
    with Listeners() as listeners:
        listed = [("127.0.0.1", listeners.port)]
        error = await error_at(f"http://127.0.0.2:{listeners.port}", None, listed)
        assert listeners.called() == []
        await error_at(f"http://127.0.0.1:{listeners.port}", None, listed)
        assert listeners.called() == ["127.0.0.1"]

    assert error.sent is False
