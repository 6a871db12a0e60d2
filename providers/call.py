"""One request to a model: what is sent, and the events of what comes back."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

import httpx

from providers import dialects, sse
from providers.dialects.failures import excerpt_of
from providers.errors import UpstreamError, UpstreamProtocolError
from providers.exchange import ERROR_BODY_LIMIT, STREAM_LIMIT, Exchange, checked_key
from providers.types import (
    ChatRequest,
    ContentDelta,
    CreditsRemaining,
    Event,
    Finished,
    ReasoningDelta,
    Received,
    ToolCallDelta,
)
from providers.wire_failures import TRY_AGAIN

ANSWER_LIMIT = 8 * 1024 * 1024
# How long to wait for the end of the response after the end of the answer, so that the connection can be used again.
LINGER = 0.05
OF_AN_ANSWER = (ContentDelta, ReasoningDelta, ToolCallDelta)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes and with what; times in seconds."""

    dialect: str
    base_url: str
    upstream_model: str
    key: str = field(repr=False)
    connect_timeout: float = 5
    first_token_timeout: float = 60
    silence_timeout: float = 60
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Call:
    """One request and its answer. Knows how far it has come, which decides what a failure means."""

    def __init__(self, http: httpx.AsyncClient, target: Target, request: ChatRequest) -> None:
        self._target = target
        self._request = request
        self._dialect = dialects.get(target.dialect)
        self._exchange = Exchange(
            http, target.base_url, connect_timeout=target.connect_timeout, seconds=target.first_token_timeout
        )
        self._decoder, self._state = sse.Decoder(), dialects.StreamState()
        self._broken: UpstreamError | None = None
        self._streams = self._alive = self._finished = self._ended = self._told = False
        self.credits: Decimal | None = None

    async def open(self) -> None:
        """Send the request and look at the head of the answer. Raises what a status other than 200 means."""
        response = await self._send()
        self.credits = self._dialect.remaining_credits(response.headers)
        if response.status_code != 200:
            raise await self._exchange.refusal(response, self._dialect)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._check_form(response, kind)
        may_stream = self._dialect.STREAMS and self._request.stream and not kind.endswith("json")
        self._streams = kind == "text/event-stream" or may_stream

    async def more(self) -> Sequence[Received] | None:
        """The events of what came next, often none; None after the end. What the key has left comes with the first."""
        if self._broken:
            raise self._broken
        if self._ended:
            await self._close_up()
            return None
        events = await self._next_of_stream() if self._streams else await self._whole()
        for event in events:
            if type(event) is Finished:
                self._finished = True
        if events and not self._told:
            self._told = True
            if self.credits is not None:
                return [CreditsRemaining(self.credits), *events]
        return events

    async def aclose(self) -> None:
        await self._exchange.aclose()

    async def _send(self) -> httpx.Response:
        target = self._target
        key = checked_key(target.key)
        body = self._dialect.write_request(self._request, target.upstream_model)
        headers = httpx.Headers(dict(target.headers))
        headers.update({"Content-Type": "application/json", "Accept-Encoding": "identity"})
        headers.update(self._dialect.headers(key))
        # Escaped to ASCII: half a surrogate pair in a message is valid in JSON, but not in UTF-8.
        content = json.dumps(body, separators=(",", ":")).encode()
        return await self._exchange.send("POST", self._dialect.url(target.base_url, self._request), headers, content)

    def _check_form(self, response: httpx.Response, kind: str) -> None:
        host = self._exchange.words.host
        if kind in ("text/html", "application/xhtml+xml"):
            raise UpstreamProtocolError(f"{host} answered with a web page. {TRY_AGAIN}", excerpt=kind)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise UpstreamProtocolError(
                f"{host} answered in a compressed form that was not asked for. {TRY_AGAIN}", excerpt=encoding
            )

    async def _next_of_stream(self) -> list[Event]:
        if self._alive:
            # Counted from here: a slow reader is not their silence.
            self._exchange.allow(self._target.silence_timeout)
        chunk = await self._exchange.read(STREAM_LIMIT)
        payloads = self._decoder.feed(chunk) if chunk else self._decoder.close()
        events = self._decoded(payloads, last=not chunk)
        if not self._exchange.begun:
            self._exchange.begun = any(isinstance(event, OF_AN_ANSWER) for event in events)
        # Comments keep a connection alive, not an answer.
        self._alive = bool(payloads) and self._exchange.begun
        return events

    def _decoded(self, payloads: list[str], *, last: bool) -> list[Event]:
        """The events before a failure are still given, and the failure the next time."""
        events: list[Event] = []
        try:
            for payload in payloads:
                found, self._state = self._dialect.decode_event(payload, self._state)
                events += found
            if last or self._state.done:
                self._ended = True
                events += self._dialect.decode_end(self._state)
        except UpstreamError as error:
            self._broken = error
        return events

    async def _whole(self) -> list[Event]:
        body = bytearray()
        while chunk := await self._exchange.read(ANSWER_LIMIT):
            if not self._exchange.begun:
                self._exchange.begun = True
                self._exchange.allow(self._target.silence_timeout)
            body += chunk
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            payload = None
        if payload is None:
            raise UpstreamProtocolError(
                f"{self._exchange.words.host} answered something that is not JSON. {TRY_AGAIN}",
                excerpt=excerpt_of(bytes(body[:4000])),
            )
        self._ended = True
        return self._dialect.decode_answer(payload)

    async def _close_up(self) -> None:
        if not self._finished:
            raise self._exchange.words.broke_off()
        self._exchange.allow(LINGER)
        with suppress(UpstreamError):
            while await self._exchange.read(self._exchange.received + ERROR_BODY_LIMIT):
                pass
