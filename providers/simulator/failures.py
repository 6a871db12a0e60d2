"""The ways in which an answer fails: a wrong body, a stream that breaks off, a connection that ends."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from .readers import BEFORE_HEADERS
from .steering import Steering
from .wire import error_body, event
from .writer import Writer, send_whole

BROKEN = "The simulated upstream broke off, as it was told to."
USUAL_RETRY_AFTER = 7
GARBAGE = b'{"choices": <<<\xff\xfe not JSON'
NOT_SSE = b"upstream connect error\r\n\x00\x01 \xff\xfe: 7;\n"
HTML = b"<!DOCTYPE html>\n<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
HALF_A_CHARACTER = "漢".encode()[:2]
LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Bytes in the place of those that would have been sent: a whole body, or the data of one event."""

    instead: Callable[[bytes], bytes]
    is_event: bool = True  # in a stream; otherwise the bare bytes
    content_type: str = "application/json"


def _break_a_character(data: bytes) -> bytes:
    before, content, rest = data.partition(b'"content": "')
    return before + content + HALF_A_CHARACTER + rest


WRONG = {
    "bad_utf8": Wrong(_break_a_character),
    "garbage": Wrong(lambda _: GARBAGE),
    "null": Wrong(lambda _: b"null"),
    "list": Wrong(lambda _: b"[]"),
    "end": Wrong(lambda _: b"", is_event=False),
    "not_sse": Wrong(lambda _: NOT_SSE, is_event=False, content_type="text/plain"),
    "html": Wrong(lambda _: HTML, is_event=False, content_type="text/html"),
}


async def break_off(request: web.Request, out: Writer, data: bytes, steering: Steering) -> None:
    """End a stream that has begun in the place of the event that holds `data`."""
    match steering.mode:
        case "hang":
            await asyncio.Event().wait()
        case "close" | "reset" as mode:
            cut(request, hard=mode == "reset")
        case "half_event":
            await out.write(event(data, steering.newline)[: len(data) // 2])
        case mode:
            wrong = _wrong(mode, request, steering)
            bad = wrong.instead(data)
            await out.write(event(bad, steering.newline) if wrong.is_event else bad)
    await out.flush()


async def instead_of(request: web.Request, body: bytes, steering: Steering) -> web.StreamResponse:
    """What comes in the place of an answer that would have been `body`, or before any answer."""
    if steering.redirect:
        return web.Response(status=302, headers={"Location": steering.redirect})
    if steering.mode in ("hang", "close", "reset", "half_event"):
        return await _without_an_end(request, body, steering)
    wrong = _wrong(steering.mode, request, steering)
    return await send_whole(
        request,
        wrong.instead(body),
        steering,
        status=steering.fail or (500 if steering.leak else 200),
        content_type=wrong.content_type,
        headers=_retry_headers(steering),
    )


async def _without_an_end(request: web.Request, body: bytes, steering: Steering) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    half = steering.mode == "half_event"
    if half or steering.breaks_after != BEFORE_HEADERS:
        response.content_length = len(body)
        await response.prepare(request)
    if half:
        await response.write(body[: len(body) // 2])
    if steering.mode == "hang":
        await asyncio.Event().wait()
    cut(request, hard=steering.mode == "reset")
    return response


def cut(request: web.Request, *, hard: bool) -> None:
    """Close the connection: politely with what was written, or with a reset that throws it away."""
    if request.transport is None:
        return
    if not hard:
        request.transport.close()
        return
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    request.transport.abort()


def _wrong(mode: str, request: web.Request, steering: Steering) -> Wrong:
    return WRONG[mode] if mode in WRONG else Wrong(lambda _: _error(request, steering))


def _error(request: web.Request, steering: Steering) -> bytes:
    message = f"The simulated upstream was told to answer {steering.fail}." if steering.fail else BROKEN
    if steering.leak:
        message += f" It received {_credentials(request)}"
    return error_body(steering.fail or 500, message)


def _credentials(request: web.Request) -> str:
    names = ("Authorization", "x-api-key")
    return ", ".join(f"{name}: {request.headers[name]}" for name in names if name in request.headers)


def _retry_headers(steering: Steering) -> dict[str, str]:
    if steering.retry_date is not None:
        return {"Retry-After": formatdate(time.time() + steering.retry_date, usegmt=True)}
    seconds = steering.retry_after
    if seconds is None and steering.fail == 429:
        seconds = USUAL_RETRY_AFTER
    return {} if seconds is None else {"Retry-After": str(seconds)}
