"""How deployments are doing, from their recent calls and probes. Reading it never waits for anybody."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, TextChoices, Window
from django.db.models.functions import RowNumber, TruncMinute
from django.utils import timezone

from providers.endpoints import Endpoint
from providers.models import Deployment, Observation

WINDOW = timedelta(minutes=15)
KEPT = timedelta(days=1)
MOST_READ = 100  # of one deployment: enough for a p95, and a bounded page
IN_A_ROW = 3
DEGRADED_FROM = 0.1
# Pages are asked for more often than health changes.
CACHED_SECONDS = 5.0
STEP, STEPS = timedelta(minutes=2), 30  # of the drawing of the last hour
SAMPLE = 50  # of one minute: enough for a median
# Said of the request and not of the backend: too long, malformed, not to be honoured.
NOT_ITS_FAULT = {"invalid_request", "busy", "stopped", "internal"}
REFUSALS_OF_A_REQUEST = {400, 409, 413, 422}
# Said of the key: a member's own says nothing of the backend that others use.
ABOUT_THE_KEY = {401, 402, 403, 406, 429}


class Status(TextChoices):
    ONLINE = "online", "Backend online"
    DEGRADED = "degraded", "Backend degraded"
    OFFLINE = "offline", "Backend offline"
    UNKNOWN = "unknown", "Not checked yet"


@dataclass(frozen=True, slots=True)
class Health:
    """One deployment's last 15 minutes, at most its newest 100 observations.

    Latencies in milliseconds to the first token, of calls that went well; `error_rate` of calls, from 0 to 1.
    """

    status: Status = Status.UNKNOWN
    p50_ms: int | None = None
    p95_ms: int | None = None
    calls: int = 0
    error_rate: float = 0.0
    last_error: str = ""
    last_error_at: datetime | None = None
    checked_at: datetime | None = None
    note: str = ""  # what the status does not say by itself, in words

    @property
    def first_token(self) -> str:
        """The usual time to the first token as people read it, such as 0.6 s; empty without a call."""
        return _in_seconds(self.p50_ms)

    @property
    def slow_first_token(self) -> str:
        """What 95 of 100 calls do not exceed."""
        return _in_seconds(self.p95_ms)


@dataclass(frozen=True, slots=True)
class Minute:
    """Two minutes of the last hour: calls and probes that went well and that failed, median ms to the first token."""

    at: datetime
    ok: int = 0
    failed: int = 0
    median_ms: int | None = None

    @property
    def first_token(self) -> str:
        return _in_seconds(self.median_ms)


def _in_seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{max(milliseconds, 100) / 1000:.1f} s"


NOT_CHECKED = Health()
ONLY_THE_FIRST = "Its first provider does not answer just now; the next one answers instead."
_cached: dict[UUID, tuple[float, Health]] = {}
_hours: dict[UUID, tuple[float, list[Minute]]] = {}


def observe(attempts: Iterable[Mapping[str, Any]]) -> None:
    """Keep how the attempts of one request went. One statement, or none when they say nothing of a backend."""
    Observation.objects.bulk_create(
        Observation(
            deployment_id=UUID(attempt["deployment"]),
            ok=(ok := attempt["result"] in ("ok", "stopped")),
            latency_ms=attempt["first_token_ms"],
            # A settlement must not fail for want of words.
            problem="" if ok else attempt["problem"] or attempt["result"],
        )
        for attempt in attempts
        if _tells(attempt)
    )


def _tells(attempt: Mapping[str, Any]) -> bool:
    status = attempt["status"]
    if attempt["result"] in NOT_ITS_FAULT and attempt["first_token_ms"] is None:
        return False
    return status not in REFUSALS_OF_A_REQUEST and not (attempt["own_key"] and status in ABOUT_THE_KEY)


def observe_probe(deployment: Deployment, *, latency_ms: int | None = None, problem: str = "") -> None:
    """Keep how a probe went: its latency, or what was wrong, in words."""
    Observation.objects.create(
        deployment=deployment, probe=True, ok=not problem, latency_ms=latency_ms, problem=problem[:300]
    )


def health_of_models(served: Mapping[UUID, Sequence[Endpoint]]) -> dict[UUID, Health]:
    """The health of each model, from where it is served: at most 5 s old, in one query or none."""
    places = {model: list(dict.fromkeys(each.deployment.pk for each in listed)) for model, listed in served.items()}
    known = _known({deployment for listed in places.values() for deployment in listed})
    return {model: _of_model([known[deployment] for deployment in listed]) for model, listed in places.items()}


def _known(deployments: Iterable[UUID]) -> dict[UUID, Health]:
    now = time.monotonic()
    found = {deployment: _cached.get(deployment, (now, NOT_CHECKED)) for deployment in deployments}
    if stale := [deployment for deployment, (until, _) in found.items() if until <= now]:
        fresh = health_of(stale)
        found |= {deployment: (now + CACHED_SECONDS, fresh.get(deployment, NOT_CHECKED)) for deployment in stale}
        _cached.update(found)
    return {deployment: health for deployment, (_, health) in found.items()}


def _of_model(places: Sequence[Health]) -> Health:
    """The first place's. Is that offline while a later one is not, the model still answers."""
    first = places[0] if places else NOT_CHECKED
    if first.status != Status.OFFLINE or all(place.status == Status.OFFLINE for place in places):
        return first
    return replace(first, status=Status.DEGRADED, note=ONLY_THE_FIRST)


def forget_cached() -> None:
    """Have the next page read the rows anew: for tests."""
    _cached.clear()
    _hours.clear()


def health_of(deployments: Iterable[UUID]) -> dict[UUID, Health]:
    """The health of each of these deployments that was observed. One query."""
    recent = Observation.objects.filter(deployment__in=list(deployments), at__gte=timezone.now() - WINDOW)
    place = Window(RowNumber(), partition_by=F("deployment"), order_by=F("at").desc())
    rows: dict[UUID, list[Observation]] = defaultdict(list)
    for row in recent.annotate(place=place).filter(place__lte=MOST_READ).order_by("-at"):
        rows[row.deployment_id].append(row)
    return {deployment: summary(found) for deployment, found in rows.items()}


def summary(rows: Sequence[Observation]) -> Health:
    """What these observations, newest first, add up to."""
    if not rows:
        return NOT_CHECKED
    calls = [row for row in rows if not row.probe]
    failed = [row for row in rows if not row.ok]
    latencies = sorted(row.latency_ms for row in calls if row.ok and row.latency_ms is not None)
    return Health(
        status=_status(rows, len(failed) / len(rows)),
        p50_ms=_percentile(latencies, 0.50),
        p95_ms=_percentile(latencies, 0.95),
        calls=len(calls),
        error_rate=sum(not row.ok for row in calls) / len(calls) if calls else 0.0,
        last_error=failed[0].problem if failed else "",
        last_error_at=failed[0].at if failed else None,
        checked_at=rows[0].at,
    )


def _status(rows: Sequence[Observation], failed: float) -> Status:
    if len(rows) >= IN_A_ROW and not any(row.ok for row in rows[:IN_A_ROW]):
        return Status.OFFLINE
    return Status.DEGRADED if failed >= DEGRADED_FROM else Status.ONLINE


def _percentile(ordered: Sequence[int], share: float) -> int | None:
    """The nearest rank."""
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)] if ordered else None


def history_of(deployment: Deployment) -> list[Minute]:
    """Its last hour in steps of two minutes, the oldest first, the quiet ones included: at most 5 s old.

    One query or none.
    """
    until, hour = _hours.get(deployment.pk, (0.0, []))
    if until <= time.monotonic():
        hour = _hour_of(deployment)
        _hours[deployment.pk] = time.monotonic() + CACHED_SECONDS, hour
    return hour


def _hour_of(deployment: Deployment) -> list[Minute]:
    seconds = STEP.total_seconds()
    newest = datetime.fromtimestamp(timezone.now().timestamp() // seconds * seconds, UTC)
    starts = [newest - STEP * back for back in reversed(range(STEPS))]
    counts: Counter[tuple[datetime, bool]] = Counter()
    latencies: dict[datetime, list[int]] = defaultdict(list)
    for minute, ok, probe, latency, place, count in _sampled(deployment, starts[0]):
        start = datetime.fromtimestamp(minute.timestamp() // seconds * seconds, UTC)
        counts[start, ok] += count if place == 1 else 0
        if ok and not probe and latency is not None:
            latencies[start].append(latency)
    return [Minute(at, counts[at, True], counts[at, False], _percentile(sorted(latencies[at]), 0.50)) for at in starts]


def _sampled(deployment: Deployment, since: datetime) -> Iterable[tuple[datetime, bool, bool, int | None, int, int]]:
    """Of each minute the newest that went well and that failed, with how many there were."""
    alike = [F("minute"), F("ok")]
    rows = Observation.objects.filter(deployment=deployment, at__gte=since).annotate(
        minute=TruncMinute("at", tzinfo=UTC)
    )
    numbered = rows.annotate(
        place=Window(RowNumber(), partition_by=alike, order_by=F("at").desc()),
        count=Window(Count("id"), partition_by=alike),
    )
    return numbered.filter(place__lte=SAMPLE).values_list("minute", "ok", "probe", "latency_ms", "place", "count")


def forget_old() -> int:
    """Delete what is older than a day; how many went."""
    return Observation.objects.filter(at__lt=timezone.now() - KEPT).delete()[0]
