"""Who and what every test may ask for."""

import pytest
from django.core.management.commands import flush
from django.db import connection, connections

from billing import triggers
from tests import canary
from tests.factories import make_model, make_user
from tests.settings import FOLDER


def pytest_configure(config):
    config.pluginmanager.register(canary)


@pytest.fixture(autouse=True, scope="session")
def _tables_can_be_emptied():
    """Django empties the tables after a test with real transactions; the ledger's triggers would refuse."""
    handle = flush.Command.handle

    def handle_without_triggers(self, **options):
        with triggers.suspended(connections[options["database"]]):
            return handle(self, **options)

    flush.Command.handle = handle_without_triggers
    yield
    flush.Command.handle = handle


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The database as the session left it does not hold the canary."""
    yield
    with django_db_blocker.unblock():
        canary.watch.look_at_rows(connection)
        if connection.vendor == "sqlite":
            canary.watch.look_at_files(FOLDER)


@pytest.fixture
def alice(db):
    """A member without credits."""
    return make_user("alice@example.org", name="Alice")


@pytest.fixture
def bob(db):
    """Another member, with no access to anything of Alice's."""
    return make_user("bob@example.org", name="Bob")


@pytest.fixture
def model(db):
    """EigenAI's documented model, served by the simulated upstream where a test has one."""
    return make_model()
