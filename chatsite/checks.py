"""System checks of the settings: what is wrong, and what to write instead, in one sentence each."""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from accounts import fail_points
from billing.money import to_nano

TAG = "settings"
SHORTEST_SECRET = 32
NEW_SECRET = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'  # noqa: S105 - a command
NEW_KEY = 'python -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"'


@register(TAG)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Everything that is wrong with the settings."""
    return [
        *_secret_key(),
        *_encryption_keys(),
        *_starting_credits(),
        *_private_upstreams(),
        *_site_url(),
        *_fail_points(),
    ]


def _secret_key() -> Iterator[CheckMessage]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django's answer to an empty one
        yield Error(f"SECRET_KEY is not set: set it to the output of {NEW_SECRET}.", id="chatsite.E001")
        return
    if len(key) < SHORTEST_SECRET:
        yield Error(
            f"SECRET_KEY has {len(key)} characters and needs at least {SHORTEST_SECRET}: "
            f"set it to the output of {NEW_SECRET}.",
            id="chatsite.E002",
        )
    if key in settings.ENCRYPTION_KEYS:
        yield Error(
            "SECRET_KEY is also one of ENCRYPTION_KEYS: set it to a value of its own, "
            "so that who learns one has not learnt the other.",
            id="chatsite.E003",
        )


def _encryption_keys() -> Iterator[CheckMessage]:
    if not settings.ENCRYPTION_KEYS:
        yield Error(f"ENCRYPTION_KEYS is not set: set it to the output of {NEW_KEY}.", id="chatsite.E004")
    for number, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        if not _is_key(key):
            yield Error(
                f"ENCRYPTION_KEYS: number {number} is not 32 bytes in base64: make one with {NEW_KEY}.",
                id="chatsite.E005",
            )


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text.strip(), validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def _starting_credits() -> Iterator[CheckMessage]:
    try:
        good = to_nano(settings.STARTING_CREDITS) >= 0
    except ValueError:
        good = False
    if not good:
        yield Error(
            f"STARTING_CREDITS is {settings.STARTING_CREDITS!r}: write a number of credits, such as 10 or 0.",
            id="chatsite.E006",
        )


def _private_upstreams() -> Iterator[CheckMessage]:
    for entry in settings.PRIVATE_UPSTREAMS:
        if not _is_place(entry):
            yield Error(
                f"PRIVATE_UPSTREAMS holds {entry!r}: write host:port, such as 10.0.0.5:8080.", id="chatsite.E007"
            )


def _is_place(entry: str) -> bool:
    parts = urlsplit(f"//{entry.strip()}")
    try:
        return bool(parts.hostname and parts.port) and parts.netloc == entry.strip() and "@" not in entry
    except ValueError:
        return False


def _site_url() -> Iterator[CheckMessage]:
    parts = urlsplit(settings.SITE_URL)
    if _is_loopback(parts.hostname or ""):
        return
    if settings.DEBUG:
        yield Error(
            f"DEBUG is on and SITE_URL is {settings.SITE_URL}: its error pages show the settings to everybody; "
            "unset DEBUG, or use a loopback address.",
            id="chatsite.E008",
        )
    if parts.scheme == "http":
        yield Warning(
            f"SITE_URL is {settings.SITE_URL}: over http, passwords and chats can be read on their way; "
            "put a proxy with a certificate in front and write https.",
            id="chatsite.W001",
        )


def _fail_points() -> Iterator[CheckMessage]:
    wanted, allowed = fail_points.WANTED, fail_points.ALLOWED
    if not wanted and not allowed:
        return
    if not (wanted and allowed and _is_loopback(urlsplit(settings.SITE_URL).hostname or "")):
        yield Error(
            "FAIL_POINT and FAIL_POINTS_ALLOWED let a test kill this site, and only on a loopback address: unset both.",
            id="chatsite.E009",
        )
    elif wanted not in fail_points.POINTS:
        yield Error(
            f"FAIL_POINT is {wanted!r}: write one of {', '.join(fail_points.POINTS)}, or unset it.",
            id="chatsite.E010",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
