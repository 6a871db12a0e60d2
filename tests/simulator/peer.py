"""A plain HTTP client and its answers, as far from the product's own client as can be."""

import http.client
import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "providers.simulator"]


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def message(self):
        return self.json["choices"][0]["message"]

    @property
    def events(self):
        """The data of each event; the last is "[DONE]" unless the stream was told to leave it out."""
        blocks = self.raw.replace(b"\r\n", b"\n").decode().split("\n\n")
        return [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]

    @property
    def chunks(self):
        return [json.loads(data) for data in self.events if data != "[DONE]"]

    @property
    def deltas(self):
        return [chunk["choices"][0]["delta"] for chunk in self.chunks if chunk["choices"]]

    def said(self, field="content", index=0):
        choices = [choice for chunk in self.chunks for choice in chunk["choices"] if choice["index"] == index]
        return "".join(choice["delta"].get(field) or "" for choice in choices)

    @property
    def content(self):
        return self.said()


class Peer:
    def __init__(self, port):
        self.port = port

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, raw, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def post(self, path, body, key="a-good-key", **steering):
        name, value = ("x-api-key", key) if path == "/v1/deepseek-chat" else ("Authorization", f"Bearer {key}")
        return self.request("POST", path, body, {name: value, **steered(steering)})

    def chat(self, text, model="deepseek-chat", *, stream=False, **more):
        """Ask the thinking API; what is not said in the text is said at full speed."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}
        return self.post("/v1/chat/completions", body, speed=0)

    def deepinfra(self, text, *, stream=False, **more):
        message = {"role": "user", "content": text}
        body = {"model": "deepseek-ai/DeepSeek-V3", "messages": [message], "stream": stream, **more}
        return self.post("/v1/openai/chat/completions", body, speed=0)

    def eigenai(self, text, *, stream=False, **more):
        body = {"model": "deepseek-v31-terminus", "messages": [{"role": "user", "content": text}], **more}
        if stream:
            return self.post("/api/v1/generate/stream", {**body, "stream": True}, speed=0)
        return self.post("/api/v1/generate", body, speed=0)

    def segmind(self, text, **more):
        return self.post("/v1/deepseek-chat", {"messages": [{"role": "user", "content": text}], **more}, speed=0)

    def journal(self):
        return self.request("GET", "/__simulator__/requests").json

    def forget(self):
        self.request("DELETE", "/__simulator__/faults")
        return self.request("DELETE", "/__simulator__/requests")

    def order(self, **fault):
        return self.request("POST", "/__simulator__/faults", fault)

    def open_stream(self, text, *, stream=True):
        """A raw socket on which an answer has begun to arrive."""
        message = {"role": "user", "content": text}
        body = json.dumps({"model": "deepseek-chat", "stream": stream, "messages": [message]}).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
        client = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return client


def steered(steering):
    return {f"x-simulator-{name.replace('_', '-')}": str(value) for name, value in steering.items()}


@contextmanager
def running(*options, command=COMMAND, **more):
    """Start the process and wait for its one line; yields the process and the port that it names."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *options], cwd=ROOT, stdin=pipe, stdout=pipe, text=True, **more) as process:
        try:
            line = process.stdout.readline().strip()
            assert line.startswith("Simulated upstream on http://127.0.0.1:"), line
            yield process, int(line.rpartition(":")[2])
        finally:
            process.kill()


def wait_until(condition, seconds=2.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")
