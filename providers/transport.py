"""httpx over aiohttp: what carries a request to an upstream, and hands back a body that can be read cheaply."""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from io import BytesIO

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver

from providers.addresses import AddressPolicy, guarded_session

ANSWER = "aiohttp.ClientResponse"


def http_client(policy: AddressPolicy, resolver: AbstractResolver | None) -> httpx.AsyncClient:
    """A client that reaches only what the policy admits, follows nothing, keeps no cookie and asks no environment."""
    return httpx.AsyncClient(
        transport=Transport(policy, resolver),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def answer_of(response: httpx.Response) -> aiohttp.ClientResponse:
    """aiohttp's side of the response. Reading its content directly costs half of what httpx's iterators do."""
    answer: aiohttp.ClientResponse = response.extensions[ANSWER]
    return answer


class Transport(httpx.AsyncBaseTransport):
    """Sends with aiohttp, and raises aiohttp's own errors: they tell where a connection was lost."""

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver | None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # A session belongs to the loop that it is made in.
        self._session = self._session or guarded_session(self._policy, self._resolver, self._tls)
        answer = await self._session.request(
            request.method,
            str(request.url),
            headers=request.headers,
            # As a file, it is sent in pieces: megabytes at once would hold up the loop, and aiohttp warns of them.
            data=BytesIO(request.content) if request.content else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(connect=request.extensions["timeout"]["pool"]),
        )
        return httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer), extensions={ANSWER: answer}
        )

    async def aclose(self) -> None:
        if self._session:
            await self._session.close()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def aclose(self) -> None:
        """Give the connection back if the body was read to its end, and close it at once if not."""
        self._answer.release()
        await self._answer.wait_for_close()
