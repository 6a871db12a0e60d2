"""How a key or a deployment stands, in words, with the end of its pause."""

from datetime import datetime
from math import ceil

from providers.models import Resting, UpstreamKey

State = UpstreamKey.State


def state_of(key: UpstreamKey, now: datetime) -> str:
    """Whether the key is in use, and if not, why and until when."""
    if key.state == State.BROKE:
        again = f"after {end_of(key, now)}" if key.is_resting(now) else "by the next request"
        return f"{key.get_state_display()}: asked again {again}"
    if key.state == State.REFUSED:
        return key.get_state_display()
    return rest_of(key, now) or key.get_state_display()


def rest_of(row: Resting, now: datetime) -> str:
    """Why it rests and until when; empty when it does not."""
    if not row.is_resting(now):
        return ""
    meanwhile = "left alone" if row.rest == Resting.Rest.ASKED else "tried last"
    return f"{row.get_rest_display()}: {meanwhile} until {end_of(row, now)}"


def end_of(row: Resting, now: datetime) -> str:
    """The end of its pause and how long that is from now."""
    if row.resting_until is None:
        return ""
    return f"{row.resting_until:%H:%M:%S} UTC ({remaining(row.resting_until, now)} more)"


def remaining(until: datetime, now: datetime) -> str:
    """How long it is until then, rounded up to what people count in."""
    seconds = max(0, ceil((until - now).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = ceil(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{ceil(minutes / 60)} h"
