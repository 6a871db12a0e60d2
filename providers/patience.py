"""What a call says about its key: taken out until somebody looks, left alone for a while, or well again.

The row decides for every process. A note is one conditional UPDATE, so that many requests that fail together count as
one failure, and none of them undoes what was learnt after it began.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from random import SystemRandom
from typing import Any, TypeAlias

from django.db.models import QuerySet
from django.utils import timezone

from providers.endpoints import Endpoint
from providers.errors import Busy, UpstreamError, UpstreamRejected
from providers.models import Deployment, Resting, UpstreamKey

Rows: TypeAlias = "QuerySet[UpstreamKey] | QuerySet[Deployment]"
State = UpstreamKey.State
_lots = SystemRandom()
# The provider refuses the key itself, or has no credit left for it (402, and Segmind's 406).
REFUSED, BROKE = {401}, {402, 406}
# A key without credit is asked again this often: nobody tells us that it was topped up.
BROKE_FOR = timedelta(hours=1)
ASKED_SECONDS, SHORTEST_ASKED, LONGEST_ASKED = 10.0, 1.0, 3600.0
FAILED_SECONDS, LONGEST_FAILED, MOST_DOUBLINGS = 2.0, 300.0, 8
CREDIT_PLACES = 6  # as the row keeps them


def note_failure(endpoint: Endpoint, error: UpstreamError) -> bool:
    """Let the key, or a deployment without one, rest as the failure asks for. False: nothing to note."""
    patience, key, status = endpoint.patience, endpoint.key, error.upstream_status
    if patience is None or isinstance(error, Busy):
        return False
    if key and error.credits is not None:
        _same_key(key).update(credits=error.credits)
    if key and status in REFUSED:
        return mark_key(key=key, state=State.REFUSED, problem=error.message)
    if key and status in BROKE:
        # A later answer of the same minute may have refused the key itself, which weighs more.
        return _mark(_same_key(key).exclude(state=State.REFUSED), State.BROKE, error.message)
    if status == 429:
        return _rest_as_asked(patience, error)
    if isinstance(error, UpstreamRejected):
        return False
    return _rest_after_failure(patience, error)


def _rest_as_asked(patience: Resting, error: UpstreamError) -> bool:
    """The provider's own word: it replaces every other rest, and the longest of several holds."""
    wish = ASKED_SECONDS if error.retry_after is None else error.retry_after
    until = timezone.now() + timedelta(seconds=min(max(wish, SHORTEST_ASKED), LONGEST_ASKED))
    rows = _in_use(patience).exclude(rest=Resting.Rest.ASKED, resting_until__gte=until)
    return _rest(rows, Resting.Rest.ASKED, until, patience.failures, error)


def _rest_after_failure(patience: Resting, error: UpstreamError) -> bool:
    """Twice as long each time. What failed while it rested, or was counted by another request, adds nothing."""
    now = timezone.now()
    grown = FAILED_SECONDS * 2 ** min(patience.failures, MOST_DOUBLINGS) * _lots.uniform(0.8, 1)
    seconds = min(max(grown, error.retry_after or 0), LONGEST_FAILED)
    rows = _in_use(patience).filter(failures=patience.failures).exclude(resting_until__gt=now)
    return _rest(rows, Resting.Rest.FAILED, now + timedelta(seconds=seconds), patience.failures + 1, error)


def _rest(
    rows: Rows,
    rest: Resting.Rest,
    until: datetime,
    failures: int,
    error: UpstreamError,
) -> bool:
    return rows.update(rest=rest, resting_until=until, failures=failures, last_problem=error.message[:300]) > 0


def has_news(endpoint: Endpoint, credits: Decimal | None) -> bool:
    """Whether a good answer changes anything: most do not, and write nothing."""
    key, patience = endpoint.key, endpoint.patience
    if patience is None:
        return False
    was_ill = patience.failures > 0 or patience.rest != "" or (key is not None and key.state != State.GOOD)
    told = key is not None and credits is not None and round(credits, CREDIT_PLACES) != key.credits
    return was_ill or told


def note_success(endpoint: Endpoint, credits: Decimal | None) -> None:
    """A good answer ends the pause that it was asked in; it says what is left on the key, where the provider tells.

    What was learnt since this request began stays: an answer that took a minute says nothing of a key that was refused
    meanwhile.
    """
    patience = endpoint.patience
    if endpoint.key and credits is not None:
        _same_key(endpoint.key).update(credits=credits)
    if patience is None:
        return
    as_it_was = {"failures": patience.failures, "resting_until": patience.resting_until}
    if isinstance(patience, UpstreamKey):
        _mark(_same_key(patience).filter(**as_it_was, state=patience.state), State.GOOD)
    else:
        _same(patience).filter(**as_it_was).update(**_rested())


def take_chance(key: UpstreamKey) -> bool:
    """Whether a key without credit may be asked now: at the end of its pause, by one request alone."""
    now = timezone.now()
    due = _same_key(key).filter(state=State.BROKE).exclude(resting_until__gt=now)
    taken = due.update(rest=Resting.Rest.FAILED, resting_until=now + BROKE_FOR) > 0
    if taken:
        key.rest, key.resting_until = Resting.Rest.FAILED, now + BROKE_FOR
    return taken


def lift(patience: Resting) -> bool:
    """End a pause now, and take a key back into use. False, and no change, if the row holds another key by now."""
    if isinstance(patience, UpstreamKey):
        return _mark(_same_key(patience), State.GOOD)
    return _same(patience).update(**_rested()) > 0


def mark_key(*, key: UpstreamKey, state: UpstreamKey.State, problem: str = "") -> bool:
    """Record what the provider says of a key. False, and no change, if the row holds another key by now."""
    return _mark(_same_key(key), state, problem)


def _mark(rows: "QuerySet[UpstreamKey]", state: UpstreamKey.State, problem: str = "") -> bool:
    if state == State.GOOD:
        return rows.update(**_rested(), state=state) > 0
    until = timezone.now() + BROKE_FOR if state == State.BROKE else None
    rest = Resting.Rest.FAILED if until else ""
    return rows.update(state=state, rest=rest, resting_until=until, last_problem=problem[:300]) > 0


def _rested() -> dict[str, Any]:
    return {"rest": "", "resting_until": None, "failures": 0, "last_problem": ""}


def _same(patience: Resting) -> Rows:
    if isinstance(patience, UpstreamKey):
        return _same_key(patience)
    return Deployment.objects.filter(pk=patience.pk)


def _same_key(key: UpstreamKey) -> "QuerySet[UpstreamKey]":
    """The row, if it still holds this very key."""
    return UpstreamKey.objects.filter(pk=key.pk, fingerprint=key.fingerprint)


def _in_use(patience: Resting) -> Rows:
    """The same, unless the key was taken out meanwhile: then how long it rests is no question."""
    if isinstance(patience, UpstreamKey):
        return _same_key(patience).filter(state=State.GOOD)
    return _same(patience)
