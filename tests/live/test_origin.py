"""Which pages may open a socket: ours, and no other."""

import pytest
from channels.testing import WebsocketCommunicator

from chatsite.routing import websockets

pytestmark = pytest.mark.django_db(transaction=True)


async def opened(*headers):
    socket = WebsocketCommunicator(websockets, "/ws/", headers=[(b"host", b"testserver"), *headers])
    connected, _ = await socket.connect()
    if connected:
        await socket.disconnect()
    return connected


async def test_our_own_page_opens_a_socket():
    assert await opened((b"origin", b"http://testserver"))


@pytest.mark.parametrize(
    "origin",
    [
        b"http://evil.example",
        b"null",
        b"",
        b"http://testserver.evil.example",
        b"http://eviltestserver",
        b"file://",
    ],
)
async def test_a_strange_page_does_not(origin):
    assert not await opened((b"origin", origin))


async def test_nor_does_who_names_no_page():
    assert not await opened()
