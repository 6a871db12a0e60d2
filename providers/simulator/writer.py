"""Bodies on their way out: in pieces of any size, at any pace, compressed where nobody asked for it."""

import asyncio
import zlib
from collections.abc import Mapping

from aiohttp import web

from .steering import Steering

GZIP = 31  # zlib's number for the gzip format with its largest window


class Writer:
    """Writes a body; a piece may end anywhere, inside an event or inside a character."""

    def __init__(self, response: web.StreamResponse, steering: Steering) -> None:
        self.response, self.size, self.pause = response, steering.piece, steering.pause
        self.packer = zlib.compressobj(wbits=GZIP) if steering.gzip else None
        self.waiting = b""

    async def write(self, data: bytes) -> None:
        if self.packer:
            data = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        await self._write(data)

    async def flush(self) -> None:
        """Send what still waits for the rest of its piece."""
        data, self.waiting = self.waiting, b""
        if data:
            await self.response.write(data)

    async def end(self) -> None:
        if self.packer:
            await self._write(self.packer.flush())
        await self.flush()

    async def _write(self, data: bytes) -> None:
        if self.size is None:
            await self.response.write(data)
            return
        data = self.waiting + data
        whole = len(data) - len(data) % self.size
        for start in range(0, whole, self.size):
            await asyncio.sleep(self.pause)
            await self.response.write(data[start : start + self.size])
        self.waiting = data[whole:]


async def open_response(
    request: web.Request, steering: Steering, headers: Mapping[str, str], status: int = 200
) -> web.StreamResponse:
    """Send the headers of a body that comes in pieces."""
    encoded = {"Content-Encoding": "gzip"} if steering.gzip else {}
    response = web.StreamResponse(status=status, headers={**headers, **encoded})
    await response.prepare(request)
    return response


async def send_whole(
    request: web.Request,
    body: bytes,
    steering: Steering,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """A body in one go, unless it was told to come in pieces or compressed."""
    every = {"Content-Type": content_type, **(headers or {})}
    if steering.piece is None and not steering.gzip:
        return web.Response(body=body, status=status, headers=every)
    response = await open_response(request, steering, every, status)
    out = Writer(response, steering)
    await out.write(body)
    await out.end()
    return response
