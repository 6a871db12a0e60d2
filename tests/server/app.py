"""A tiny ASGI application and the server under it, started by the tests with a JSON object of wishes on stdin.

It says what happens to it on stdout, one word a line.
"""

import asyncio
import json
import socket
import sys
from collections import Counter
from dataclasses import fields
from urllib.parse import parse_qs

from chatsite.http_channel import Limits
from chatsite.server import serve

PIECE = b"x" * 65_536
wishes = json.loads(sys.stdin.read())
sent = Counter()


def say(*words):
    print(*words, flush=True)


def body_limit(method, path):
    return 200_000 if (method, path) == ("PUT", "/roomy place") else 1 << 20


async def application(scope, receive, send):
    assert scope["type"] in ("http", "websocket")
    query = {name: float(values[0]) for name, values in parse_qs(scope["query_string"].decode()).items()}
    try:
        await (http if scope["type"] == "http" else websocket)(scope["path"], query, receive, send)
    finally:
        say("ended", scope["type"], scope["path"])


async def http(path, query, receive, send):
    size = 0
    while (message := await receive())["more_body"]:
        size += len(message["body"])
    size += len(message["body"])
    if path == "/silent-failure":
        raise ValueError("before the response")
    await asyncio.sleep(query.get("wait", 0))
    headers = [(b"content-length", b"%d" % query["bytes"])] if path == "/blob" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/failure":
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("inside the response")
    if path == "/flood":
        for _ in range(int(query["pieces"])):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            sent[f"http {query['pieces']:.0f}"] += len(PIECE)
    if path == "/drip":
        for _ in range(int(query["pieces"])):
            await asyncio.sleep(query["pause"])
            await send({"type": "http.response.body", "body": b".", "more_body": True})
    await send({"type": "http.response.body", "body": answer(path, query, size)})


def answer(path, query, size):
    if path == "/sent":
        return json.dumps(sent).encode()
    if path == "/blob":
        return bytes(int(query["bytes"]))
    return b"got %d" % size


async def websocket(path, query, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await asyncio.sleep(query.get("wait", 0))
    await send({"type": "websocket.accept"})
    for _ in range(int(query.get("pieces", 0))):
        await send({"type": "websocket.send", "bytes": PIECE})
        sent[f"websocket {query['pieces']:.0f}"] += len(PIECE)
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    say("websocket got", message["code"])
    await asyncio.sleep(query.get("cleanup", 0))
    say("websocket cleaned up")


async def act(name):
    say(name)
    match wishes.get(name):
        case "raise":
            raise ValueError(f"{name} went wrong")
        case "hang":
            await asyncio.sleep(60)
        case float(seconds):
            await asyncio.sleep(seconds)
    say(name, "done")


def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    say("port", port)
    limits = {field.name: wishes[field.name] for field in fields(Limits) if field.name in wishes}
    return serve(
        application,
        host="127.0.0.1",
        port=wishes.get("port", 0),
        fd=None if "port" in wishes else listener.detach(),
        on_start=lambda: act("on_start"),
        on_listening=lambda: say("listening"),
        on_drain=lambda: act("on_drain"),
        on_stop=lambda: act("on_stop"),
        limits=Limits(body_limit=body_limit, **limits),
    )


if __name__ == "__main__":
    sys.exit(main())
