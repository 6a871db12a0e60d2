"""The only outbound HTTP: one request to an upstream, and the events of its answer."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from providers import dialects, sse
from providers.addresses import AddressPolicy, guarded_session, policy_from_settings, shown_host
from providers.dialects.failures import excerpt_of
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnavailable
from providers.redaction import redacted
from providers.types import ChatRequest, ContentDelta, Event, Finished, ReasoningDelta, ToolCallDelta

MAX_CONNECTIONS = 512
ERROR_BODY_LIMIT = 64 * 1024
ANSWER_LIMIT = 8 * 1024 * 1024
STREAM_LIMIT = 64 * 1024 * 1024
# How long to wait for the end of the response after the end of the answer, so that the connection can be used again.
LINGER = 0.05
TRY_AGAIN = "Try again in a moment, or choose another model."


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


class Client:
    """A pool of connections to upstreams, for one event loop."""

    def __init__(
        self,
        policy: AddressPolicy | None = None,
        resolver: AbstractResolver | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._http = _http_client(policy or policy_from_settings(), resolver)
        self._free = self._size = max_connections
        self.closed = False

    async def stream(self, target: Target, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """The events of the answer as they come, with a Finished, or an UpstreamError.

        Closing or cancelling it closes the connection at once. Raises InvalidRequest for what the dialect cannot say.
        """
        try:
            with self._connection():
                async with aclosing(_Call(self._http, target, request).events()) as events:
                    async for event in events:
                        yield event
                return
        except UpstreamError as error:
            problem = redacted(error, target.key)
        # Outside the handler, where the error would carry the first one along, and with it headers and frames.
        raise problem

    async def aclose(self) -> None:
        self.closed = True
        await self._http.aclose()

    @contextmanager
    def _connection(self) -> Iterator[None]:
        if self._free <= 0:
            raise UpstreamUnavailable(
                f"All {self._size} connections to providers are in use. Try again in a moment.", sent=False
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class _Call:
    """One request and its answer. Knows how far it has come, which decides what a failure means."""

    def __init__(self, http: httpx.AsyncClient, target: Target, request: ChatRequest) -> None:
        self._http = http
        self._target = target
        self._request = request
        self._dialect = dialects.get(target.dialect)
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + target.first_token_timeout
        self._received = 0
        self._begun = False
        self._finished = False

    async def events(self) -> AsyncGenerator[Event, None]:
        response = await self._send()
        try:
            async with aclosing(self._answer(response)) as answer:
                async for event in answer:
                    self._begun = self._begun or isinstance(event, ContentDelta | ReasoningDelta | ToolCallDelta)
                    self._finished = self._finished or isinstance(event, Finished)
                    yield event
        finally:
            await response.aclose()
        if not self._finished:
            raise UpstreamProtocolError(f"{self._host} broke off before the end of the answer. {TRY_AGAIN}")

    async def _send(self) -> httpx.Response:
        message = self._message()
        with self._failures():
            async with asyncio.timeout_at(self._deadline):
                return await self._http.send(message, stream=True)

    def _message(self) -> httpx.Request:
        target = self._target
        if not (target.key.isascii() and target.key.isprintable()):
            raise UpstreamUnavailable("The saved key holds characters that cannot be sent. Save it again.", sent=False)
        body = self._dialect.write_request(self._request, target.upstream_model)
        headers = httpx.Headers(dict(target.headers))
        headers.update({"Content-Type": "application/json", "Accept-Encoding": "identity"})
        headers.update(self._dialect.headers(target.key))
        with self._failures():
            return self._http.build_request(
                "POST",
                self._dialect.url(target.base_url, self._request),
                headers=headers,
                # Escaped to ASCII: half a surrogate pair in a message is valid in JSON, but not in UTF-8.
                content=json.dumps(body, separators=(",", ":")).encode(),
                # `pool` is the time to get a connection: name, socket and TLS together.
                timeout=httpx.Timeout(None, pool=target.connect_timeout),
            )

    async def _answer(self, response: httpx.Response) -> AsyncGenerator[Event, None]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        async with aclosing(_chunks(response)) as chunks:
            if response.status_code != 200:
                raise await self._refusal(response, chunks)
            self._check_form(response, kind)
            may_stream = self._dialect.STREAMS and self._request.stream and not kind.endswith("json")
            if kind == "text/event-stream" or may_stream:
                async with aclosing(self._streamed(chunks)) as events:
                    async for event in events:
                        yield event
            else:
                for event in await self._whole(chunks):
                    yield event

    def _check_form(self, response: httpx.Response, kind: str) -> None:
        if kind in ("text/html", "application/xhtml+xml"):
            raise UpstreamProtocolError(f"{self._host} answered with a web page. {TRY_AGAIN}", excerpt=kind)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise UpstreamProtocolError(
                f"{self._host} answered in a compressed form that was not asked for. {TRY_AGAIN}", excerpt=encoding
            )

    async def _streamed(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
        decoder, state = sse.Decoder(), dialects.StreamState()
        chunk: bytes | None = b""
        while chunk is not None and not state.done:
            chunk = await self._next(chunks, STREAM_LIMIT)
            payloads = decoder.close() if chunk is None else decoder.feed(chunk)
            for payload in payloads:
                events, state = self._dialect.decode_event(payload, state)
                for event in events:
                    yield event
            # Comments keep a connection alive, not an answer. Counted from here: a slow reader is not their silence.
            if payloads and self._begun:
                self._deadline = self._now() + self._target.silence_timeout
        for event in self._dialect.decode_end(state):
            yield event
        await self._linger(chunks)

    async def _whole(self, chunks: AsyncIterator[bytes]) -> list[Event]:
        body = bytearray()
        while (chunk := await self._next(chunks, ANSWER_LIMIT)) is not None:
            if not self._begun:
                self._begun = True
                self._deadline = self._now() + self._target.silence_timeout
            body += chunk
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            payload = None
        if payload is None:
            raise UpstreamProtocolError(
                f"{self._host} answered something that is not JSON. {TRY_AGAIN}", excerpt=excerpt_of(bytes(body[:4000]))
            )
        return self._dialect.decode_answer(payload)

    async def _refusal(self, response: httpx.Response, chunks: AsyncIterator[bytes]) -> UpstreamError:
        status, body = response.status_code, bytearray()
        with suppress(UpstreamError):  # the status says enough if the body does not come
            while (chunk := await self._next(chunks, ERROR_BODY_LIMIT)) is not None:
                body += chunk
        if status < 400:
            return UpstreamProtocolError(
                f"{self._host} sent the request elsewhere or gave no answer (status {status}). "
                "An administrator has to look at the address of the deployment.",
                upstream_status=status,
            )
        return self._dialect.decode_error(status, bytes(body), response.headers.get("retry-after"))

    async def _next(self, chunks: AsyncIterator[bytes], limit: int) -> bytes | None:
        """The next bytes, None at the end. Raises at the deadline, and past `limit` in all."""
        with self._failures():
            async with asyncio.timeout_at(self._deadline):
                chunk = await anext(chunks, None)
        self._received += len(chunk or b"")
        if self._received > limit:
            raise UpstreamProtocolError(f"{self._host} sent more than any answer should be. {TRY_AGAIN}")
        return chunk

    async def _linger(self, chunks: AsyncIterator[bytes]) -> None:
        self._deadline = self._now() + LINGER
        with suppress(UpstreamError):
            while await self._next(chunks, self._received + ERROR_BODY_LIMIT) is not None:
                pass

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Make of what went wrong on the wire what it means for the request."""
        try:
            yield
        except TimeoutError:
            problem = self._too_late()
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError) as error:
            # The transport calls every lost connection a ConnectTimeout: only its cause tells what happened.
            problem = self._failure((isinstance(error, httpx.HTTPError) and error.__cause__) or error)
        else:
            return
        raise problem

    def _too_late(self) -> UpstreamError:
        seconds = self._target.silence_timeout if self._begun else self._target.first_token_timeout
        what = "went silent in the middle of its answer" if self._begun else "did not begin to answer"
        return UpstreamTimeout(f"{self._host} {what}: nothing came for {seconds:g} seconds. {TRY_AGAIN}")

    def _failure(self, cause: BaseException) -> UpstreamError:
        host, excerpt = self._host, str(cause)
        match cause:
            case aiohttp.ConnectionTimeoutError():
                seconds = f"{self._target.connect_timeout:g} seconds"
                return UpstreamTimeout(f"{host} could not be reached within {seconds}. {TRY_AGAIN}", sent=False)
            case aiohttp.ClientConnectorError():
                return UpstreamUnavailable(f"{host} cannot be reached. {TRY_AGAIN}", excerpt=excerpt, sent=False)
            case httpx.InvalidURL() | aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                message = "The address of this deployment cannot be called. An administrator has to look at it."
                return UpstreamUnavailable(message, excerpt=excerpt, sent=False)
            case aiohttp.ClientResponseError():
                return UpstreamProtocolError(f"{host} answered something that is not HTTP. {TRY_AGAIN}")
            case _ if self._received:
                return UpstreamProtocolError(f"{host} broke off before the end of the answer. {TRY_AGAIN}")
            case _:
                return UpstreamUnavailable(f"{host} closed the connection without an answer. {TRY_AGAIN}")

    @property
    def _host(self) -> str:
        return shown_host(self._target.base_url)


def get_client() -> Client:
    """The client of the running loop."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None or client.closed:
        for ended in [other for other in _clients if other.is_closed()]:
            del _clients[ended]
        client = _clients[loop] = Client()
    return client


_clients: dict[asyncio.AbstractEventLoop, Client] = {}


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for chunk in response.aiter_raw():
        yield chunk


def _http_client(policy: AddressPolicy, resolver: AbstractResolver | None) -> httpx.AsyncClient:
    tls = httpx.create_ssl_context(trust_env=False)
    return httpx.AsyncClient(
        # The transport calls this inside the loop, once.
        transport=AiohttpTransport(verify=tls, client=lambda: guarded_session(policy, resolver, tls), trust_env=False),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )
