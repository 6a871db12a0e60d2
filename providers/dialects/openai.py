"""Plain Chat Completions at any base URL, with thinking: DeepSeek itself, vLLM, Ollama, LM Studio, OpenAI."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from providers.dialects import answers, balance, chat_completions, failures, output_schema
from providers.dialects.parameters import Parameter, parameters_of
from providers.dialects.requests import (
    canonical,
    read_body,
    read_thinking,
    with_usage,
    with_user,
    write_body,
    write_thinking,
)
from providers.dialects.schema import (
    ABSENT,
    Effort,
    MaxTokens,
    Message,
    Open,
    Penalty,
    Schema,
    Stop,
    StreamOptions,
    Temperature,
    ThinkingOptions,
    Tool,
)
from providers.dialects.usage import all_counts
from providers.types import ChatRequest, Event

NAME = "openai"
TITLE = "OpenAI-compatible"
STREAMS = True
HOST_ONLY = False
PATH = "/chat/completions"

EXAMPLE: dict[str, Any] = {
    "model": "llama3.1",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"},
    ],
}

decode_answer = chat_completions.decode_answer
decode_event = chat_completions.decode_event
decode_end = chat_completions.decode_end
decode_error = failures.decode_error
encode_error = failures.encode_error
remaining_credits = balance.remaining_credits
encode_start = answers.opening


class ResponseFormat(Open):
    type: Literal["text", "json_object", "json_schema"] = Field(description="The format of the answer")


ToolChoice = Literal["none", "auto", "required"] | dict[str, Any]


def _known_choice(value: Any) -> Any:
    match value:
        case "none" | "auto" | "required" | {"type": "function", "function": {"name": str()}}:
            return value
    raise PydanticCustomError("expected", "none, auto, required or an object that names a function")


class Request(Schema):
    model: str = Field(min_length=1, description="ID of the model to use")
    messages: list[Message] = Field(min_length=1, description="The messages of the conversation so far")
    thinking: ThinkingOptions = Field(default=ABSENT, description="Whether and how long the model thinks first")
    reasoning_effort: Effort = Field(default=ABSENT, description="How much the model thinks")
    temperature: Temperature = Field(default=1, description="Sampling temperature between 0 and 2")
    top_p: Annotated[float, Field(ge=0, le=1)] = Field(default=1, description="Nucleus sampling probability mass")
    min_p: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0, description="Minimum probability of a token relative to the likeliest one; 0 means off"
    )
    top_k: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        default=0, description="Sample from the best k tokens; 0 means off"
    )
    max_tokens: MaxTokens = Field(default=ABSENT, description="Maximum number of tokens to generate")
    max_completion_tokens: MaxTokens = Field(default=ABSENT, description="The same as max_tokens, and wins over it")
    stop: Stop = Field(default=ABSENT, description="One sequence or up to 16 that end the answer")
    n: Annotated[int, Field(ge=1, le=128)] = Field(default=1, description="Number of answers to return")
    presence_penalty: Penalty = Field(
        default=0, description="Positive values make the model likelier to talk about new topics"
    )
    frequency_penalty: Penalty = Field(
        default=0, description="Positive values make the model less likely to repeat itself"
    )
    repetition_penalty: Annotated[float, Field(ge=0.01, le=5)] = Field(
        default=1, description="Multiplicative penalty for repetition: over 1 penalizes, under 1 encourages"
    )
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = Field(default=ABSENT, description="Seed of the random numbers")
    response_format: ResponseFormat = Field(default=ABSENT, description="Text, JSON, or JSON of a schema")
    tools: list[Tool] = Field(default=ABSENT, description="Functions that the model may call")
    tool_choice: Annotated[Any, BeforeValidator(_known_choice, json_schema_input_type=ToolChoice)] = Field(
        default=ABSENT, description="none, auto, required, or the function that has to be called"
    )
    user: str = Field(default=ABSENT, description="A hash that stands for the end user, never an id or an e-mail")
    stream: bool = Field(default=False, description="Whether to stream the answer as server-sent events")
    stream_options: StreamOptions = Field(default=ABSENT, description="What a stream holds besides the answer")


class Answer(output_schema.Answer[output_schema.ReasoningMessage, output_schema.DetailedCounts]):
    """A whole answer."""


class Chunk(output_schema.Chunk[output_schema.CallingDelta, output_schema.DetailedCounts]):
    """One event of a stream."""


def url(base_url: str, request: ChatRequest) -> str:
    return base_url.rstrip("/") + PATH


def headers(key: str) -> dict[str, str]:
    """Without a key, as servers on one's own machine often run, nothing is sent."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def read_request(body: Mapping[str, Any]) -> ChatRequest:
    given = read_body(Request, body)
    if "max_completion_tokens" in given:
        given["max_tokens"] = given["max_completion_tokens"]
    return canonical(given, read_thinking(given))


def write_request(request: ChatRequest, upstream_model: str) -> dict[str, Any]:
    extra = write_thinking(request.thinking) | with_usage(request) | with_user(request)
    if request.thinking.effort:
        extra["reasoning_effort"] = request.thinking.effort
    return write_body(Request, request, upstream_model, extra)


def encode_answer(events: Sequence[Event], *, id: str, created: int, model: str) -> dict[str, Any]:
    return answers.answer(events, id=id, created=created, model=model, counts=all_counts, always_reasoning=True)


def encode_event(event: Event, *, id: str, created: int, model: str) -> dict[str, Any] | None:
    return answers.chunk(event, id=id, created=created, model=model, counts=all_counts)


def parameters() -> list[Parameter]:
    return parameters_of(Request)
