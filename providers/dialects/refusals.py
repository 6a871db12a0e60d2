"""Telling a client which field is wrong, what it may hold, and what it holds."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from providers.dialects.parameters import Node, json_schema, resolved
from providers.errors import InvalidRequest

LONGEST_NAME = 80
LONGEST_NUMBER = 20
TYPES = {"string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false"}


def validated(schema: type[BaseModel], body: Mapping[str, Any]) -> BaseModel:
    """The body as the schema's model. Raises InvalidRequest for the first field that is wrong."""
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)[0]
    raise _refusal(schema, details)


def refuse_half_characters(body: Mapping[str, Any]) -> None:
    """Raise InvalidRequest if any text holds half a surrogate pair: JSON can say it, UTF-8 cannot."""
    waiting: list[tuple[str, Any]] = list(body.items())
    while waiting:
        param, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [(param, part) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(param, part) for part in value]
        elif isinstance(value, str) and not _is_unicode(value):
            name = _dotted([param])
            raise InvalidRequest(f"{name} holds half a surrogate pair: send valid Unicode.", param=name)


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _refusal(schema: type[BaseModel], details: ErrorDetails) -> InvalidRequest:
    kind, context = details["type"], details.get("ctx", {})
    place = (*details["loc"], context["field"]) if kind == "missing_inside" else details["loc"]
    param = _dotted(place)
    node = _node_at(json_schema(schema), place)
    if kind in ("missing", "missing_inside"):
        return InvalidRequest(f"{param} is required: {_expected(node, param)}.", param=param)
    if kind == "extra_forbidden":
        known = ", ".join(_node_at(json_schema(schema), place[:-1]).get("properties", ()))
        return InvalidRequest(f"{param} is not known here; known are: {known}.", param=param)
    expected = details["msg"] if kind == "expected" else _expected(node, param)
    return InvalidRequest(f"{param} must be {expected}; this is {_shown(details['input'])}.", param=param)


def _dotted(place: Iterable[int | str]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    return path.encode("utf-8", "replace").decode()[:LONGEST_NAME]


def _node_at(root: Node, place: Iterable[int | str]) -> Node:
    node = root
    for step in place:
        # Of a field that may be of several kinds, the one that has such a part.
        kinds = node.get("anyOf", [node])
        parts = (_part(kind, step) for kind in kinds)
        node = resolved(next(filter(None, parts), {}), root)
    return node


def _part(node: Node, step: int | str) -> Node | None:
    found: Node | None = node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step)
    return found


def _expected(node: Node, param: str) -> str:
    if "enum" in node or "const" in node:
        return "one of " + ", ".join(node.get("enum") or [node["const"]])
    if "anyOf" in node:
        return " or ".join(_expected(choice, param) for choice in node["anyOf"])
    if node.get("type") == "array":
        return "a list" + _length(node)
    if node.get("type") == "string" and node.get("minLength"):
        return "a string that is not empty"
    return TYPES.get(node.get("type", ""), "an object") + _range(node, param)


def _length(node: Node) -> str:
    least, most = node.get("minItems"), node.get("maxItems")
    return (f" of at least {least}" if least else "") + (f" of at most {most}" if most else "")


def _range(node: Node, param: str) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    left = f"{low} ≤ " if low is not None else f"{above} < " if above is not None else ""
    right = f" ≤ {high}" if high is not None else f" < {below}" if below is not None else ""
    if left and not right:
        return f", {param} {'≥' if above is None else '>'} {low if above is None else above}"
    return f", {left}{param}{right}" if right else ""


def _shown(value: Any) -> str:
    """The JSON type of a value, and the value itself where it is a short number: text is never repeated."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "the boolean true", False: "the boolean false"}[value]
    if isinstance(value, int | float):
        kind = "integer" if isinstance(value, int) else "number"
        short = isinstance(value, float) or abs(value) < 10**LONGEST_NUMBER
        return f"the {kind} {value}" if short else f"an {kind} of many digits"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list | tuple) else "an object"
