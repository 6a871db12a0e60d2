"""One module for each wire format, all with the same names: pure mapping, no wire and no database."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import BaseModel

from providers.dialects import deepinfra, eigenai, openai, segmind, thinking
from providers.dialects.chat_completions import StreamState
from providers.dialects.parameters import Parameter, json_schema
from providers.dialects.requests import drop_unsupported, unknown_fields
from providers.errors import ChatsiteError, UpstreamError
from providers.types import ChatRequest, Event

__all__ = [
    "DIALECTS",
    "Dialect",
    "Parameter",
    "StreamState",
    "drop_unsupported",
    "get",
    "json_schema",
    "unknown_fields",
]


class Dialect(Protocol):
    """What a dialect's module holds. Every function is pure; what a stream must remember is handed in and out."""

    NAME: str
    TITLE: str
    STREAMS: bool

    @property
    def Request(self) -> type[BaseModel]:
        """The one schema: it checks a client's body and ours, draws the form and documents the parameters."""

    def url(self, base_url: str, request: ChatRequest) -> str: ...

    def headers(self, key: str) -> dict[str, str]: ...

    def read_request(self, body: Mapping[str, Any]) -> ChatRequest:
        """A client's body in canonical words. Raises InvalidRequest naming the field, its range and what it is."""

    def write_request(self, request: ChatRequest, upstream_model: str) -> dict[str, Any]:
        """The body to send. Raises InvalidRequest naming what this upstream cannot honour."""

    def decode_answer(self, payload: object) -> list[Event]:
        """The events of a whole answer, Finished and usage included. Raises UpstreamError."""

    def decode_event(self, data: str, state: StreamState) -> tuple[list[Event], StreamState]:
        """The events of one SSE payload, and what to hand in with the next. Raises UpstreamError.

        Once `state.done` is set the upstream has said that nothing follows.
        """

    def decode_end(self, state: StreamState) -> list[Event]:
        """Call it once, when the stream has ended: gives the usage, or raises if the answer broke off."""

    def decode_error(self, status: int, body: bytes, retry_after: str | None) -> UpstreamError:
        """What a status other than 200 means; `excerpt` is for the admin, `message` for people."""

    def encode_answer(self, events: Sequence[Event], *, id: str, created: int, model: str) -> dict[str, Any]: ...

    def encode_start(self, *, id: str, created: int, model: str) -> dict[str, Any] | None:
        """The chunk that opens a stream on our face, if this dialect has one."""

    def encode_event(self, event: Event, *, id: str, created: int, model: str) -> dict[str, Any] | None:
        """One chunk on our face; None where this dialect has no word for it."""

    def encode_error(self, error: ChatsiteError, request_id: str) -> tuple[int, dict[str, Any]]:
        """The HTTP status and body on our face."""

    def parameters(self) -> list[Parameter]: ...


DIALECTS: dict[str, Dialect] = {
    "eigenai": eigenai,
    "thinking": thinking,
    "segmind": segmind,
    "deepinfra": deepinfra,
    "openai": openai,
}


def get(name: str) -> Dialect:
    """The dialect of this name. Raises KeyError."""
    return DIALECTS[name]
