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
    """`text` without `key` in any spelling of `_spellings`: from its beginning on, and any telling piece of it."""
    if not key or not text:
        return text
    spellings = sorted(_spellings(key), key=len, reverse=True)
    beginnings = "|".join(re.escape(spelling[:TELLING]) for spelling in spellings)
    text = re.sub(rf"(?:{beginnings})[^\s\"'<>,;)\]}}]*", REDACTED, text)
    # What is left is a piece from the middle, as after somebody else's redaction of the beginning.
    pieces = {spelling[at : at + TELLING] for spelling in spellings for at in range(len(spelling) - TELLING + 1)}
    telling = [at for at in range(len(text)) if text[at : at + TELLING] in pieces]
    covered = {at + ahead for at in telling for ahead in range(TELLING)}
    shown = "".join("\0" if at in covered else character for at, character in enumerate(text))
    return re.sub("\0+", REDACTED, shown)


def _spellings(key: str) -> set[str]:
    """Plain, URL-encoded, as JSON and HTML escape it, and in base64, alone or as the header that it was sent in."""
    in_base64 = (base64.b64encode(text.encode()).decode().rstrip("=") for text in (key, f"Bearer {key}"))
    return {key, quote(key), quote(key, safe=""), key.replace("/", "\\/"), html.escape(key), *in_base64}
