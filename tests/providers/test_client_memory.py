"""A long answer takes no more memory than a short one."""

import asyncio
import gc
import tracemalloc
from contextlib import asynccontextmanager

from providers.types import ContentDelta

from .upstream import HI, Upstream, all_of, calling, data, delta, streamed

CHUNKS = 100_000
BATCH = 50


@asynccontextmanager
async def telling(chunks):
    """An upstream that sends so many chunks as fast as they are read, and keeps none."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(streamed(end=False))
        piece = delta("word ") * BATCH
        framed = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        for _ in range(chunks // BATCH):
            writer.write(framed)
            await writer.drain()
        end = delta(finish="stop") + data("[DONE]")
        writer.write(f"{len(end):x}\r\n".encode() + end + b"\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Upstream(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def test_the_memory_of_a_stream_does_not_grow_with_its_length():
    sizes, count = {}, 0
    async with telling(1000) as upstream, calling(upstream) as client:
        await all_of(client.stream(upstream.target(), HI))  # what is made once is made
    async with telling(CHUNKS) as upstream, calling(upstream) as client:
        tracemalloc.start()
        try:
            async for event in client.stream(upstream.target(), HI):
                count += isinstance(event, ContentDelta)
                if count in (10_000, CHUNKS) and count not in sizes:
                    gc.collect()
                    sizes[count], _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert count == CHUNKS
    assert sizes[CHUNKS] - sizes[10_000] < 256 * 1024
