"""What can go wrong on the way to a model and back, one class each, with the HTTP status a caller gets."""

from decimal import Decimal


class ChatsiteError(Exception):
    """An error for a person: `message` says what happened, what it means and what to do next.

    `message` never holds a key, a header, an internal address or a traceback. `status` is the HTTP status of the
    OpenAI-style faces, `code` the machine-readable reason, `param` the dotted path of the field at fault, if any.
    """

    status = 500
    code = "internal"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code


class InvalidRequest(ChatsiteError):
    """A bad body, a wrong type, a value out of range, or a parameter the serving model cannot honour."""

    status = 400
    code = "invalid_request"


class ModelNotFound(ChatsiteError):
    status = 404
    code = "model_not_found"


class UpstreamError(ChatsiteError):
    """The upstream did not give a whole answer. `excerpt` (≤ 500 characters, key-free) is for the admin only.

    `sent` is False only when it is certain that the upstream never saw the request, so that a retry cannot bill twice.
    `upstream_status` is the HTTP status the upstream answered, if it answered; `retry_after` its wish, in seconds;
    `credits` what it said is left on the key.
    """

    status = 502
    code = "upstream_error"

    def __init__(
        self,
        message: str,
        *,
        excerpt: str = "",
        upstream_status: int | None = None,
        retry_after: float | None = None,
        sent: bool = True,
        credits: Decimal | None = None,
    ) -> None:
        super().__init__(message)
        self.excerpt = excerpt[:500]
        self.upstream_status = upstream_status
        self.retry_after = retry_after
        self.sent = sent
        self.credits = credits


class UpstreamRejected(UpstreamError):
    """The upstream answered that this request or this key is not good: 4xx other than 429."""

    status = 502
    code = "upstream_rejected"


class UpstreamUnavailable(UpstreamError):
    """The upstream cannot serve now: refused connection, 429, 5xx, or no usable key or deployment."""

    status = 503
    code = "upstream_unavailable"


class Busy(UpstreamUnavailable):
    """All of our own connections are in use: nobody's key or host is to blame."""

    code = "busy"


class UpstreamTimeout(UpstreamError):
    """The upstream did not connect, begin or go on in the time allowed."""

    status = 504
    code = "upstream_timeout"


class UpstreamProtocolError(UpstreamError):
    """The upstream answered something that is not its documented format, or ended before the end."""

    status = 502
    code = "upstream_protocol_error"
