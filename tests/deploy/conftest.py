"""What deployments need around them."""

import pytest

from tests.deploy.deployment import Database
from tests.simulator.peer import running


@pytest.fixture(scope="module")
def simulator():
    """The address of a simulated upstream."""
    with running("--port", "0", "--with-parent") as (process, port):
        yield f"http://127.0.0.1:{port}"
        process.stdin.close()
        process.wait(5)


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL database of its own."""
    database = Database()
    yield database
    database.drop()
