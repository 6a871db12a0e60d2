"""Upstream keys at rest: AES-256-GCM, bound to their row, their owner and the host they were saved for."""

import base64
import binascii
import os
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from providers.errors import UpstreamUnavailable
from providers.models import Deployment, UpstreamKey

KEY_BYTES = 32
NONCE_BYTES = 12
HOW_TO_MAKE_ONE = "32 random bytes in base64, as `openssl rand -base64 32` writes them"


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """One of ENCRYPTION_KEYS; `id` is the start of its hash and says which one a row needs."""

    id: str
    cipher: AESGCM


def encryption_keys() -> list[EncryptionKey]:
    """The operator's keys in order: the first encrypts, all decrypt. Raises ImproperlyConfigured in words."""
    if not settings.ENCRYPTION_KEYS:
        raise ImproperlyConfigured(f"ENCRYPTION_KEYS is empty: set it to {HOW_TO_MAKE_ONE}.")
    return [_read(text, place) for place, text in enumerate(settings.ENCRYPTION_KEYS, 1)]


def host_of(deployment: Deployment) -> str:
    """Where a key of this deployment may go: its host, with the port unless that is the one of https."""
    parts = urlsplit(deployment.base_url.lower())
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return (
        f"{parts.hostname}" if (parts.scheme, port) == ("https", 443) else f"{parts.scheme}://{parts.hostname}:{port}"
    )


def seal(key: UpstreamKey, plain: str) -> None:
    """Put `plain` into the row, unsaved, as ciphertext that no other row, owner or host can open."""
    newest = encryption_keys()[0]
    nonce = os.urandom(NONCE_BYTES)
    key.ciphertext = nonce + newest.cipher.encrypt(nonce, plain.encode(), _bound_to(key))
    key.encrypted_with = newest.id


def open_key(key: UpstreamKey, deployment: Deployment | None = None) -> str:
    """The key in clear. Raises UpstreamUnavailable if the row or its host has changed since it was saved.

    `deployment` is the row whose address is about to be called: it may have been read at another moment than the key's.
    """
    if key.host != host_of(deployment or key.deployment):
        raise UpstreamUnavailable(
            "The saved key belongs to another address than this model is served at now. Save the key again.", sent=False
        )
    return _decrypt(key)


def reseal(key: UpstreamKey) -> bool:
    """Put the same secret into the row, unsaved, under the newest encryption key. False: it is under that already."""
    if key.encrypted_with == encryption_keys()[0].id:
        return False
    seal(key, _decrypt(key))
    return True


def _decrypt(key: UpstreamKey) -> str:
    sealed = bytes(key.ciphertext)
    cipher = _cipher(key.encrypted_with)
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(key)).decode()
    except (InvalidTag, ValueError):
        raise UpstreamUnavailable("The saved key cannot be read any more. Save the key again.", sent=False) from None


def _bound_to(key: UpstreamKey) -> bytes:
    return f"{key.pk}|{key.owner_id or 'team'}|{key.host}".encode()


def _cipher(key_id: str) -> AESGCM:
    for known in encryption_keys():
        if known.id == key_id:
            return known.cipher
    raise ImproperlyConfigured(
        f"Upstream keys were encrypted with the key {key_id}, which is not in ENCRYPTION_KEYS any more: "
        "put it back, after the newer ones, or save those upstream keys again."
    )


def _read(text: str, place: int) -> EncryptionKey:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ImproperlyConfigured(f"Entry {place} of ENCRYPTION_KEYS is malformed: it must be {HOW_TO_MAKE_ONE}.")
    return EncryptionKey(sha256(raw).hexdigest()[:8], AESGCM(raw))
