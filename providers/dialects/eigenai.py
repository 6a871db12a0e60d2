"""000: EigenAI's generate endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from providers.dialects import answers, balance, bare_text, failures, output_schema
from providers.dialects.parameters import Parameter, parameters_of
from providers.dialects.requests import canonical, read_body, write_body
from providers.dialects.schema import (
    ABSENT,
    Closed,
    Effort,
    MaxTokens,
    PlainMessage,
    Schema,
    Temperature,
    whole_number,
)
from providers.dialects.usage import three_counts
from providers.types import ChatRequest, Event, Thinking

NAME = "eigenai"
TITLE = "EigenAI"
STREAMS = True
HOST_ONLY = True
PATH = "/api/v1/generate"
STREAM_PATH = "/api/v1/generate/stream"

EXAMPLE: dict[str, Any] = {
    "model": "deepseek-v31-terminus",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {
            "role": "user",
            "content": "Let N be the number of positive integers less than 1000 that are divisible by 3 or 7 but not "
            "by 21. What is the value of N?",
        },
    ],
    "max_tokens": 4096,
    "chat_template_kwargs": {"thinking": True},
    "temperature": 0,
    "top_p": 0.95,
    "top_k": 1,
}

decode_answer = bare_text.decode_answer
decode_event = bare_text.decode_event
decode_end = bare_text.decode_end
decode_error = failures.decode_error
encode_error = failures.encode_error
remaining_credits = balance.remaining_credits
encode_start = answers.opening


class TemplateOptions(Closed):
    thinking: bool = Field(default=ABSENT, description="Set to true to request chain-of-thought output")


class Request(Schema):
    model: str = Field(min_length=1, description="Use deepseek-v31-terminus for the latest reasoning model")
    messages: list[PlainMessage] = Field(min_length=1, description="Conversation history with {role, content} objects")
    # The document calls these two numbers, so 4096.0 is as good as 4096.
    max_tokens: Annotated[MaxTokens, BeforeValidator(whole_number)] = Field(
        default=4096, description="Maximum response tokens"
    )
    chat_template_kwargs: TemplateOptions = Field(default=ABSENT, description="Options of the chat template")
    reasoning_effort: Effort = Field(default=ABSENT, description="Controls the amount of reasoning")
    separate_reasoning: bool = Field(
        default=ABSENT, description="Emit structured reasoning separately from final answer"
    )
    temperature: Temperature = Field(
        default=0.7, description="Creativity and variance; use 0 for deterministic reasoning"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=ABSENT, description="Nucleus sampling probability mass (set to 1 for full distribution)"
    )
    top_k: Annotated[int, Field(ge=1, lt=2**31), BeforeValidator(whole_number)] = Field(
        default=ABSENT, description="Limits candidates to the top-k tokens (set to 1 for greedy decoding)"
    )
    stream: bool = Field(default=False, description="Real-time responses, at the address that ends in /stream")


class Answer(output_schema.Answer[output_schema.Message, output_schema.PricedCounts]):
    """A whole answer. EigenAI's document shows none: this is what is given here, the Chat Completions shape."""


class Chunk(output_schema.Chunk[output_schema.Delta, output_schema.PricedCounts]):
    """One event of a stream. EigenAI's document shows none: this is what is given here."""


def url(base_url: str, request: ChatRequest) -> str:
    return base_url.rstrip("/") + (STREAM_PATH if request.stream else PATH)


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def read_request(body: Mapping[str, Any]) -> ChatRequest:
    """Whether reasoning is to be separate is not carried: our answers always separate it."""
    given = read_body(Request, body)
    options = given.get("chat_template_kwargs")
    thinking = Thinking(enabled=getattr(options, "thinking", None), effort=given.get("reasoning_effort"))
    return canonical(given, thinking)


def write_request(request: ChatRequest, upstream_model: str) -> dict[str, Any]:
    if request.sampling.top_k == 0:  # off elsewhere; here it is off when it is not there
        request = replace(request, sampling=replace(request.sampling, top_k=None))
    return write_body(Request, request, upstream_model, _thinking(request.thinking), rich=False)


def _thinking(thinking: Thinking) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if thinking.enabled is not None:
        extra["chat_template_kwargs"] = {"thinking": thinking.enabled}
    if thinking.effort:
        extra["reasoning_effort"] = thinking.effort
    if extra and thinking.enabled is not False:
        extra["separate_reasoning"] = True
    return extra


def encode_answer(events: Sequence[Event], *, id: str, created: int, model: str) -> dict[str, Any]:
    return answers.answer(events, id=id, created=created, model=model, counts=three_counts)


def encode_event(event: Event, *, id: str, created: int, model: str) -> dict[str, Any] | None:
    return answers.chunk(event, id=id, created=created, model=model, counts=three_counts)


def parameters() -> list[Parameter]:
    return parameters_of(Request)
