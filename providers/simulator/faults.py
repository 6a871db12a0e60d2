"""Steering ordered beforehand, for the next requests that match, without touching their messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .steering import read
from .wire import Refused

MATCHES = ("key_last_four", "path")


@dataclass(slots=True)
class Fault:
    """One order; `left` counts down to its end, None has no end."""

    match: dict[str, str]
    left: int | None
    steering: dict[str, str]

    def fits(self, facts: Mapping[str, str]) -> bool:
        return all(facts[name] == value for name, value in self.match.items())

    def as_dict(self) -> dict[str, Any]:
        return {"match": self.match, "times": self.left, **self.steering}


class Faults:
    """The orders that wait, oldest first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, body: dict[str, Any]) -> Fault:
        """Take an order as it was sent, or raise Refused."""
        steering = {name: _text(value) for name, value in body.items() if name not in ("match", "times")}
        read(steering)
        fault = Fault(match=_match(body.get("match") or {}), left=_times(body.get("times")), steering=steering)
        self.waiting.append(fault)
        return fault

    def take(self, path: str, key: str) -> dict[str, str]:
        """The steering of the first order that fits this request, which uses it up by one."""
        facts = {"path": path, "key_last_four": key[-4:]}
        for fault in self.waiting:
            if fault.fits(facts):
                self._use(fault)
                return fault.steering
        return {}

    def _use(self, fault: Fault) -> None:
        if fault.left is not None:
            fault.left -= 1
            if not fault.left:
                self.waiting.remove(fault)

    def as_list(self) -> list[dict[str, Any]]:
        return [fault.as_dict() for fault in self.waiting]

    def clear(self) -> None:
        self.waiting.clear()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _match(match: Any) -> dict[str, str]:
    if not isinstance(match, dict) or not match.keys() <= set(MATCHES):
        raise Refused(400, f"match must be an object of {' and '.join(MATCHES)}.", param="match")
    return {name: str(value) for name, value in match.items()}


def _times(times: Any) -> int | None:
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise Refused(400, "times must be an integer above 0; leave it out for all requests to come.", param="times")
    return times
