"""Somebody with a browser, as far as the wire can tell: pages over HTTP, and the chat's socket."""

import json
import re
from uuid import uuid4

import httpx
from websockets.sync.client import connect

PASSWORD = "lamb-two-ways-41"
MODEL = "deepseek-v31-terminus"
# Makes her, with 1 credit.
ALICE = f"""
from accounts.models import User
from billing.services import grant
alice = User.objects.create_user(email="alice@example.org", password="{PASSWORD}", name="Alice")
grant(user=alice, amount=10**9, reason="To try it")
"""


class Person:
    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=20)
        self.frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def sign_in(self, email="alice@example.org", password=PASSWORD):
        page = self.http.get("/accounts/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        answers = {"csrfmiddlewaretoken": token, "login": email, "password": password}
        return self.http.post("/accounts/login/", data=answers)

    def socket(self):
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        address = self.url.replace("http", "ws", 1) + "/ws/"
        return connect(address, origin=self.url, additional_headers={"Cookie": cookies})

    def send(self, socket, text):
        """Ask; returns the frame that says the answer has begun."""
        self.frames = []
        socket.send(json.dumps({"type": "send", "text": text, "model": MODEL, "client_id": str(uuid4())}))
        return self.until(socket, "turn.started")

    def until(self, socket, kind):
        while True:
            frame = json.loads(socket.recv(timeout=20))
            self.frames.append(frame)
            if frame["type"] == kind:
                return frame

    def text(self):
        """What a browser shows of the answer: a snapshot stands for all before it, as when it began very fast."""
        shown = ""
        for frame in self.frames:
            if frame["type"] == "snapshot":
                shown = frame["text"]
            elif frame["type"] == "delta" and frame["channel"] == "text":
                shown += frame["text"][len(shown) - frame["at"] :]
        return shown
