"""Every change to upstream keys."""

import re
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.ids import new_id
from accounts.models import User
from providers import vault
from providers.errors import InvalidRequest
from providers.models import Deployment, UpstreamKey

LONGEST_KEY = 500
# Under this length, four characters would be a good part of the secret.
SHOWN_FROM = 12


def save_key(*, deployment: Deployment, plain: str, owner: User | None = None) -> UpstreamKey:
    """Keep a key for the deployment's host: a member's only one, or one more of the team's.

    A member's new key takes the old one's place; a team key saved again is renewed. Raises InvalidRequest.
    """
    plain = _checked(plain)
    fingerprint = salted_hmac("providers.upstream_key", plain, algorithm="sha256").hexdigest()[:12]
    same = {"deployment": deployment, "owner": owner} | ({} if owner else {"fingerprint": fingerprint})
    try:
        return _write(same, fingerprint, plain)
    except IntegrityError:  # saved by someone else just now
        return _write(same, fingerprint, plain)


@transaction.atomic
def _write(same: dict[str, Any], fingerprint: str, plain: str) -> UpstreamKey:
    key = UpstreamKey.objects.select_for_update().filter(**same).first()
    is_new = key is None
    key = key or UpstreamKey(id=new_id(), **same)
    key.host = vault.host_of(same["deployment"])
    key.fingerprint = fingerprint
    key.last_four = plain[-4:] if len(plain) >= SHOWN_FROM else ""
    key.state, key.credits = UpstreamKey.State.GOOD, None
    key.resting_until, key.rest, key.failures, key.last_problem = None, "", 0, ""
    key.created = timezone.now()
    vault.seal(key, plain)
    key.save(force_insert=is_new, force_update=not is_new)
    return key


def rotate_keys() -> int:
    """Bring every saved key under the newest encryption key; how many were brought.

    Each row is its own transaction and readable at every moment, so that this can be interrupted and run again.
    """
    return sum(_rotate(pk) for pk in UpstreamKey.objects.values_list("pk", flat=True))


@transaction.atomic
def _rotate(pk: UUID) -> bool:
    key = UpstreamKey.objects.select_for_update().filter(pk=pk).first()
    if key is None or not vault.reseal(key):
        return False
    key.save(update_fields=["ciphertext", "encrypted_with"])
    return True


def remove_key(*, key: UpstreamKey) -> bool:
    """Forget a key. False if it was gone already."""
    return UpstreamKey.objects.filter(pk=key.pk).delete()[0] > 0


def _checked(plain: str) -> str:
    plain = plain.strip()
    if not plain:
        raise _refused("The key is empty. Paste the whole key.")
    if len(plain) > LONGEST_KEY:
        raise _refused(f"The key is longer than {LONGEST_KEY} characters. Paste the key alone.")
    if not re.fullmatch(r"[\x21-\x7e]+", plain):
        raise _refused("The key holds a space or a character that no key has. Paste the key alone.")
    if "***" in plain:
        raise _refused("This is a key with its middle hidden. Paste the whole key.")
    return plain


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="key")
