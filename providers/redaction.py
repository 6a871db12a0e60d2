"""Errors without the key, whatever the upstream echoed of it."""

import base64
import html
import re
from urllib.parse import quote

from providers.errors import UpstreamError

REDACTED = "[redacted]"
# A beginning this long gives a key away; shorter ones, such as "sk-proj-", stand in documentation.
TELLING = 10


def redacted(error: UpstreamError, key: str) -> UpstreamError:
    """The same error anew: without `key` in its texts, and without the causes and frames that may hold it."""
    fresh = type(error)(
        without_key(error.message, key),
        excerpt=without_key(error.excerpt, key),
        upstream_status=error.upstream_status,
        retry_after=error.retry_after,
        sent=error.sent,
        credits=error.credits,
    )
    fresh.code = error.code
    return fresh


def without_key(text: str, key: str) -> str:
    """`text` without `key` in any spelling of `_spellings`, whole or cut anywhere after its beginning."""
    if not key or not text:
        return text
    beginnings = "|".join(re.escape(spelling[:TELLING]) for spelling in sorted(_spellings(key), key=len, reverse=True))
    return re.sub(rf"(?:{beginnings})[^\s\"'<>,;)\]}}]*", REDACTED, text)


def _spellings(key: str) -> set[str]:
    """Plain, URL-encoded, as JSON and HTML escape it, and in base64, alone or as the header that it was sent in."""
    in_base64 = (base64.b64encode(text.encode()).decode().rstrip("=") for text in (key, f"Bearer {key}"))
    return {key, quote(key), quote(key, safe=""), key.replace("/", "\\/"), html.escape(key), *in_base64}
