"""The ways in which an answer breaks off."""

import asyncio
import socket
import struct

from aiohttp import web

from .steering import Steering
from .wire import error_body, event

BROKEN = "The simulated upstream broke off, as it was told to."
GARBAGE = b'data: {"choices": [{"delta": <<<\xff\xfe not JSON\n\n'
LINGER_NOT = struct.pack("ii", 1, 0)


async def break_off(request: web.Request, response: web.StreamResponse, next_event: bytes, steering: Steering) -> None:
    """End a stream that has begun: some ends are the connection's, some are in the stream itself."""
    match steering.fail_mode:
        case "hang":
            await asyncio.Event().wait()
        case "error_event":
            await response.write(event(error_body(500, BROKEN), steering.newline))
        case "half_event":
            await response.write(event(next_event, steering.newline)[: len(next_event) // 2])
        case "garbage":
            await response.write(GARBAGE)
        case mode:
            cut(request, hard=mode == "reset")


async def instead_of(request: web.Request, body: bytes, steering: Steering) -> web.StreamResponse:
    """What comes in place of an answer that would have been one JSON document."""
    match steering.fail_mode:
        case "hang":
            await asyncio.Event().wait()
        case "error_event":
            return _json(error_body(500, BROKEN))
        case "garbage":
            return _json(b'{"choices": <<<\xff\xfe not JSON')
        case "half_event":
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
    cut(request, hard=steering.fail_mode == "reset")
    return web.Response()


def cut(request: web.Request, *, hard: bool) -> None:
    """Close the connection: politely with what was written, or with a reset that throws it away."""
    if request.transport is None:
        return
    if not hard:
        request.transport.close()
        return
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    request.transport.abort()


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
