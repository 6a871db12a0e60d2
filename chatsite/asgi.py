"""The ASGI application, and what starts and stops with the process that serves it."""

import asyncio
import os
from contextlib import AsyncExitStack

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup()

from chatsite import alone, ready, schedule  # noqa: E402
from chatsite.routing import application  # noqa: E402
from conversations import leases  # noqa: E402
from conversations.engine.runner import Engine  # noqa: E402
from conversations.engine.store import store  # noqa: E402
from providers import threads, tokens  # noqa: E402
from providers.client import get_client  # noqa: E402

__all__ = ["application", "on_drain", "on_start", "on_stop"]

ANSWERS_MAY_END_SECONDS = 5.0
engine = Engine(store)
_started = AsyncExitStack()


async def on_start() -> None:
    """Before the port listens: prove that no other process serves this database, end what it left, begin to work.

    What is begun is noted at once, so that a start that fails half-way is undone as far as it came.
    """
    ready.refuse_broken_settings()
    _started.callback(threads.shutdown)
    _started.callback(alone.release)
    await threads.in_thread(alone.claim)()
    _started.callback(asyncio.create_task(alone.keep()).cancel)
    await threads.in_thread(ready.refuse_old_tables)()
    await threads.in_thread(leases.sweep)(alone=True)
    schedule.start()
    _started.callback(schedule.stop)
    _started.push_async_callback(get_client().aclose)
    await engine.start()
    _started.push_async_callback(engine.stop)
    asyncio.get_running_loop().run_in_executor(None, tokens.load)


async def on_drain() -> None:
    """The port is closed; open answers get a moment to end by themselves."""
    await engine.drain(ANSWERS_MAY_END_SECONDS)


async def on_stop() -> None:
    """Undo what on_start did, the last first."""
    await _started.aclose()
