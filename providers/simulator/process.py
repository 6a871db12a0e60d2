"""The simulated upstream as a process: its socket, its signals, and its end with its parent's."""

import argparse
import asyncio
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

HOST = "127.0.0.1"
BACKLOG = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="port on 127.0.0.1; 0 picks a free one")
    where.add_argument("--fd", type=int, help="an inherited, already listening socket on the loopback")
    parser.add_argument("--with-parent", action="store_true", help="exit when the standard input ends")


def leave_quietly() -> None:
    """Until the server handles them, SIGINT and SIGTERM are no accident either."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))


def listen(*, port: int | None, fd: int | None) -> socket.socket:
    if fd is None:
        return socket.create_server((HOST, port or 0), backlog=BACKLOG)
    inherited = socket.socket(fileno=fd)
    if not ipaddress.ip_address(inherited.getsockname()[0]).is_loopback:
        raise ValueError("the simulated upstream listens on the loopback only")
    return inherited


def run(listener: socket.socket, *, with_parent: bool, announce: Callable[[str], object] = print) -> None:
    """Serve until a signal, or until the parent is gone."""
    asyncio.run(_serve(listener, with_parent, announce))


async def _serve(listener: socket.socket, with_parent: bool, announce: Callable[[str], object]) -> None:
    from aiohttp import web

    from .server import make_app

    stopped = asyncio.Event()
    _stop_on(stopped, with_parent)
    runner = web.AppRunner(make_app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    announce(f"Simulated upstream on http://{HOST}:{listener.getsockname()[1]}")
    await stopped.wait()
    await runner.cleanup()


def _stop_on(stopped: asyncio.Event, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if with_parent:
        threading.Thread(target=_watch_parent, args=(loop, stopped), daemon=True).start()


def _watch_parent(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stopped.set)
