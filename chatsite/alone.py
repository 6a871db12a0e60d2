"""Proof that one web process serves a database: answers live in its memory while they are written."""

import asyncio
import fcntl
import logging
import os
import signal
from typing import IO

import psycopg
from django.conf import settings
from django.db import connection

from chatsite.refusals import CannotStart, writing_to
from providers.threads import drop_dead_connections, in_thread

log = logging.getLogger(__name__)

# Any number will do, as long as nothing else in the database takes the same advisory lock.
ADVISORY_LOCK = 0x43484154
CHECK_SECONDS = 1.0
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


async def keep() -> None:
    """Look now and then that the lock is still ours: a database that restarts forgets it, and a file does not."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            await in_thread(renew)()
        except AnotherProcess as problem:
            log.critical("%s This one ends.", problem)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        except psycopg.OperationalError as error:
            log.warning("Whether this is the only web process waits for the database: %s", error)


def renew() -> None:
    """Claim again what the database has dropped, or raise AnotherProcess if somebody was quicker."""
    if not all(_holds(lock) for lock in _held):
        drop_dead_connections()  # the database has restarted, and theirs went with ours
        release()
    claim()


def _holds(lock: IO[str] | psycopg.Connection) -> bool:
    if not isinstance(lock, psycopg.Connection):
        return True
    try:
        lock.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


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
