"""One HTTP request to an upstream and the reading of its response, against a deadline."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress

import aiohttp
import httpx

from providers.dialects import Dialect
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamUnavailable
from providers.transport import answer_of
from providers.watchdog import Watchdog
from providers.wire_failures import ON_THE_WIRE, Wording

ERROR_BODY_LIMIT = 64 * 1024
STREAM_LIMIT = 64 * 1024 * 1024
# As Python, JavaScript, Java and Go print it, also inside a JSON text.
STACK = re.compile(rb"Traceback \(most recent call last\)|(?:\n|\\n)(?:\s|\\t)+at .+[(:]|goroutine \d+ \[")


class Exchange:
    """Raises UpstreamErrors only. Close it in every case; what has not been read to its end loses its connection.

    `seconds` is the time allowed for each wait: `allow` changes it, and begins it anew. `begun` says whether an answer
    is under way, which decides what a silence is called.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str, *, connect_timeout: float, seconds: float) -> None:
        self._http = http
        self._connect_timeout = connect_timeout
        self._seconds = seconds
        self._response: httpx.Response | None = None
        self._content: aiohttp.StreamReader
        self._watchdog = Watchdog(seconds, self._cut)
        self.words = Wording(base_url, connect_timeout)
        self.received = 0
        self.begun = False

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> httpx.Response:
        """The response, with nothing of its body read."""
        try:
            request = self._http.build_request(
                method,
                url,
                headers=headers,
                content=content,
                # `pool` is the time to get a connection: name, socket and TLS together.
                timeout=httpx.Timeout(None, pool=self._connect_timeout),
            )
            if request.url.userinfo:
                raise httpx.InvalidURL("A user name or password in the address would take the place of the key.")
            async with asyncio.timeout_at(self._watchdog.deadline):
                self._response = await self._http.send(request, stream=True)
        except ON_THE_WIRE as error:
            problem = self.words.failure(error, received=0)
        except TimeoutError:
            problem = self._too_late()
        else:
            self._content = answer_of(self._response).content
            return self._response
        raise problem

    def allow(self, seconds: float) -> None:
        self._seconds = seconds
        self._watchdog.move(seconds)

    async def read(self, limit: int) -> bytes:
        """The next bytes, none at the end. Raises at the deadline, and past `limit` in all."""
        self._watchdog.watch()
        try:
            chunk = await self._content.readany()
        except ON_THE_WIRE as error:
            late = self._watchdog.bitten
            problem = self._too_late() if late else self.words.failure(error, received=self.received)
        else:
            self.received += len(chunk)
            if self.received <= limit:
                return chunk
            problem = self.words.too_much()
        finally:
            self._watchdog.rest()
        raise problem

    async def refusal(self, response: httpx.Response, dialect: Dialect) -> UpstreamError:
        """What a status that is no answer means."""
        if response.status_code < 400:
            return UpstreamProtocolError(
                f"{self.words.host} sent the request elsewhere or gave no answer (status {response.status_code}). "
                "An administrator has to look at the address of the deployment.",
                upstream_status=response.status_code,
            )
        body = _for_admins(await self.glance())
        return dialect.decode_error(response.status_code, body, response.headers.get("retry-after"))

    async def glance(self) -> bytes:
        """The beginning of the body, as far as it comes in the time allowed. Raises nothing."""
        body = bytearray()
        with suppress(UpstreamError):  # the status says enough if the body does not come
            while len(body) < ERROR_BODY_LIMIT and (chunk := await self.read(STREAM_LIMIT)):
                body += chunk
        return bytes(body[:ERROR_BODY_LIMIT])

    async def aclose(self) -> None:
        self._watchdog.stop()
        if self._response:
            await self._response.aclose()

    def _cut(self) -> None:
        """Close the connection under whoever is reading."""
        if self._response:
            answer_of(self._response).close()

    def _too_late(self) -> UpstreamError:
        return self.words.too_late(self._seconds, begun=self.begun)


def checked_key(key: str) -> str:
    """`key`, if it can stand in a header. Raises UpstreamUnavailable."""
    if not (key.isascii() and key.isprintable()):
        raise UpstreamUnavailable("The saved key holds characters that cannot be sent. Save it again.", sent=False)
    return key


def _for_admins(body: bytes) -> bytes:
    """An error's body, or what it was if it is a web page or a program's stack: neither explains, both give away."""
    if body.lstrip()[:1] == b"<":
        return b"(a web page)"
    return b"(a program's stack trace)" if STACK.search(body) else body
