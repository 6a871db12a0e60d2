"""002: Segmind's DeepSeek Chat. The address is the model, and every answer comes whole."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import Field

from providers.dialects import answers, balance, bare_text, failures, output_schema
from providers.dialects.chat_completions import StreamState
from providers.dialects.parameters import Parameter, parameters_of
from providers.dialects.requests import canonical, read_body, write_body
from providers.dialects.schema import PlainMessage, Schema
from providers.dialects.usage import three_counts
from providers.errors import ChatsiteError
from providers.types import ChatRequest, Event, Thinking

NAME = "segmind"
TITLE = "Segmind"
STREAMS = False
HOST_ONLY = True
PATH = "/v1/deepseek-chat"
MODEL = "segmind/deepseek-chat"
# The document knows no 402 and only one kind of server error.
STATUSES = {402: 406, 502: 500, 503: 500, 504: 500}

EXAMPLE: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "tell me a joke on cats"},
        {"role": "assistant", "content": "here is a joke about cats..."},
        {"role": "user", "content": "now a joke on dogs"},
    ]
}

decode_answer = bare_text.decode_answer
decode_end = bare_text.decode_end
decode_error = failures.decode_error


class Request(Schema):
    messages: list[PlainMessage] = Field(
        min_length=1, description="An array of objects containing the role and content"
    )


class Answer(output_schema.Answer[output_schema.Message, output_schema.PricedCounts]):
    """A whole answer. Segmind's document shows none: this is what is given here, the Chat Completions shape."""


Chunk = None


def url(base_url: str, request: ChatRequest) -> str:
    return base_url.rstrip("/") + PATH


def headers(key: str) -> dict[str, str]:
    return {"x-api-key": key}


def read_request(body: Mapping[str, Any]) -> ChatRequest:
    return canonical(read_body(Request, body), Thinking(), model=MODEL)


def write_request(request: ChatRequest, upstream_model: str) -> dict[str, Any]:
    return write_body(Request, request, "", {}, rich=False)


def remaining_credits(headers: Mapping[str, str]) -> Decimal | None:
    return balance.told_in("x-remaining-credits", headers)


def decode_event(data: str, state: StreamState) -> tuple[list[Event], StreamState]:
    raise failures.protocol_error("Segmind sent a stream, and no document says that it can.", data)


def encode_answer(events: Sequence[Event], *, id: str, created: int, model: str) -> dict[str, Any]:
    return answers.answer(events, id=id, created=created, model=model, counts=three_counts)


def encode_start(*, id: str, created: int, model: str) -> dict[str, Any] | None:
    """None: this face has no streams."""
    return None


def encode_event(event: Event, *, id: str, created: int, model: str) -> dict[str, Any] | None:
    """None: this face has no streams."""
    return None


def encode_error(error: ChatsiteError, request_id: str) -> tuple[int, dict[str, Any]]:
    status, body = failures.encode_error(error, request_id)
    return STATUSES.get(status, status), body


def parameters() -> list[Parameter]:
    return parameters_of(Request)
