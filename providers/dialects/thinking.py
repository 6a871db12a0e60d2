"""001: Chat Completions with a thinking budget, as DeepSeek V3.1 is served."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from providers.dialects import answers, balance, chat_completions, failures, output_schema
from providers.dialects.parameters import Parameter, parameters_of
from providers.dialects.requests import canonical, read_body, read_thinking, with_usage, write_body, write_thinking
from providers.dialects.schema import ABSENT, MaxTokens, Message, Schema, Temperature, ThinkingOptions
from providers.dialects.usage import four_counts
from providers.types import ChatRequest, Event

NAME = "thinking"
TITLE = "Thinking API"
STREAMS = True
HOST_ONLY = True
PATH = "/v1/chat/completions"

EXAMPLE: dict[str, Any] = {
    "model": "deepseek-reasoner",
    "messages": [{"role": "user", "content": "Explain the theory of relativity in simple terms."}],
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "max_tokens": 4096,
}

decode_answer = chat_completions.decode_answer
decode_event = chat_completions.decode_event
decode_end = chat_completions.decode_end
decode_error = failures.decode_error
encode_error = failures.encode_error
remaining_credits = balance.remaining_credits
encode_start = answers.opening


class Request(Schema):
    model: str = Field(
        min_length=1, description="ID of the model to use: deepseek-chat, deepseek-reasoner or deepseek-coder"
    )
    messages: list[Message] = Field(min_length=1, description="The messages of the conversation so far")
    thinking: ThinkingOptions = Field(default=ABSENT, description="Whether and how long the model thinks first")
    temperature: Temperature = Field(default=1, description="Sampling temperature between 0 and 2")
    max_tokens: MaxTokens = Field(default=ABSENT, description="Maximum number of tokens to generate")
    stream: bool = Field(default=False, description="Whether to stream back partial progress")


class Answer(output_schema.Answer[output_schema.Message, output_schema.ReasoningCounts]):
    """A whole answer."""


class Chunk(output_schema.Chunk[output_schema.Delta, output_schema.ReasoningCounts]):
    """One event of a stream. The document shows none: this is what is given here."""


def url(base_url: str, request: ChatRequest) -> str:
    return base_url.rstrip("/") + PATH


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def read_request(body: Mapping[str, Any]) -> ChatRequest:
    given = read_body(Request, body)
    return canonical(given, read_thinking(given))


def write_request(request: ChatRequest, upstream_model: str) -> dict[str, Any]:
    extra = write_thinking(request.thinking) | with_usage(request)
    return write_body(Request, request, upstream_model, extra)


def encode_answer(events: Sequence[Event], *, id: str, created: int, model: str) -> dict[str, Any]:
    return answers.answer(events, id=id, created=created, model=model, counts=four_counts)


def encode_event(event: Event, *, id: str, created: int, model: str) -> dict[str, Any] | None:
    return answers.chunk(event, id=id, created=created, model=model, counts=four_counts)


def parameters() -> list[Parameter]:
    return parameters_of(Request)
