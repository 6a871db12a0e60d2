"""One client connection under Daphne: what it may send, how long it may take, when the application may write."""

# Twisted's web server and Daphne carry no types, so subclassing them cannot be fully checked.
# mypy: disallow-untyped-calls=False, disallow-subclassing-any=False

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

LINGER_SECONDS = 2  # how long a refused client may go on sending into the void


def one_mebibyte(method: str, path: str) -> int:
    """The default body limit: the same for every method and path."""
    return 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may cost: `body_limit(method, path)` in bytes, everything else in seconds.

    The path comes decoded and without its query, as the application will see it. An allowed body is held in memory.
    """

    body_limit: Callable[[str, str], int] = one_mebibyte
    header_seconds: float = 15
    body_seconds: float = 60
    stall_seconds: float = 60
    idle_seconds: float = 75
    drain_seconds: float = 10


class Channel(HTTPChannel):
    """The parser of one connection. It stays the transport's producer even after a websocket upgrade."""

    totalHeadersSize = 16_384
    maxHeaders = 100
    MAX_LENGTH = 8_192
    abortTimeout = 5

    transport: Any
    _path: Any

    def __init__(self) -> None:
        super().__init__()
        self.room = asyncio.Event()  # set while the application may write
        self.room.set()
        self.closed = asyncio.Event()
        self.refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.server = self.factory.server
        self.limits: Limits = self.server.limits
        self.server.channels.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.release()
        super().connectionLost(reason)

    def release(self) -> None:
        """Forget a closed connection and let whoever waits to write to it go on."""
        self._set_deadline(None)
        self._stop_watching()
        self.server.channels.discard(self)
        self.closed.set()

    def finish_up(self) -> None:
        """Serve nothing after the running request; close at once when there is none."""
        self.persistent = False
        if self._handlingRequest:
            self.requests[0].responseHeaders.setRawHeaders(b"Connection", [b"close"])
        elif self.requests:
            self.refuse(503, "The server is restarting. Please try again.")
        else:
            self.loseConnection()

    # Reading. Deadlines count from the first byte of a head or body: Twisted's own timer restarts at every byte.

    def dataReceived(self, data: bytes) -> None:
        if self.refused:
            return
        if self._deadline is None and not self._handlingRequest:
            self._set_deadline(self.limits.header_seconds)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if not self.refused:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        if not self.refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        self._set_deadline(self.limits.body_seconds)
        path = unquote(self._path.partition(b"?")[0].decode("latin-1"))
        limit = self.limits.body_limit(self._command.decode("latin-1"), path)
        self.requests[-1].body_limit = limit
        if self.length is not None and self.length > limit:
            self.refuse_body(limit)
        else:
            super().allHeadersReceived()  # opens the body's file and answers "Expect: 100-continue"

    def allContentReceived(self) -> None:
        if not self.refused:
            self._set_deadline(None)
            super().allContentReceived()

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(431, "A request line or header is too long.")

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400, "The request is malformed, or its headers are too many or too large.")

    def refuse_body(self, limit: int) -> None:
        self.refuse(413, f"The request body is larger than the {limit} bytes allowed here.")

    def refuse(self, status: int, sentence: str) -> None:
        """Answer a request that is not complete, and close.

        Closing with unread input makes the kernel send a reset, which can overtake the answer: so close only
        our half, and discard what still comes for a moment.
        """
        if self.refused:
            return
        self.refused = True
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        head += f"Content-Length: {len(sentence) + 1}\r\nConnection: close\r\n\r\n"
        self.transport.write(f"{head}{sentence}\n".encode("ascii"))
        self.transport.loseWriteConnection()
        self._set_timer(LINGER_SECONDS, self.transport.abortConnection)

    def timeoutConnection(self) -> None:
        # Twisted's idle limit must not cut what a deadline or the stall watch is already looking after.
        if self._deadline or self._stall:
            self.setTimeout(self.limits.idle_seconds)
        else:
            super().timeoutConnection()

    def _set_deadline(self, seconds: float | None) -> None:
        self._set_timer(seconds, self.refuse, 408, "The request took too long to arrive.")

    def _set_timer(self, seconds: float | None, call: Callable[..., object], *args: object) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = None if seconds is None else asyncio.get_running_loop().call_later(seconds, call, *args)

    # Writing. The transport pauses its producer at 64 KiB not yet sent, and resumes it when all of it is gone.

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self.room.clear()
        if self._stall is None:
            self._watch(self._untaken(), asyncio.get_running_loop().time())

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._stop_watching()
        self.resetTimeout()  # idle time counts from here, not from when the application was done

    def _watch(self, untaken: int, since: float) -> None:
        """Abort the connection once its client has taken nothing for `stall_seconds`; a slow one may go on."""
        loop = asyncio.get_running_loop()
        left = self._untaken()
        if left < untaken:
            untaken, since = left, loop.time()
        if loop.time() - since >= self.limits.stall_seconds:
            self.transport.abortConnection()
        else:
            self._stall = loop.call_later(self.limits.stall_seconds / 4, self._watch, untaken, since)

    def _stop_watching(self) -> None:
        self.room.set()
        if self._stall:
            self._stall.cancel()
        self._stall = None

    def _untaken(self) -> int:
        """Bytes that the client's machine has not acknowledged: in Twisted's buffers and in the kernel's."""
        transport = self.transport
        ours: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        with suppress(OSError):  # not every system counts what the kernel holds
            return ours + int.from_bytes(fcntl.ioctl(transport.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return ours


class Request(WebRequest):
    """One HTTP request whose body is counted while it arrives."""

    error_template = "<!doctype html><title>%(title)s</title><h1>%(title)s</h1><p>%(body)s</p>"
    body_limit = 0

    def __init__(self, channel: Channel, *queued: int) -> None:
        # Django parses forms; Twisted would do it too, and keep a second copy.
        super().__init__(channel, *queued, parsePOSTFormSubmission=False)
        self.body_size = 0

    def handleContentChunk(self, data: bytes) -> None:
        self.body_size += len(data)
        if self.body_size > self.body_limit:
            self.channel.refuse_body(self.body_limit)
        else:
            super().handleContentChunk(data)

    def handle_exception(self, exception: BaseException) -> None:
        # Daphne would start a second response here, raise, and never clean up after any application again.
        if self._response_started:
            self.channel.transport.abortConnection()
        else:
            super().handle_exception(exception)


class WebSocket(WebSocketProtocol):
    """One websocket, which keeps the HTTP channel that it grew out of as its gate for writing."""

    def connectionMade(self) -> None:
        self.channel: Channel = self.transport.producer
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Autobahn has often unregistered the producer by now: nobody else would tell the channel.
        self.channel.release()
        super().connectionLost(reason)

    def onOpen(self) -> None:
        super().onOpen()
        if self.server.draining:
            self.close_for_restart()

    def close_for_restart(self) -> None:
        """Say 1012, which `sendClose` refuses to send."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1012, reasonUtf8=b"service restart")


class Factory(HTTPFactory):
    """Makes our channels, which make our requests."""

    protocol = Channel

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = server.limits.idle_seconds

    def buildProtocol(self, addr: Any) -> Any:
        channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        return channel
