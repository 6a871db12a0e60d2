"""What a dialect's module holds: the names, and what each takes and gives."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from pydantic import BaseModel

from providers.dialects.chat_completions import StreamState
from providers.dialects.parameters import Parameter
from providers.errors import ChatsiteError, UpstreamError
from providers.types import ChatRequest, Event


class Dialect(Protocol):
    """What a dialect's module holds. Every function is pure; what a stream must remember is handed in and out.

    `NAME` is the module's own name, at most 16 characters, `TITLE` what people read. With `HOST_ONLY` a base address is
    scheme and host, because the dialect knows the whole path. `EXAMPLE` is the request body of the provider's document.
    """

    NAME: str
    TITLE: str
    STREAMS: bool
    HOST_ONLY: bool
    EXAMPLE: dict[str, Any]

    @property
    def Request(self) -> type[BaseModel]:
        """The one schema: it checks a client's body and ours, draws the form and documents the parameters."""

    @property
    def Answer(self) -> type[BaseModel]:
        """The schema of what `encode_answer` gives, as the provider's document shows it."""

    @property
    def Chunk(self) -> type[BaseModel] | None:
        """The schema of what `encode_start` and `encode_event` give; None where there are no streams."""

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

    def remaining_credits(self, headers: Mapping[str, str]) -> Decimal | None:
        """What is left on the account at the upstream, if the headers of its answer tell it believably."""

    def encode_answer(self, events: Sequence[Event], *, id: str, created: int, model: str) -> dict[str, Any]:
        """The body of a whole answer on our face; `events` hold each choice's Finished, and the usage."""

    def encode_start(self, *, id: str, created: int, model: str) -> dict[str, Any] | None:
        """The chunk that opens a stream on our face, if this dialect has one."""

    def encode_event(self, event: Event, *, id: str, created: int, model: str) -> dict[str, Any] | None:
        """One chunk on our face; None where this dialect has no word for it."""

    def encode_error(self, error: ChatsiteError, request_id: str) -> tuple[int, dict[str, Any]]:
        """The HTTP status and body on our face."""

    def parameters(self) -> list[Parameter]: ...


MEMBERS = sorted(Dialect.__annotations__) + sorted(name for name in vars(Dialect) if not name.startswith("_"))
