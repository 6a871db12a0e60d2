"""What the four services have in common: the OpenAI shape. Their own modules hold what differs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .documented import Recording
from .tools import ToolCall
from .wire import Refused, to_json

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a service understood of a request."""

    model: str
    messages: list[Body]
    stream: bool = False
    include_usage: bool = False
    reasoning: int = 0  # tokens that this service would usually think, 0 = it answers at once
    reasoning_limit: int | None = None
    inline_reasoning: bool = False  # inside <think> in the content instead of a field of its own
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    as_json: bool = False
    seed: int | None = None
    tools: bool = False  # it may call one


@dataclass(slots=True)
class Choice:
    """One of the alternative answers, in tokens: words or the call of a tool."""

    index: int
    reasoning: list[str]
    content: list[str]
    finish_reason: str
    tool_call: ToolCall | None = None

    @property
    def tokens(self) -> int:
        called = self.tool_call.arguments if self.tool_call else ()
        return len(self.reasoning) + len(self.content) + len(called)


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that will be said, known before the first token is sent."""

    id: str
    created: int
    model: str
    prompt_tokens: int
    choices: list[Choice]

    @property
    def reasoning_tokens(self) -> int:
        return sum(len(choice.reasoning) for choice in self.choices)

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)


class Face(ABC):
    """A documented service; the subclasses are the documents."""

    paths: tuple[str, ...] = ()
    models: frozenset[str] = frozenset()
    no_credit = 402
    context = 128_000  # tokens of question and answer together
    recordings: tuple[Recording, ...] = ()

    def key(self, headers: Mapping[str, str]) -> str:
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    @abstractmethod
    def read(self, path: str, body: Body) -> Wanted:
        """What a request to this service asks for, or Refused."""

    def check_key(self, key: str) -> None:
        """Any key is good, unless its own first word says otherwise."""
        if not key or key.startswith("bad"):
            raise Refused(401, "This API key is missing or not valid.")
        if key.startswith("broke"):
            raise Refused(self.no_credit, "Not enough credits: top up this account and try again.")

    def check_model(self, model: str) -> None:
        if model not in self.models:
            raise Refused(404, f"There is no model called {model!r} here.", param="model")

    def headers(self, key: str, answer: Answer) -> dict[str, str]:
        return {}

    def usage(self, answer: Answer) -> Body:
        total = answer.prompt_tokens + answer.completion_tokens
        return {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": total,
        }

    def message(self, choice: Choice, wanted: Wanted) -> Body:
        if choice.tool_call:
            return {"role": "assistant", "content": None, "tool_calls": [choice.tool_call.whole()]}
        return {"role": "assistant", "content": "".join(choice.content)}

    def deltas(self, choice: Choice, wanted: Wanted) -> Iterator[tuple[Body, int]]:
        """The deltas of one choice, each with the number of tokens in it."""
        yield {"role": "assistant", "content": None if choice.tool_call else ""}, 0
        for piece in choice.reasoning:
            yield {"reasoning_content": piece}, 1
        for piece in choice.content:
            yield {"content": piece}, 1
        if choice.tool_call:
            yield from choice.tool_call.deltas()

    def whole(self, answer: Answer, wanted: Wanted, usage: Body | None) -> bytes:
        body: Body = {
            "id": answer.id,
            "object": "chat.completion",
            "created": answer.created,
            "model": answer.model,
            "choices": [
                {
                    "index": choice.index,
                    "message": self.message(choice, wanted),
                    "finish_reason": choice.finish_reason,
                }
                for choice in answer.choices
            ],
        }
        return to_json(body | ({"usage": usage} if usage is not None else {}))

    def chunk(self, answer: Answer, choices: list[Body], **more: Any) -> bytes:
        return to_json(
            {
                "id": answer.id,
                "object": "chat.completion.chunk",
                "created": answer.created,
                "model": answer.model,
                "choices": choices,
                **more,
            }
        )
