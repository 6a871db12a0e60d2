"""A call of a tool, as the services that know tools put it on the wire."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What is called, with the JSON text of its arguments in tokens."""

    id: str
    name: str
    arguments: list[str]

    def whole(self) -> Body:
        return {"id": self.id, "type": "function", "function": self._function("".join(self.arguments))}

    def deltas(self) -> Iterator[tuple[Body, int]]:
        """Who is called comes first, the arguments after it, a token at a time."""
        yield {"tool_calls": [{"index": 0, "id": self.id, "type": "function", "function": self._function("")}]}, 0
        for piece in self.arguments:
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, 1

    def _function(self, arguments: str) -> Body:
        return {"name": self.name, "arguments": arguments}


def offers_tools(body: Body) -> bool:
    """Whether the service may call: without tools, or with the choice `none`, it answers in words."""
    return bool(body.get("tools")) and body.get("tool_choice") != "none"
