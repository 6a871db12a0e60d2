"""Errors both ways: what an upstream's refusal means to us, and what ours look like on a face."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from providers.errors import (
    ChatsiteError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamUnavailable,
)

EXCERPT_LIMIT = 500
LONGEST_WAIT = 86_400.0

# What looks like a key: named as one, prefixed as one, or a long run of letters and digits mixed as no word is.
SECRETS = re.compile(
    r"""
    (?i:api[-_ ]?key|secret|authorization|password|token)(?:\ provided)?["']?\s*[:=]\s*["']?
        (?:(?i:bearer|basic)\s+)?[^\s"',;<]{6,}
  | (?i:bearer|basic)\s+[^\s"',;<]{6,}
  | \beyJ[\w-]+(?:\.[\w-]+)*
  | \b(?:sk|pk|rk|ak|gsk|csk|hf|xai|nvapi|key|api|SG|r8)[-_][\w*.-]{6,}
  | [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}
  | (?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])[A-Za-z0-9*]{16,}
  | [A-Za-z0-9*+/_-]{40,}
  | (?<=://)[^\s/@]+@
    """,
    re.VERBOSE,
)
REFUSALS = re.compile(
    r"invalid|auth|permission|not_?found|quota|context_length|credit|billing|balance|policy|bad_?request", re.I
)

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_credits_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
# How errors are called where no status can be had: in the middle of a stream.
STATUSES = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_credits_error": 402,
    "insufficient_credits": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 529,
}
ADVICE = {
    401: "The provider does not accept the key of this site. An administrator has to look at it.",
    402: "The account of this site at the provider is out of credit. An administrator has to top it up.",
    403: "The provider does not allow the key of this site to do that. An administrator has to look at it.",
    404: "The provider does not know this model or address. An administrator has to look at the deployment.",
    405: "The provider does not take this kind of request at this address. An administrator has to look at it.",
    408: "The provider waited too long for the request. Try again in a moment.",
    409: "The provider was busy with the same request. Try again in a moment.",
    406: "The account of this site at the provider is out of credit. An administrator has to top it up.",
    413: "The provider refused the request as too large. Shorten the conversation and try again.",
    429: "The provider is taking no more requests at the moment. Wait a little and try again.",
}


def excerpt_of(content: object) -> str:
    """A short piece of what the upstream said, without anything that looks like a key."""
    if isinstance(content, bytes):
        text = content[:4000].decode("utf-8", "replace")
    else:
        text = content[:4000] if isinstance(content, str) else json.dumps(content, ensure_ascii=False)[:4000]
    printable = "".join(char if char.isprintable() else " " for char in text)
    return SECRETS.sub("[redacted]", printable)[:EXCERPT_LIMIT]


def protocol_error(message: str, content: object) -> UpstreamProtocolError:
    return UpstreamProtocolError(message, excerpt=excerpt_of(content))


def decode_error(status: int, body: bytes, retry_after: str | None) -> UpstreamError:
    """What a status other than 200 means. The excerpt is the upstream's text, the message never is."""
    return _failure(status, excerpt_of(body), _seconds(retry_after))


def error_inside(payload: Mapping[str, Any]) -> UpstreamError | None:
    """The error that an upstream put into an answer whose status was 200, if it did."""
    error = payload.get("error") or (payload if payload.get("object") == "error" else None)
    if not error:
        return None
    details = error if isinstance(error, Mapping) else {}
    status = _status_in(details)
    if status:
        return _failure(status, excerpt_of(error), None)
    refused = REFUSALS.search(f"{details.get('type')} {details.get('code')}")
    failure, message = (UpstreamRejected, _advice(400)) if refused else (UpstreamUnavailable, _advice(500))
    return failure(message, excerpt=excerpt_of(error))


def encode_error(error: ChatsiteError, request_id: str) -> tuple[int, dict[str, Any]]:
    """The status and body of an error on a face."""
    kind = KINDS.get(error.status, "server_error")
    body = {"message": error.message, "type": kind, "param": error.param, "code": error.code, "request_id": request_id}
    return error.status, {"error": body}


def _failure(status: int, excerpt: str, wait: float | None) -> UpstreamError:
    failure = UpstreamUnavailable if status == 429 or status >= 500 else UpstreamRejected
    return failure(_advice(status), excerpt=excerpt, upstream_status=status, retry_after=wait)


def _advice(status: int) -> str:
    if status >= 500:
        return "The provider had a failure of its own. Try again in a moment."
    return ADVICE.get(status, "The provider refused this request. Change it, or choose another model.")


def _status_in(error: Mapping[str, Any]) -> int | None:
    for name in ("status", "status_code", "code"):
        value = str(error.get(name))
        if re.fullmatch("[45][0-9][0-9]", value):
            return int(value)
    named = (STATUSES.get(str(error.get(name))) for name in ("type", "code"))
    return next((status for status in named if status), None)


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` as seconds from now: it is a number or an HTTP date. Nonsense is None."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else None
