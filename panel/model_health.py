"""How a model's backend is doing, as its page draws it: the last hour, and each place for admins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.timesince import timesince

from providers import health, vault
from providers.health import Health, Minute
from providers.models import Deployment, Model, UpstreamKey

WIDTH, HEIGHT = 8, 48  # of one step, of the whole drawing; a bar leaves 2 free
LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    """Two minutes of the drawing: what went well stands on the line, what failed hangs from it."""

    x: int
    well_y: float
    well_height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class Hour:
    """The last hour as bars of one scale, and as rows without the quiet minutes."""

    bars: list[Bar]
    line: float
    rows: list[Minute]

    @property
    def width(self) -> int:
        return WIDTH * len(self.bars)

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def total(self) -> int:
        return sum(row.ok + row.failed for row in self.rows)

    @property
    def failed(self) -> int:
        return sum(row.failed for row in self.rows)


def ago(at: datetime) -> str:
    """How long since, in one unit."""
    now = timezone.now()
    return f"{timesince(at, now, depth=1)} ago" if (now - at).total_seconds() >= 60 else "just now"


def hour_of(deployment: Deployment) -> Hour:
    history = health.history_of(deployment)
    well, failed = max(each.ok for each in history), max(each.failed for each in history)
    unit = HEIGHT / max(well + failed, 1)
    line = round(well * unit, 2)
    bars = [_bar(place, each, unit, line) for place, each in enumerate(history)]
    return Hour(bars, line, [each for each in history if each.ok or each.failed])


def _bar(place: int, minute: Minute, unit: float, line: float) -> Bar:
    well, failed = _height(minute.ok, unit), _height(minute.failed, unit)
    return Bar(place * WIDTH + 1, round(line - well, 2), well, line, failed)


def _height(count: int, unit: float) -> float:
    """A single failure among thousands is still seen."""
    return round(max(count * unit, LEAST), 2) if count else 0


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment for admins, with how many of the team's keys are in use, rest, or are out of use."""

    deployment: Deployment
    host: str
    health: Health
    state: str
    keys: int
    resting: int
    out_of_use: int


def places_of(model: Model, deployments: Sequence[Deployment]) -> list[Place]:
    """Every deployment of the model, those that are switched off included. Two queries."""
    keys = list(UpstreamKey.objects.filter(owner=None, deployment__model=model).defer("ciphertext"))
    healths = health.health_of(deployment.pk for deployment in deployments)
    return [
        _place(each, healths.get(each.pk, health.NOT_CHECKED), [key for key in keys if key.deployment_id == each.pk])
        for each in deployments
    ]


def _place(deployment: Deployment, found: Health, keys: Sequence[UpstreamKey]) -> Place:
    now = timezone.now()
    good = [key for key in keys if key.state == UpstreamKey.State.GOOD]
    rests = deployment.get_rest_display() if deployment.is_resting(now) else ""
    return Place(
        deployment=deployment,
        host=vault.host_of(deployment),
        health=found,
        state=(rests or "On") if deployment.enabled else "Off",
        keys=sum(not key.is_resting(now) for key in good),
        resting=sum(key.is_resting(now) for key in good),
        out_of_use=len(keys) - len(good),
    )
