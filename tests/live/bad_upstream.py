"""An upstream that does everything wrong, and says the key it was called with wherever something can be said."""

import base64
import json
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.providers.upstream import data, delta, status, streamed, whole

SILENCE = 2.5  # seconds; a deployment that is asked to wait for one loses its patience before


def told(key):
    """An error as OpenAI words it."""
    return json.dumps({"error": {"message": f"Incorrect API key provided: {key}.", "type": key, "code": key}}).encode()


def page(key):
    inside = base64.b64encode(f"proxy:{key}".encode()).decode()
    return f"<html><h1>500</h1><pre>Authorization: Bearer {key}\nProxy: Basic {inside}</pre></html>".encode()


def story(key, **usage):
    return [delta("Once "), delta("upon."), delta(finish="stop"), data({"choices": [], "usage": usage | {"key": key}})]


# What each of its models answers: pieces to send one after the other, or seconds to be silent.
WAYS = {
    "401": lambda key: [status(401, told(key), f"WWW-Authenticate: Bearer realm={key}")],
    "401-masked": lambda key: [status(401, told(f"{key[:20]}****{key[-4:]}"))],
    "402": lambda key: [status(402, told(key))],
    "403": lambda key: [status(403, told(key.encode().hex()))],
    "404": lambda key: [status(404, f"no route for {key}".encode())],
    "429": lambda key: [status(429, told(key), "Retry-After: 1", f"X-Request-Id: {key}")],
    "429-wrong": lambda key: [status(429, told(key), f"Retry-After: {key}")],
    "500": lambda key: [status(500, page(key), "Content-Type: text/html")],
    "302": lambda key: [status(302, b"", f"Location: http://127.0.0.1:1/{key}")],
    "not-http": lambda key: [b"HTTP/9.9 " + key.encode() + b"\r\n\r\n"],
    "web-page": lambda key: [whole(page(key), "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")],
    "not-json": lambda key: [streamed(delta("Once "), data(f"{{key: {key}"))],
    "half-an-event": lambda key: [streamed(delta("Once "), f'data: {{"choices": "{key}'.encode(), end=False)],
    "error-in-the-stream": lambda key: [streamed(delta("Once "), data(told(key).decode()))],
    "wrong-shape": lambda key: [streamed(data({"choices": key}), data({"choices": [{"delta": key}]}))],
    "usage": lambda key: [streamed(*story(key, prompt_tokens=3, completion_tokens=2), data("[DONE]"))],
    "wrong-usage": lambda key: [streamed(*story(key, prompt_tokens=key, completion_tokens=-1), data("[DONE]"))],
    "finish": lambda key: [streamed(delta("Once "), delta(finish=key), data("[DONE]"))],
    "other-fields": lambda key: [
        streamed(data({"id": key, "model": key, "system_fingerprint": key, "choices": []}), *story(key), data("[DONE]"))
    ],
    "silent": lambda key: [SILENCE],
    "silent-later": lambda key: [streamed(delta("Once "), end=False), SILENCE],
    "cut": lambda key: [status(200, b"")[:30]],
}


class BadUpstream(ThreadingHTTPServer):
    """`called` holds each (model, key) that it has been called with."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.called = set()

    @property
    def place(self):
        return f"127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Authorization"].removeprefix("Bearer ")
        self.server.called.add((body["model"], key))
        for act in WAYS[body["model"]](key):
            if isinstance(act, bytes):
                self.wfile.write(act)
            else:
                time.sleep(act)
        self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    with BadUpstream() as upstream:
        thread = Thread(target=upstream.serve_forever, daemon=True)
        thread.start()
        yield upstream
        upstream.shutdown()
        thread.join()
