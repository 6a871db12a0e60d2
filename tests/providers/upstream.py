"""A scripted upstream on 127.0.0.1: it reads one request after the other and does what the script says."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from providers.addresses import AddressPolicy
from providers.client import Client, Target
from providers.types import ChatMessage, ChatRequest
from tests.canary import CANARY

HI = ChatRequest(model="deepseek-chat", messages=(ChatMessage("user", "Hi"),))
WHOLE = ChatRequest(model="deepseek-chat", messages=(ChatMessage("user", "Hi"),), stream=False)
SSE = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass
class Request:
    head: str
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    def header(self, name):
        found = [line for line in self.head.split("\r\n")[1:] if line.lower().startswith(f"{name}:")]
        return ", ".join(line.partition(":")[2].strip() for line in found) or None

    @property
    def header_names(self):
        return {line.partition(":")[0].lower() for line in self.head.split("\r\n")[1:] if line}


@dataclass
class Upstream:
    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # the client has closed a connection

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def target(self, **changes):
        values = {"dialect": "thinking", "base_url": self.url, "upstream_model": "deepseek-v3.1", "key": CANARY}
        return Target(**(values | changes))


def data(payload):
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return f"data: {text}\n\n".encode()


def delta(text="", finish=None, **more):
    return data({"choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": finish}]})


USAGE = data({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
STORY = [delta("Once "), delta("upon."), delta(finish="stop"), USAGE, data("[DONE]")]
ANSWER = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Once upon."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def chunked(*pieces, end=True):
    """The body of a chunked response."""
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return body + (b"0\r\n\r\n" if end else b"")


def streamed(*pieces, end=True):
    return f"{SSE}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(*pieces, end=end)


def whole(body, head=JSON):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


def status(code, body=b"", *headers):
    lines = "".join(f"{line}\r\n" for line in headers)
    return whole(body, f"HTTP/1.1 {code} Whatever\r\n{lines}")


@asynccontextmanager
async def serving(*script):
    """Each step answers one request: bytes to send, a number of seconds to wait, "close", "reset" or "hang"."""
    upstream, steps = Upstream(), list(script)

    async def serve(reader, writer):
        upstream.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request = Request(head, b"")
                request.body = await reader.readexactly(int(request.header("content-length") or 0))
                upstream.requests.append(request)
                step = steps.pop(0) if len(steps) > 1 else steps[0]
                if not await play(step if isinstance(step, list) else [step], reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            upstream.gone.set()
        finally:
            writer.close()

    async def play(acts, reader, writer):
        for act in acts:
            match act:
                case bytes():
                    writer.write(act)
                    await writer.drain()
                case "hang":
                    if not await reader.read(1):
                        upstream.gone.set()
                    return False
                case "close":
                    return False
                case "reset":
                    writer.transport.abort()
                    return False
                case _:
                    await asyncio.sleep(act)
        return True

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def calling(*upstreams, resolver=None, places=(), **more):
    """A client that may reach these upstreams and nothing else that is private."""
    policy = AddressPolicy([*[("127.0.0.1", upstream.port) for upstream in upstreams], *places])
    client = Client(policy, resolver, **more)
    try:
        yield client
    finally:
        await client.aclose()


async def all_of(stream):
    return [event async for event in stream]
