"""How a test or a person at the browser tells the simulated upstream to behave."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .readers import ANSWER, BEFORE_HEADERS, READERS
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


@dataclass(frozen=True, slots=True)
class Steering:
    """What to do differently; the defaults are a healthy, ordinary service."""

    speed: float = 60  # tokens a second, 0 = as fast as possible
    length: int | None = None  # tokens of the answer
    reasoning: int | None = None  # tokens of reasoning, where reasoning is asked for
    echo: bool = False
    say: str | None = None
    story: str = ""
    tool: str | None = None  # called where the request offers tools
    args: str = "{}"

    fail: int | None = None  # a status instead of an answer
    fail_after: int | None = None  # tokens before the failure
    fail_mode: str | None = None
    fail_keys: tuple[str, ...] = ()  # the last four characters of the keys that fail; none = all
    retry_after: int | None = None  # seconds, told as a number
    retry_date: float | None = None  # seconds from now, told as a date
    leak: bool = False  # errors repeat the key
    redirect: str = ""
    go_on: bool = False  # a stream goes on after its failure
    delay: float = 0  # seconds before the first token
    chunk: int | None = None  # bytes in one write, anywhere in the body
    pause: float = 0  # seconds before each write
    gzip: bool = False
    crlf: bool = False
    comments: bool = False
    no_done: bool = False
    no_usage: bool = False
    bad_usage: bool = False

    @property
    def breaks_after(self) -> int | None:
        """Tokens before the failure, BEFORE_HEADERS, or None when nothing fails."""
        if self.redirect:
            return BEFORE_HEADERS
        fails = self.fail or self.fail_mode or self.leak
        return BEFORE_HEADERS if fails and self.fail_after is None else self.fail_after

    @property
    def mode(self) -> str:
        return self.fail_mode or ("error_event" if self.fail or self.leak else "close")

    @property
    def piece(self) -> int | None:
        """Bytes in one write; None when they are written as they come."""
        return 1 if self.chunk is None and self.pause else self.chunk

    @property
    def newline(self) -> bytes:
        return b"\r\n" if self.crlf else b"\n"

    def reported(self, usage: dict[str, Any]) -> dict[str, Any] | None:
        """The usage that is told: the real one, none at all, or counts that nobody should bill."""
        return None if self.no_usage else BAD_USAGE if self.bad_usage else usage


def steer(ordered: Mapping[str, str], headers: Mapping[str, str], text: str, key: str) -> Steering:
    """Read what was ordered beforehand, then the headers, then the directives in the text: the last word wins."""
    wanted = dict(ordered) | {
        name.lower().removeprefix(PREFIX).replace("-", "_"): value
        for name, value in headers.items()
        if name.lower().startswith(PREFIX)
    }
    for found in DIRECTIVES.finditer(text):
        wanted |= _known_pairs(found[1]) or {}
    values = read(wanted)
    failing = values.get("fail_keys")
    if failing and key[-4:] not in failing:
        values = {name: value for name, value in values.items() if name in ANSWER}
    return Steering(**values)


def read(pairs: Mapping[str, str]) -> dict[str, Any]:
    """The values of the words, or Refused by the first that is unknown or cannot be followed."""
    return {name: _read(name, value) for name, value in pairs.items()}


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
