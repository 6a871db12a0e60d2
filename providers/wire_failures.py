"""What went wrong on the wire, and what it means for the request."""

from dataclasses import dataclass

import aiohttp
import httpx

from providers.addresses import shown_host
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnavailable

TRY_AGAIN = "Try again in a moment, or choose another model."
# Everything that httpx and aiohttp raise over a request.
ON_THE_WIRE = (aiohttp.ClientError, httpx.HTTPError, httpx.InvalidURL)


@dataclass(frozen=True, slots=True)
class Wording:
    """Errors about the place that was called, named only if it is public; times in seconds."""

    base_url: str
    connect_timeout: float

    @property
    def host(self) -> str:
        return shown_host(self.base_url)

    def too_late(self, seconds: float, *, begun: bool) -> UpstreamError:
        what = "went silent in the middle of its answer" if begun else "did not begin to answer"
        return UpstreamTimeout(f"{self.host} {what}: nothing came for {seconds:g} s. {TRY_AGAIN}")

    def too_much(self) -> UpstreamError:
        return UpstreamProtocolError(f"{self.host} sent more than any answer should be. {TRY_AGAIN}")

    def broke_off(self) -> UpstreamError:
        return UpstreamProtocolError(f"{self.host} broke off before the end of the answer. {TRY_AGAIN}")

    def failure(self, cause: BaseException, *, received: int) -> UpstreamError:
        """What `cause` means after so many bytes of the body."""
        host, excerpt = self.host, str(cause)
        match cause:
            case aiohttp.ConnectionTimeoutError():
                words = f"{host} could not be reached within {self.connect_timeout:g} s."
                return UpstreamTimeout(f"{words} {TRY_AGAIN}", sent=False)
            case aiohttp.ClientConnectorError():
                return UpstreamUnavailable(f"{host} cannot be reached. {TRY_AGAIN}", excerpt=excerpt, sent=False)
            case httpx.InvalidURL() | aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                message = "The address of this deployment cannot be called. An administrator has to look at it."
                return UpstreamUnavailable(message, excerpt=excerpt, sent=False)
            case aiohttp.ClientResponseError():
                return UpstreamProtocolError(f"{host} answered something that is not HTTP. {TRY_AGAIN}")
            case _ if received:
                return self.broke_off()
            case _:
                return UpstreamUnavailable(f"{host} closed the connection without an answer. {TRY_AGAIN}")
