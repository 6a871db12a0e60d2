"""Tells the engine of this process, from any thread, that a row has news for it. Nobody listening is fine: it polls."""

from collections.abc import Callable

_listeners: set[Callable[[], None]] = set()


def listen(listener: Callable[[], None]) -> None:
    """`listener` is called from whatever thread rings, and returns at once."""
    _listeners.add(listener)


def forget(listener: Callable[[], None]) -> None:
    _listeners.discard(listener)


def ring() -> None:
    for listener in list(_listeners):
        listener()
