"""Errors without the key, whatever the upstream echoed of it."""

import base64
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
    """`text` without `key`, plain, URL-encoded or in base64, whole or cut anywhere after its beginning."""
    if not key or not text:
        return text
    spellings = {key, quote(key, safe=""), base64.b64encode(key.encode()).decode().rstrip("=")}
    beginnings = "|".join(re.escape(spelling[:TELLING]) for spelling in sorted(spellings, key=len, reverse=True))
    return re.sub(rf"(?:{beginnings})[^\s\"'<>,;)\]}}]*", REDACTED, text)
