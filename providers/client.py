"""The only outbound HTTP: the events of an answer, or a sign of life."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from urllib.parse import urljoin

from aiohttp.abc import AbstractResolver

from providers import dialects
from providers.addresses import AddressPolicy, policy_from_settings
from providers.call import Call, Target
from providers.dialects import openai
from providers.errors import Busy, UpstreamError
from providers.exchange import Exchange, checked_key
from providers.redaction import redacted
from providers.transport import http_client
from providers.types import ChatRequest, Received

__all__ = ["Client", "Target", "get_client"]

MAX_CONNECTIONS = 512
PROBE_TIMEOUT = 5.0


class Client:
    """A pool of connections to upstreams, for one event loop."""

    def __init__(
        self,
        policy: AddressPolicy | None = None,
        resolver: AbstractResolver | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._http = http_client(policy or policy_from_settings(), resolver)
        self._free = self._size = max_connections
        self.closed = False

    async def stream(self, target: Target, request: ChatRequest) -> AsyncGenerator[Received, None]:
        """The events of the answer as they come, with a Finished, or an UpstreamError.

        Closing or cancelling it closes the connection at once. Raises InvalidRequest for what the dialect cannot say.
        """
        call = Call(self._http, target, request)
        try:
            with self._connection():
                async with aclosing(call):
                    await call.open()
                    while (events := await call.more()) is not None:
                        for event in events:
                            yield event
                return
        except UpstreamError as error:
            problem = redacted(error, target.key)
        problem.credits = call.credits
        # Outside the handler, where the error would carry the first one along, and with it headers and frames.
        raise problem

    async def probe(self, target: Target) -> float:
        """Seconds until a sign of life, at most 5, without asking the model anything. Raises UpstreamErrors.

        Chat Completions list their models for whoever has the key, so there every refusal is an error. The other
        dialects have nothing that is free: the key stays here, and any answer below 500 from their host is life.
        """
        try:
            with self._connection():
                return await self._probe(target)
        except UpstreamError as error:
            problem = redacted(error, target.key)
        raise problem

    async def aclose(self) -> None:
        self.closed = True
        await self._http.aclose()

    async def _probe(self, target: Target) -> float:
        dialect = dialects.get(target.dialect)
        with_key = target.dialect == openai.NAME
        url = f"{target.base_url.rstrip('/')}/models" if with_key else urljoin(target.base_url, "/")
        headers = {**target.headers, **dialect.headers(checked_key(target.key))} if with_key else {}
        connect = min(target.connect_timeout, PROBE_TIMEOUT)
        exchange = Exchange(self._http, target.base_url, connect_timeout=connect, seconds=PROBE_TIMEOUT)
        async with aclosing(exchange):
            began = time.monotonic()
            response = await exchange.send("GET", url, {**headers, "Accept-Encoding": "identity"})
            seconds = time.monotonic() - began
            if response.status_code >= 500 or (with_key and response.status_code != 200):
                raise await exchange.refusal(response, dialect)
            await exchange.glance()
        return seconds

    @contextmanager
    def _connection(self) -> Iterator[None]:
        if self._free <= 0:
            raise Busy(f"All {self._size} connections to providers are in use. Try again in a moment.", sent=False)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


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
