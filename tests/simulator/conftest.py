"""One simulated upstream for all tests, forgetting between them."""

import pytest

from .peer import Peer, running


@pytest.fixture(scope="session")
def process_and_port():
    with running("--port", "0", "--with-parent") as (process, port):
        yield process, port
        process.stdin.close()
        assert process.wait(timeout=5) == 0


@pytest.fixture
def simulator(process_and_port):
    peer = Peer(process_and_port[1])
    peer.forget()
    return peer
