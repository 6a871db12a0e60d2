"""What a call says about its key: taken out until somebody looks, left alone for a while, or well again.

The row decides for every process; two conditional UPDATEs of the same failure count as one.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from random import SystemRandom

from django.db.models import QuerySet
from django.utils import timezone

from providers.endpoints import Endpoint
from providers.errors import Busy, UpstreamError, UpstreamRejected
from providers.models import Deployment, Resting, UpstreamKey

State = UpstreamKey.State
_lots = SystemRandom()
# The provider refuses the key itself, or has no credit left for it (402, and Segmind's 406).
REFUSED, BROKE = {401}, {402, 406}
# A key without credit is asked again this often: nobody tells us that it was topped up.
BROKE_FOR = timedelta(hours=1)
ASKED_SECONDS, LONGEST_ASKED = 10.0, 3600.0
FAILED_SECONDS, LONGEST_FAILED = 2.0, 300.0


def note_failure(endpoint: Endpoint, error: UpstreamError) -> bool:
    """Let the key, or a deployment without one, rest as the failure asks for. False: nothing to note."""
    patience, status = endpoint.patience, error.upstream_status
    if patience is None or isinstance(error, Busy):
        return False
    if endpoint.key and status in REFUSED:
        return mark_key(key=endpoint.key, state=State.REFUSED, problem=error.message)
    if endpoint.key and status in BROKE:
        return mark_key(key=endpoint.key, state=State.BROKE, problem=error.message)
    if isinstance(error, UpstreamRejected) and status != 429:
        return False
    now = timezone.now()
    if status == 429 or error.retry_after:
        pause = min(max(error.retry_after or ASKED_SECONDS, 1.0), LONGEST_ASKED)
        return _rest(patience, Resting.Rest.ASKED, now + timedelta(seconds=pause), error.message)
    pause = min(FAILED_SECONDS * 2**patience.failures, LONGEST_FAILED) * _lots.uniform(0.8, 1)
    return _rest(patience, Resting.Rest.FAILED, now + timedelta(seconds=pause), error.message)


def _rest(patience: Resting, rest: Resting.Rest, until: datetime, problem: str) -> bool:
    return (
        _same(patience)
        .filter(failures=patience.failures)
        .update(rest=rest, resting_until=until, failures=patience.failures + 1, last_problem=problem[:300])
        > 0
    )


def has_news(endpoint: Endpoint, credits: Decimal | None) -> bool:
    """Whether a good answer changes anything: most do not, and write nothing."""
    key, patience = endpoint.key, endpoint.patience
    if patience is None:
        return False
    was_ill = patience.failures > 0 or (key is not None and key.state != State.GOOD)
    return was_ill or (key is not None and credits is not None and credits != key.credits)


def note_success(endpoint: Endpoint, credits: Decimal | None) -> None:
    """A good answer ends every pause; it says what is left on the key, where the provider tells."""
    if endpoint.key and credits is not None:
        _same_key(endpoint.key).update(credits=credits)
    if endpoint.patience:
        lift(endpoint.patience)


def lift(patience: Resting) -> bool:
    """End a pause now, and take a key back into use. False, and no change, if the row holds another key by now."""
    well = {"rest": "", "resting_until": None, "failures": 0, "last_problem": ""}
    if isinstance(patience, UpstreamKey):
        return _same_key(patience).update(**well, state=State.GOOD) > 0
    return _same(patience).update(**well) > 0


def mark_key(*, key: UpstreamKey, state: UpstreamKey.State, problem: str = "") -> bool:
    """Record what the provider says of a key. False, and no change, if the row holds another key by now."""
    if state == State.GOOD:
        return lift(key)
    until = timezone.now() + BROKE_FOR if state == State.BROKE else None
    rest = Resting.Rest.FAILED if until else ""
    return _same_key(key).update(state=state, rest=rest, resting_until=until, last_problem=problem[:300]) > 0


def _same(patience: Resting) -> "QuerySet[UpstreamKey] | QuerySet[Deployment]":
    if isinstance(patience, UpstreamKey):
        return _same_key(patience)
    return Deployment.objects.filter(pk=patience.pk)


def _same_key(key: UpstreamKey) -> "QuerySet[UpstreamKey]":
    """The row, if it still holds this very key."""
    return UpstreamKey.objects.filter(pk=key.pk, fingerprint=key.fingerprint)
