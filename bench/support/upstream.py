"""A mock upstream in processes of its own: it streams paced Chat Completions chunks to whoever asks.

Each chunk's text is the time of its sending in nanoseconds of the monotonic clock, which all processes of one machine
share: a reader can tell how long the chunk was on its way.
"""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple


class Pace(NamedTuple):
    """How one stream goes: chunks in all, and the seconds between two of them."""

    chunks: int
    gap: float


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
USAGE = {"prompt_tokens": 12, "completion_tokens": 50, "total_tokens": 62, "estimated_cost": 0.00003}


@contextmanager
def serving(pace: Pace, processes: int = 2) -> Iterator[list[int]]:
    """Start the processes on the loopback; gives their ports."""
    context = multiprocessing.get_context("spawn")
    ports, children = [], []
    try:
        for _ in range(processes):
            ours, theirs = context.Pipe()
            child = context.Process(target=_serve, args=(theirs, pace), daemon=True)
            child.start()
            children.append(child)
            ports.append(ours.recv())
        yield ports
    finally:
        for child in children:
            child.terminate()
            child.join()


def _serve(pipe: Connection, pace: Pace) -> None:
    asyncio.run(_main(pipe, pace))


async def _main(pipe: Connection, pace: Pace) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _skip_request(reader):
                await _stream(writer, pace)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _skip_request(reader: asyncio.StreamReader) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))
    return True


async def _stream(writer: asyncio.StreamWriter, pace: Pace) -> None:
    writer.write(HEAD)
    due = time.monotonic()
    for _ in range(pace.chunks):
        due += pace.gap
        await asyncio.sleep(due - time.monotonic())
        writer.write(_chunk({"role": "assistant", "content": f" {time.monotonic_ns()}"}, None))
    writer.write(_chunk({"content": ""}, "stop", usage=USAGE))
    writer.write(_framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


def _chunk(delta: dict[str, str], finish: str | None, **more: object) -> bytes:
    """One event as DeepInfra sends it."""
    event = {
        "id": "chatcmpl-1f4d2a5b8c7e4f0a9b3c6d8e2f7a1b4c",
        "object": "chat.completion.chunk",
        "created": 1795219200,
        "model": "deepseek-ai/DeepSeek-V3",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    return _framed(f"data: {json.dumps(event)}\n\n".encode())


def _framed(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
