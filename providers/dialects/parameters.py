"""A request schema as people read it: one row a parameter, with its type, range, choices and default."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter under its dotted name. `type` is a JSON type, the widest; bounds that do not exist are None."""

    name: str
    type: str
    description: str
    required: bool = False
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    max_items: int | None = None
    choices: tuple[str, ...] = ()


@lru_cache(maxsize=32)
def json_schema(schema: type[BaseModel]) -> Node:
    """The JSON schema of a request, an answer or a chunk; shared, so not to be changed."""
    return schema.model_json_schema()


def parameters_of(request: type[BaseModel]) -> list[Parameter]:
    return list(_parameters(json_schema(request), json_schema(request), prefix=""))


def resolved(node: Node, root: Node) -> Node:
    """The node with its `$ref`, if it has one, looked up."""
    reference = node.get("$ref", "").removeprefix("#/$defs/")
    return {**root["$defs"][reference], **node} if reference else node


def _parameters(owner: Node, root: Node, prefix: str, needed: bool = True) -> list[Parameter]:
    found = []
    for name, field in owner["properties"].items():
        node = resolved(field, root)
        required = needed and name in owner.get("required", ())
        found.append(_parameter(prefix + name, node, required))
        if "properties" in node:
            found += _parameters(node, root, prefix=f"{prefix}{name}.", needed=required)
    return found


def _parameter(name: str, node: Node, required: bool) -> Parameter:
    # Of a parameter that may be of several kinds, the last is the widest and stands for all.
    node = {**node["anyOf"][-1], **node} if "anyOf" in node else node
    return Parameter(
        name=name,
        type=node.get("type", "object"),
        description=node.get("description", ""),
        required=required,
        default=node.get("default"),
        minimum=node.get("minimum"),
        maximum=node.get("maximum"),
        exclusive_minimum=node.get("exclusiveMinimum"),
        exclusive_maximum=node.get("exclusiveMaximum"),
        max_items=node.get("maxItems"),
        choices=tuple(node.get("enum", ())),
    )
