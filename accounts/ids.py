"""Ids that may stand in an address: ordered by time, not to be guessed."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7. A function of ours, so that migrations do not name a library."""
    return uuid7()
