"""One timer for all the waits of a call."""

import asyncio
from collections.abc import Callable


class Watchdog:
    """Calls `bite` once, when a wait goes on past the deadline, in seconds of the loop's clock.

    A timeout of its own for each chunk of a stream would cost a fifth of what the whole chunk costs. Here moving the
    deadline writes down a number, and the timer looks at it when it fires.
    """

    def __init__(self, seconds: float, bite: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._bite = bite
        self._timer: asyncio.TimerHandle | None = None
        self._fires = 0.0
        self._waiting = False
        self.bitten = False
        self.move(seconds)

    def move(self, seconds: float) -> None:
        """Let the deadline be so many seconds from now."""
        self.deadline = self._loop.time() + seconds

    def watch(self) -> None:
        """A wait begins. A deadline that has passed meanwhile still lets what is there already through."""
        self._waiting = True
        if self._timer is None or self.deadline < self._fires:
            self._set()

    def rest(self) -> None:
        """The wait is over."""
        self._waiting = False

    def stop(self) -> None:
        self._waiting = False
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._fires = self.deadline
        self._timer = self._loop.call_at(self.deadline, self._fired)

    def _fired(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        if self.deadline > self._loop.time():
            self._set()
        else:
            self.bitten = True
            self._bite()
