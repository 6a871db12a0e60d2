"""Daphne with a whole life: start hook, listening, drain on a signal, stop hook. Importing this picks the reactor."""

# Daphne carries no types, so subclassing it cannot be fully checked.
# mypy: disallow-untyped-calls=False, disallow-subclassing-any=False

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import daphne.server
from daphne.server import reactor
from twisted.logger import globalLogPublisher

from chatsite.http_channel import Channel, Factory, Limits, WebSocket
from chatsite.refusals import sentence_about

logger = logging.getLogger(__name__)

Application = Callable[..., Awaitable[None]]
Hook = Callable[[], Awaitable[None]]

BACKLOG = 1024
CUT_SECONDS = 5  # what a cancelled application may still take
STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the application wants to do at the turns of the server's life; see `chatsite.server.serve`."""

    on_start: Hook | None = None
    on_listening: Callable[[], None] | None = None
    on_drain: Hook | None = None
    on_stop: Hook | None = None


class Server(daphne.server.Server):
    """Serves `application` on a bound socket until a signal says stop."""

    def __init__(self, application: Application, listener: socket.socket, hooks: Hooks, limits: Limits) -> None:
        super().__init__(application, endpoints=["listener"], signal_handlers=False, verbosity=0, server_name="")
        self.endpoints: list[str] = []  # Daphne would listen at once, we only after on_start
        self.listener = listener
        self.hooks = hooks
        self.limits = limits
        self.channels: set[Channel] = set()
        self.draining = False
        self.exit_code = 0

    def run(self) -> int:
        """Block until the process has nothing left to do; return its exit code."""
        life = reactor._asyncioEventloop.create_task(self._live())
        life.add_done_callback(lambda _: reactor.stop())
        # Daphne sends Twisted's log nowhere; exceptions inside a connection must not get lost with it.
        globalLogPublisher.addObserver(_log_failure)  # type: ignore[arg-type]  # an interface mypy cannot see
        super().run()
        life.result()
        return self.exit_code

    async def _live(self) -> None:
        """Start, serve, drain, stop. A signal ends the phase that is running, except the last."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, lambda: self.phase.cancel())
        self.ws_factory.protocol = WebSocket
        try:
            await self._phase(self._serve())
        except Exception as error:
            print(sentence_about(error) or f"Could not start: {type(error).__name__}: {error}", file=sys.stderr)
            self.exit_code = 1
        await self._phase(self._guard(self._drain), seconds=self.limits.drain_seconds)
        await self._guard(self._cut)
        if self.hooks.on_stop:
            await self._guard(self.hooks.on_stop, seconds=STOP_SECONDS)

    async def _phase(self, work: Coroutine[Any, Any, None], seconds: float | None = None) -> None:
        """Do `work` until it is done, a signal comes, or the time is over."""
        self.phase = asyncio.create_task(work)
        await asyncio.wait([self.phase], timeout=seconds)
        if not self.phase.done():
            self.phase.cancel()
            await asyncio.wait([self.phase], timeout=CUT_SECONDS)
        if self.phase.done() and not self.phase.cancelled():
            self.phase.result()

    async def _guard(self, work: Hook, seconds: float | None = None) -> None:
        """Do `work`; whatever goes wrong in it must not keep the rest of the way out from happening."""
        try:
            async with asyncio.timeout(seconds):
                await work()
        except Exception:
            logger.exception("%s failed", getattr(work, "__name__", work))
            self.exit_code = 1

    async def _serve(self) -> None:
        with self.listener:
            if self.hooks.on_start:
                await self.hooks.on_start()
            self.listener.setblocking(False)
            self.listener.listen(BACKLOG)
            port = reactor.adoptStreamPort(self.listener.fileno(), self.listener.family, Factory(self))
        try:
            if self.hooks.on_listening:
                self.hooks.on_listening()
            await asyncio.Event().wait()
        finally:
            port.stopListening()

    async def _drain(self) -> None:
        self.draining = True
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocket):
                protocol.close_for_restart()
        for channel in list(self.channels):
            channel.finish_up()
        if self.hooks.on_drain:
            await self._guard(self.hooks.on_drain)
        while self.channels:
            await next(iter(self.channels)).closed.wait()
        if tasks := self._running_applications():
            await asyncio.wait(tasks)

    async def _cut(self) -> None:
        if tasks := self._running_applications():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CUT_SECONDS)
        for channel in list(self.channels):
            channel.transport.abortConnection()

    def _running_applications(self) -> list[asyncio.Task[None]]:
        tasks = [details.get("application_instance") for details in self.connections.values()]
        return [task for task in tasks if task and not task.done()]

    def kill_all_applications(self) -> None:
        """Daphne's own way out, called when the reactor stops: all is done by then."""

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Send, then wait until the client has taken what it was sent before."""
        await super().handle_reply(protocol, message)
        channel: Channel | None = getattr(protocol, "channel", None)
        if channel is None or channel.room.is_set():
            await asyncio.sleep(0)  # a send that never suspends would starve everybody else
        else:
            await channel.room.wait()


def _log_failure(event: dict[str, Any]) -> None:
    if failure := event.get("log_failure"):
        logger.error("Failure in a connection", exc_info=failure.value)
