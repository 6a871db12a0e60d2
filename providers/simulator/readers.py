"""How each steering is read from its text: the whole vocabulary, one line a word."""

import json
from collections.abc import Callable
from typing import Any

Reader = Callable[[str], Any]
BEFORE_HEADERS = -1
POINTS = {"request": BEFORE_HEADERS, "headers": 0}
FAIL_MODES = (
    *("close", "reset", "hang"),
    *("error_event", "half_event", "bad_utf8", "garbage", "not_sse", "html", "null", "list", "end"),
)
MOST_TOKENS = 200_000


def between(kind: Reader, low: float, high: float) -> Reader:
    def read(value: str) -> Any:
        number = kind(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return read


def one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(value)
        return value

    return read


def flag(value: str) -> bool:
    return value.lower() in ("1", "true", "yes", "on")


def literal(value: str) -> str:
    """JSON text when quoted, so that newlines and quotes can be said; otherwise the text itself."""
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value, strict=False))
    except ValueError:
        return value[1:-1]


def address(value: str) -> str:
    said = literal(value)
    if not said.isprintable():
        raise ValueError(value)
    return said


def point(value: str) -> int:
    """A number of tokens, or the name of a moment before the first one."""
    return POINTS[value] if value in POINTS else int(tokens(value))


def last_fours(value: str) -> tuple[str, ...]:
    return tuple(one.strip(' "[]') for one in value.split(","))


tokens = between(int, 0, MOST_TOKENS)
seconds = between(float, 0, 600)

ANSWER: dict[str, Reader] = {
    "speed": between(float, 0, 100_000),
    "length": tokens,
    "reasoning": tokens,
    "echo": flag,
    "say": literal,
    "story": one_of("documented"),
    "tool": literal,
    "args": literal,
}
FAULTS: dict[str, Reader] = {
    "fail": between(int, 400, 599),
    "fail_after": point,
    "fail_mode": one_of(*FAIL_MODES),
    "fail_keys": last_fours,
    "retry_after": between(int, 0, 10**9),
    "retry_date": between(float, 0, 10**9),
    "leak": flag,
    "redirect": address,
    "go_on": flag,
    "delay": seconds,
    "chunk": between(int, 1, 1_000_000),
    "pause": seconds,
    "gzip": flag,
    "crlf": flag,
    "comments": flag,
    "no_done": flag,
    "no_usage": flag,
    "bad_usage": flag,
}
READERS = ANSWER | FAULTS
