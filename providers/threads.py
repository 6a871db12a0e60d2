"""Synchronous services for asynchronous callers, on few threads that hand their database connection back."""

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 8
THREADS_ASIDE = 2
_lock = Lock()
_pools: dict[bool, ThreadPoolExecutor] = {}


def in_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make a synchronous service awaitable.

    When the caller is cancelled, a call that has begun still runs to its end and one that waits for a thread is
    dropped: shield what must happen.
    """
    return _awaitable(function, writes=True)


def aside(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same for what computes and only reads: nothing that is to be written waits behind it."""
    return _awaitable(function, writes=False)


def _awaitable(function: Callable[P, R], *, writes: bool) -> Callable[P, Coroutine[Any, Any, R]]:
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # asgiref's bridge, so that a service may call async_to_sync and reach the caller's loop.
        return await sync_to_async(run, thread_sensitive=False, executor=_threads(writes))(*args, **kwargs)

    return call


def shutdown() -> None:
    """Wait for what is running and end the threads. A later call starts new ones."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.shutdown(wait=True)


def drop_dead_connections() -> None:
    """After a restart of the database, at once: by itself the pool finds them one by one, with growing pauses."""
    pool = getattr(connection, "pool", None)
    if pool:
        pool.check()


def _threads(writes: bool) -> ThreadPoolExecutor:
    with _lock:
        if writes not in _pools:
            # SQLite takes one writer at a time and lets the others poll, some for seconds: a queue is fair.
            writers = 1 if connection.vendor == "sqlite" else THREADS
            name = "services" if writes else "aside"
            _pools[writes] = ThreadPoolExecutor(writers if writes else THREADS_ASIDE, thread_name_prefix=name)
        return _pools[writes]
