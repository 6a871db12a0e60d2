"""How a test or a person at the browser tells the simulated upstream to behave."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .wire import Refused

PREFIX = "x-simulator-"
PAIR = r'[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^\s\]"]+)'
DIRECTIVES = re.compile(rf"\[\[\s*({PAIR}(?:\s+{PAIR})*)\s*\]\]", re.DOTALL)
ONE_PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s\]"]+)', re.DOTALL)
BAD_USAGE = {
    "prompt_tokens": -7,
    "completion_tokens": 10**18,
    "reasoning_tokens": 10**19,
    "total_tokens": 3,
    "estimated_cost": Decimal("-1000000"),
}
FAIL_MODES = ("close", "reset", "error_event", "half_event", "garbage", "hang")


@dataclass(frozen=True, slots=True)
class Steering:
    """What to do differently; the defaults are a healthy, ordinary service."""

    speed: float = 60  # tokens a second, 0 = as fast as possible
    length: int | None = None  # tokens of the answer
    delay: float = 0  # seconds before the first token
    reasoning: int | None = None  # tokens of reasoning, where reasoning is asked for
    fail: int | None = None  # a status instead of an answer
    fail_after: int | None = None  # tokens before `fail_mode` happens
    fail_mode: str = "close"
    chunk: int | None = None  # bytes in one write, anywhere in the stream
    crlf: bool = False
    comments: bool = False
    no_done: bool = False
    no_usage: bool = False
    bad_usage: bool = False
    echo: bool = False
    say: str | None = None
    story: str = ""
    tool: str | None = None  # called where the request offers tools
    args: str = "{}"

    @property
    def newline(self) -> bytes:
        return b"\r\n" if self.crlf else b"\n"

    def reported(self, usage: dict[str, Any]) -> dict[str, Any] | None:
        """The usage that is told: the real one, none at all, or counts that nobody should bill."""
        return None if self.no_usage else BAD_USAGE if self.bad_usage else usage


def steer(headers: Mapping[str, str], text: str) -> Steering:
    """Read the headers, then the directives in the text, which win."""
    wanted = {
        name.lower().removeprefix(PREFIX).replace("-", "_"): value
        for name, value in headers.items()
        if name.lower().startswith(PREFIX)
    }
    for found in DIRECTIVES.finditer(text):
        wanted |= _known_pairs(found[1]) or {}
    return Steering(**{name: _read(name, value) for name, value in wanted.items()})


def without_directives(text: str) -> str:
    return DIRECTIVES.sub(lambda found: found[0] if _known_pairs(found[1]) is None else "", text).strip()


def _known_pairs(text: str) -> dict[str, str] | None:
    """None when it is somebody's own double brackets and not for us."""
    pairs = dict(ONE_PAIR.findall(text))
    return pairs if pairs.keys() <= READERS.keys() else None


def _read(name: str, value: str) -> Any:
    if name not in READERS:
        raise Refused(400, f"The simulated upstream knows no steering called {name}.", param=name)
    try:
        return READERS[name](value)
    except ValueError as error:
        raise Refused(400, f"The simulated upstream cannot steer by {name}={value}.", param=name) from error


def _between(kind: Callable[[str], Any], low: float, high: float) -> Callable[[str], Any]:
    def read(value: str) -> Any:
        number = kind(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(value)
        return value

    return read


def _flag(value: str) -> bool:
    return value.lower() in ("1", "true", "yes", "on")


def _literal(value: str) -> str:
    """JSON text when quoted, so that newlines and quotes can be said; otherwise the text itself."""
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value, strict=False))
    except ValueError:
        return value[1:-1]


READERS: dict[str, Callable[[str], Any]] = {
    "speed": _between(float, 0, 100_000),
    "length": _between(int, 0, 200_000),
    "delay": _between(float, 0, 600),
    "reasoning": _between(int, 0, 200_000),
    "fail": _between(int, 400, 599),
    "fail_after": _between(int, 0, 200_000),
    "fail_mode": _one_of(*FAIL_MODES),
    "chunk": _between(int, 1, 1_000_000),
    "crlf": _flag,
    "comments": _flag,
    "no_done": _flag,
    "no_usage": _flag,
    "bad_usage": _flag,
    "echo": _flag,
    "say": _literal,
    "story": _one_of("documented"),
    "tool": _literal,
    "args": _literal,
}
