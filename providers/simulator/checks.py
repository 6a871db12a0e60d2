"""Refusing what a document does not allow, by the name of the parameter."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from .wire import Refused

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a parameter may have."""

    low: float
    high: float
    whole: bool = False
    above_low: bool = False
    below_high: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.above_low else value >= self.low
        below = value < self.high if self.below_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        left, right = ("<" if self.above_low else "≤"), ("<" if self.below_high else "≤")
        return f"{self.low} {left} value {right} {self.high}"


def check_ranges(body: Body, ranges: dict[str, Range]) -> None:
    for name, allowed in ranges.items():
        if body.get(name) is not None:
            check_number(body[name], name, allowed)


def check_number(value: Any, name: str, allowed: Range) -> None:
    kinds = int if allowed.whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise Refused(400, f"{name} must be {'an integer' if allowed.whole else 'a number'}.", param=name)
    if not allowed.holds(value):
        raise Refused(400, f"{name} is out of range: {allowed}.", param=name)


def typed(body: Body, name: str, kind: type, default: Any) -> Any:
    """The value of an optional parameter, where null means absent."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise Refused(400, f"{name} must be of type {kind.__name__}.", param=name)
    return value


def model_of(body: Body) -> str:
    if not isinstance(body.get("model"), str):
        raise Refused(400, "model is required and must be a string.", param="model")
    return str(body["model"])


def messages_of(body: Body, roles: Collection[str]) -> list[Body]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages is required and must be a non-empty array.", param="messages")
    for index, message in enumerate(messages):
        _check_message(message, f"messages[{index}]", roles)
    return messages


def _check_message(message: Any, name: str, roles: Collection[str]) -> None:
    if not isinstance(message, dict):
        raise Refused(400, f"{name} must be an object.", param=name)
    if message.get("role") not in roles:
        raise Refused(400, f"{name}.role must be one of {', '.join(sorted(roles))}.", param=f"{name}.role")
    content = message.get("content")
    if content is None and message.get("tool_calls"):
        return
    if not isinstance(content, str | list):
        raise Refused(400, f"{name}.content must be a string.", param=f"{name}.content")


def stops_of(body: Body) -> tuple[str, ...]:
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or len(stops) > 16 or not all(isinstance(one, str) for one in stops):
        raise Refused(400, "stop must be a string or up to 16 strings.", param="stop")
    return tuple(one for one in stops if one)


def includes_usage(body: Body) -> bool:
    return bool(typed(body, "stream_options", dict, {}).get("include_usage"))


def wants_json(body: Body) -> bool:
    kind: str = typed(body, "response_format", dict, {"type": "text"}).get("type")
    if kind not in ("text", "json", "json_object", "json_schema"):
        raise Refused(400, "response_format: only json is supported.", param="response_format")
    return kind != "text"


def text_of(message: Body) -> str:
    """The text of a message, whether written as a string or as parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))


def tool_result(messages: list[Body]) -> str | None:
    """What a tool gave, when it is the model's turn to speak about it."""
    return text_of(messages[-1]) if messages[-1]["role"] == "tool" else None


def last_question(messages: list[Body]) -> str:
    return next((text_of(message) for message in reversed(messages) if message["role"] == "user"), "")
