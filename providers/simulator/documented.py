"""The documents' own examples: each recorded request gets its recorded answer, byte for byte."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True, slots=True)
class Recording:
    """One example of a document."""

    request: dict[str, Any]
    answer: bytes
    is_stream: bool

    def answers(self, body: dict[str, Any]) -> bool:
        """Fields that the example does not name may be added: a client may ask for usage or name its user."""
        same = all(name in body and body[name] == value for name, value in self.request.items())
        return same and bool(body.get("stream")) == self.is_stream


def recording(request: str, answer: str) -> Recording:
    return Recording(
        request=json.loads((RECORDED / request).read_text(encoding="utf-8")),
        answer=(RECORDED / answer).read_bytes(),
        is_stream=answer.endswith(".sse"),
    )


THINKING = (recording("thinking.request.json", "thinking.answer.json"),)
DEEPINFRA = (
    recording("deepinfra.request.json", "deepinfra.answer.json"),
    recording("deepinfra.conversation.request.json", "deepinfra.conversation.answer.json"),
    recording("deepinfra.stream.request.json", "deepinfra.stream.answer.sse"),
)
