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
_lock = Lock()
_pool: ThreadPoolExecutor | None = None


def in_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make a synchronous service awaitable.

    When the caller is cancelled, a call that has begun still runs to its end and one that waits for a thread is
    dropped: shield what must happen.
    """

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # asgiref's bridge, so that a service may call async_to_sync and reach the caller's loop.
        return await sync_to_async(run, thread_sensitive=False, executor=_threads())(*args, **kwargs)

    return call


def shutdown() -> None:
    """Wait for what is running and end the threads. A later call starts new ones."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool:
        pool.shutdown(wait=True)


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            # SQLite takes one writer at a time and lets the others poll, some for seconds: a queue is fair.
            size = 1 if connection.vendor == "sqlite" else THREADS
            _pool = ThreadPoolExecutor(size, thread_name_prefix="services")
        return _pool
