"""003: DeepInfra's Chat Completions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from providers.dialects import answers, balance, chat_completions, failures, output_schema
from providers.dialects.parameters import Parameter, parameters_of
from providers.dialects.requests import canonical, read_body, with_usage, with_user, write_body
from providers.dialects.schema import ABSENT, Message, Penalty, Schema, Stop, StreamOptions, Temperature, Tool
from providers.dialects.usage import three_counts
from providers.types import ChatRequest, Event, Thinking

NAME = "deepinfra"
TITLE = "DeepInfra"
STREAMS = True
HOST_ONLY = True
PATH = "/v1/openai/chat/completions"

EXAMPLE: dict[str, Any] = {
    "model": "deepseek-ai/DeepSeek-V3",
    "messages": [{"role": "user", "content": "Hello!"}],
}

decode_answer = chat_completions.decode_answer
decode_event = chat_completions.decode_event
decode_end = chat_completions.decode_end
decode_error = failures.decode_error
encode_error = failures.encode_error
remaining_credits = balance.remaining_credits


class ResponseFormat(Schema):
    type: Literal["text", "json_object"] = Field(description="text, or json_object for JSON")


class Request(Schema):
    model: str = Field(min_length=1, description="Model name")
    messages: list[Message] = Field(
        min_length=1,
        description="Conversation messages: (user, assistant, tool)*, user, and one system message anywhere",
    )
    stream: bool = Field(default=False, description="Whether to stream the output via SSE or return the full response")
    temperature: Temperature = Field(
        default=1, description="Higher values make the output more random, lower values more focused"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1, description="Nucleus sampling: only the tokens with this probability mass are considered"
    )
    min_p: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0, description="Minimum probability of a token relative to the likeliest one; 0 means off"
    )
    top_k: Annotated[int, Field(ge=0, lt=1000)] = Field(
        default=0, description="Sample from the best k tokens; 0 means off"
    )
    max_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=ABSENT, description="Maximum number of tokens to generate, within the model's context"
    )
    stop: Stop = Field(default=ABSENT, description="One sequence or up to 16 that end the answer")
    n: Annotated[int, Field(ge=1, le=4)] = Field(default=1, description="Number of answers to return")
    presence_penalty: Penalty = Field(
        default=0, description="Positive values make the model likelier to talk about new topics"
    )
    frequency_penalty: Penalty = Field(
        default=0, description="Positive values make the model less likely to repeat itself"
    )
    tools: list[Tool] = Field(default=ABSENT, description="Tools the model may call; only functions are supported")
    tool_choice: Literal["none", "auto"] = Field(
        default=ABSENT, description="none: answer with a message; auto: the model picks. auto is the default with tools"
    )
    response_format: ResponseFormat = Field(default=ABSENT, description="The format of the answer; only JSON")
    repetition_penalty: Annotated[float, Field(ge=0.01, le=5)] = Field(
        default=1, description="Multiplicative penalty for repetition: over 1 penalizes, under 1 encourages"
    )
    user: str = Field(default=ABSENT, description="A hash that stands for the end user, never an id or an e-mail")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=ABSENT, description="Seed of the random numbers; random if not given"
    )
    stream_options: StreamOptions = Field(default=ABSENT, description="What a stream holds besides the answer")


class Answer(output_schema.Answer[output_schema.CallingMessage, output_schema.PricedCounts]):
    """A whole answer."""


class Chunk(output_schema.Chunk[output_schema.CallingDelta, output_schema.PricedCounts]):
    """One event of a stream."""


def url(base_url: str, request: ChatRequest) -> str:
    return base_url.rstrip("/") + PATH


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def read_request(body: Mapping[str, Any]) -> ChatRequest:
    return canonical(read_body(Request, body), Thinking())


def write_request(request: ChatRequest, upstream_model: str) -> dict[str, Any]:
    return write_body(Request, request, upstream_model, {**with_usage(request), **with_user(request)})


def encode_answer(events: Sequence[Event], *, id: str, created: int, model: str) -> dict[str, Any]:
    return answers.answer(events, id=id, created=created, model=model, counts=three_counts)


def encode_start(*, id: str, created: int, model: str) -> dict[str, Any] | None:
    """None: here every piece of text says who speaks."""
    return None


def encode_event(event: Event, *, id: str, created: int, model: str) -> dict[str, Any] | None:
    return answers.chunk(event, id=id, created=created, model=model, counts=three_counts, role=True)


def parameters() -> list[Parameter]:
    return parameters_of(Request)
