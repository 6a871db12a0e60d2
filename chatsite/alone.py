"""Proof that one web process serves a database: answers live in its memory while they are written."""

import fcntl
from typing import IO

import psycopg
from django.conf import settings
from django.db import connection

from chatsite.refusals import CannotStart, writing_to

# Any number will do, as long as nothing else in the database takes the same advisory lock.
ADVISORY_LOCK = 0x43484154
_held: list[IO[str] | psycopg.Connection] = []


class AnotherProcess(CannotStart):
    """Somebody else serves this database."""


def claim() -> None:
    """Take the lock that a living process holds and a killed one cannot keep, or raise AnotherProcess."""
    if not _held:
        _held.append(_advisory_lock() if connection.vendor == "postgresql" else _file_lock())


def release() -> None:
    while _held:
        _held.pop().close()


def _file_lock() -> IO[str]:
    with writing_to(settings.DATA_DIR):
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        file = (settings.DATA_DIR / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise AnotherProcess(f"Chatsite already runs on {settings.DATA_DIR}: stop it first.") from error
    return file


def _advisory_lock() -> psycopg.Connection:
    parameters = {k: v for k, v in connection.get_connection_params().items() if k in _CONNECTION}
    own = psycopg.connect(**parameters, autocommit=True)
    row = own.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK]).fetchone()
    if not row or not row[0]:
        own.close()
        raise AnotherProcess("Another Chatsite web process serves this database: stop it first.")
    return own


_CONNECTION = {"dbname", "user", "password", "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey"}
