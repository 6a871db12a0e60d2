"""JSON, server-sent events and refusals as the documented services put them on the wire."""

import json
import re
import secrets
from decimal import Decimal
from typing import Any

# Floats would write a cost as 2.68e-05; the documents show 0.0000268. The mark cannot be guessed by a message's text.
MARK = secrets.token_hex(8)
MARKED = re.compile(f'"{MARK}:(-?[0-9.]+)"')

KINDS = {
    400: ("invalid_request_error", "invalid_request"),
    401: ("authentication_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_credits"),
    403: ("permission_error", "not_allowed"),
    404: ("not_found_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    406: ("insufficient_quota", "insufficient_credits"),
    408: ("timeout_error", "request_timeout"),
    409: ("conflict_error", "conflict"),
    413: ("invalid_request_error", "payload_too_large"),
    422: ("invalid_request_error", "unprocessable"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("server_error", "unavailable"),
    504: ("server_error", "timeout"),
    529: ("overloaded_error", "overloaded"),
}


class Refused(Exception):
    """The simulated service says no."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}
        self.param, self.code = param, code

    def body(self) -> bytes:
        return error_body(self.status, self.message, self.param, self.code)


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> bytes:
    kind, usual_code = KINDS.get(status, ("server_error", "server_error"))
    return to_json({"error": {"message": message, "type": kind, "param": param, "code": code or usual_code}})


def to_json(value: Any) -> bytes:
    """Encode as the documents do: spaces after separators, decimals in plain notation, text as UTF-8."""
    text = json.dumps(value, ensure_ascii=False, default=_marked)
    return MARKED.sub(r"\1", text).encode("utf-8", "replace")


def _marked(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no place in JSON")
    return f"{MARK}:{value:f}"


def event(data: bytes, newline: bytes = b"\n") -> bytes:
    return b"data: " + data + newline + newline


def comment(newline: bytes = b"\n") -> bytes:
    return b": keep-alive" + newline + newline
