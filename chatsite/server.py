"""Runs an ASGI application on a port, as `python -m chatsite.server` does; importing it changes nothing."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatsite.http_channel import Limits
from chatsite.refusals import in_sentences

if TYPE_CHECKING:
    from chatsite.daphne_server import Application, Hook

DEFAULT_LIMITS = Limits()


def serve(
    application: Application,
    *,
    host: str,
    port: int,
    fd: int | None = None,
    on_start: Hook | None = None,
    on_listening: Callable[[], None] | None = None,
    on_drain: Hook | None = None,
    on_stop: Hook | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> int:
    """Serve until SIGTERM or SIGINT has been obeyed; return the process's exit code.

    With `fd`, an inherited socket that is already bound, `host` and `port` are not used. `on_start` is awaited before
    anybody can connect; if it raises, that is the end (1). At the first signal listening stops, websockets are closed
    with 1012 and `on_drain` is awaited while running responses finish, all within `drain_seconds`; a second signal
    cuts them. `on_stop` is awaited last, also after a failed or interrupted `on_start`.
    """
    try:
        listener = _bind(host, port) if fd is None else socket.socket(fileno=fd)
    except OSError as error:
        print(_why_not(host, port, error), file=sys.stderr)
        return 1
    choose_event_loop()
    from chatsite.daphne_server import Hooks, Server

    hooks = Hooks(on_start=on_start, on_listening=on_listening, on_drain=on_drain, on_stop=on_stop)
    return Server(application, listener, hooks, limits).run()


def choose_event_loop() -> None:
    """Run Twisted on uvloop, unless somebody has chosen already: a process has one reactor, for good."""
    if "twisted.internet.reactor" not in sys.modules:
        import uvloop
        from twisted.internet import asyncioreactor

        asyncioreactor.install(uvloop.new_event_loop())  # type: ignore[no-untyped-call]  # Twisted leaves it untyped


def main() -> None:
    """Serve the project at HOST and PORT."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
    with in_sentences():
        from django.conf import settings

        host, port = settings.HOST, settings.PORT
        choose_event_loop()  # before the application: importing Daphne anywhere would choose a slower one
        from chatsite.asgi import application, on_drain, on_start, on_stop

    def announce() -> None:
        print(f"Listening on http://{_in_url(host)}:{port}", flush=True)

    sys.exit(
        serve(
            application,
            host=host,
            port=port,
            on_start=on_start,
            on_listening=announce,
            on_drain=on_drain,
            on_stop=on_stop,
        )
    )


def _bind(host: str, port: int) -> socket.socket:
    """Take the port without listening yet: a taken one is known before `on_start` does any work."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken. "
            f"Stop the program that uses it, or choose another: PORT={port + 1} make run."
        )
    return f"Cannot listen on port {port} of {host}: {error.strerror}."


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    main()
