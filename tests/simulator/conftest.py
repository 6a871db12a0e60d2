"""One simulated upstream for all tests, forgetting between them."""

import pytest

from .peer import Peer, start


@pytest.fixture(scope="session")
def process_and_port():
    process, port = start("--port", "0", "--with-parent")
    with process:
        yield process, port
        process.stdin.close()
        assert process.wait(timeout=5) == 0


@pytest.fixture
def simulator(process_and_port):
    peer = Peer(process_and_port[1])
    peer.forget()
    return peer
