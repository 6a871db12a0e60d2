"""What the simulated upstream was asked, for tests to look at. Bounded in rows and in bytes."""

import hashlib
import json
import time
from collections import deque
from typing import Any

ROWS = 200
BODY_BYTES = 16_000_000


class Record:
    """One request, from its arrival to its end."""

    def __init__(self, *, method: str, path: str, headers: list[str], key: str) -> None:
        self.method, self.path, self.headers = method, path, headers
        self.key = hashlib.sha256(key.encode()).hexdigest()[:8] if key else None
        self.body: bytes | None = None
        self.started = time.time()
        self.first_token: float | None = None
        self.finished: float | None = None
        self.status: int | None = None
        self.tokens_sent = 0
        self.disconnected = False

    def sent(self, tokens: int) -> None:
        if tokens and self.first_token is None:
            self.first_token = time.time()
        self.tokens_sent += tokens

    def end(self, status: int | None = None) -> None:
        self.finished, self.status = time.time(), status

    def hung_up(self) -> None:
        self.disconnected = True
        self.end()

    def as_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "key": self.key,
            "body": _readable(self.body),
            "started": self.started,
            "first_token": self.first_token,
            "finished": self.finished,
            "status": self.status,
            "tokens_sent": self.tokens_sent,
            "disconnected": self.disconnected,
            "open": self.finished is None,
        }


class Journal:
    """The last requests, oldest first."""

    def __init__(self) -> None:
        self.records: deque[Record] = deque(maxlen=ROWS)

    def add(self, record: Record) -> None:
        self.records.append(record)

    def keep_body(self, record: Record, body: bytes) -> None:
        record.body = body
        kept = 0
        for other in reversed(self.records):
            kept += len(other.body or b"")
            if kept > BODY_BYTES:
                other.body = None

    def as_list(self) -> list[dict[str, Any]]:
        return [record.as_dict() for record in self.records]

    def clear(self) -> None:
        self.records.clear()


def _readable(body: bytes | None) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
