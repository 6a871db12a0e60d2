"""One web process serves a database, also after the database has forgotten which."""

import fcntl
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from chatsite import alone

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def claimed():
    alone.claim()
    yield
    alone.release()


@contextmanager
def another_process():
    """A second process takes the lock, by other means than ours; gives whether it got it."""
    if connection.vendor == "postgresql":
        parameters = connection.get_connection_params()
        chosen = {name: parameters[name] for name in ("dbname", "user", "host", "port")}
        with psycopg.connect(**chosen, autocommit=True) as other:
            yield other.execute("SELECT pg_try_advisory_lock(%s)", [alone.ADVISORY_LOCK]).fetchone()[0]
        return
    with (settings.DATA_DIR / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def forget():
    """What a restart of PostgreSQL does to the lock; a file keeps it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s",
                [alone.ADVISORY_LOCK],
            )


def test_a_second_process_is_refused_in_a_sentence():
    with another_process() as got_it, pytest.raises(alone.AnotherProcess, match="stop it first"):
        assert got_it
        alone.claim()


def test_a_forgotten_lock_is_taken_again(claimed):
    forget()
    alone.renew()
    with another_process() as got_it:
        assert not got_it


def test_who_was_quicker_keeps_the_lock():
    alone.claim()
    forget()
    if connection.vendor != "postgresql":
        alone.release()
    with another_process() as got_it, pytest.raises(alone.AnotherProcess):
        assert got_it
        alone.renew()
