"""One month of a person's spending, in that person's time zone: sums by model, and by day for the drawing."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import Count, F, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import User
from billing.models import UsageRecord

DAY, BAR, HEIGHT = 16, 12, 96  # widths and height of the drawing's units
SERIES = 6
LEAST = 1.5
MOST_MONTHS = 60

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month; `start` and `end` are its bounds in the reader's `zone`."""

    first: date
    zone: tzinfo

    @property
    def name(self) -> str:
        """As it stands in an address: 2026-11."""
        return f"{self.first:%Y-%m}"

    @property
    def after(self) -> date:
        return (self.first + timedelta(days=31)).replace(day=1)

    @property
    def start(self) -> datetime:
        return self._midnight(self.first)

    @property
    def end(self) -> datetime:
        return self._midnight(self.after)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.after - self.first).days)]

    @property
    def before(self) -> "Month":
        return Month((self.first - timedelta(days=1)).replace(day=1), self.zone)

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)


def month_of(text: str) -> Month:
    """The month an address names; this month when it names none that was."""
    this = timezone.localdate().replace(day=1)
    found = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", text, re.ASCII)
    asked = date(int(found[1]), int(found[2]), 1) if found else this
    return Month(min(asked, this), timezone.get_current_timezone())


def months_of(user: User, chosen: Month) -> list[Month]:
    """Every month from the first record to now, the newest first, and the chosen one. One query."""
    records = UsageRecord.objects.filter(user=user).order_by("created").values_list("created", flat=True)
    earliest = records.first()
    first = min(timezone.localdate(earliest) if earliest else chosen.first, chosen.first)
    months = [month_of("")]
    while months[-1].first > first and len(months) < MOST_MONTHS:
        months.append(months[-1].before)
    return months


@dataclass(slots=True)
class Sums:
    """Sums over records; the charge in nanocredits."""

    requests: int = 0
    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    charge: int = 0

    def add(self, row: Row) -> None:
        self.requests += row["requests"]
        self.prompt += row["prompt"]
        self.completion += row["completion"]
        self.reasoning += row["reasoning"]
        self.charge += row["spent"]


@dataclass(frozen=True, slots=True)
class Share:
    """What one model made of the month. `series` is its colour, from 1; the last stands for all that are left."""

    name: str
    sums: Sums
    series: int
    percent: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a day's bar in the drawing's units."""

    x: int
    y: float
    height: float
    series: int
    model: str
    charge: int


@dataclass(frozen=True, slots=True)
class Day:
    """A day with its charge in nanocredits, and the pieces of its bar from the bottom up."""

    at: date
    requests: int
    charge: int
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Spending:
    """A month in sums, the dearest model first."""

    total: Sums
    models: list[Share]
    days: list[Day]
    bar: int = BAR
    height: int = HEIGHT

    @property
    def width(self) -> int:
        return DAY * len(self.days)

    @property
    def dearest(self) -> Day:
        return max(self.days, key=lambda day: day.charge)

    @property
    def busy_days(self) -> list[Day]:
        return [day for day in self.days if day.requests]


def spending(user: User, month: Month) -> Spending:
    """What the person used in the month. One query."""
    records = UsageRecord.objects.filter(user=user, created__gte=month.start, created__lt=month.end)
    by_day_and_model = records.order_by().values(day=TruncDate("created", tzinfo=month.zone), model=F("model_name"))
    rows: list[Row] = [
        dict(row)
        for row in by_day_and_model.annotate(
            requests=Count("pk"),
            prompt=Sum("prompt_tokens"),
            completion=Sum("completion_tokens"),
            reasoning=Sum("reasoning_tokens"),
            spent=Sum("charge"),
        )
    ]
    total = _summed(rows)
    models = _shares(rows, total.charge)
    return Spending(total, models, _days(month, rows, models))


def _summed(rows: Iterable[Row]) -> Sums:
    sums = Sums()
    for row in rows:
        sums.add(row)
    return sums


def _shares(rows: list[Row], total: int) -> list[Share]:
    of_model: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_model[row["model"]].append(row)
    sums = {name: _summed(found) for name, found in of_model.items()}
    ranked = sorted(sums, key=lambda name: (-sums[name].charge, -sums[name].requests, name))
    return [
        Share(name, sums[name], min(place, SERIES), 100 * sums[name].charge / total if total else 0)
        for place, name in enumerate(ranked, 1)
    ]


def _days(month: Month, rows: list[Row], models: list[Share]) -> list[Day]:
    of_day: dict[date, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        of_day[row["day"]][row["model"]] = row
    charges = {day: sum(row["spent"] for row in found.values()) for day, found in of_day.items()}
    unit = HEIGHT / max([*charges.values(), 1])
    return [
        Day(
            at=day,
            requests=sum(row["requests"] for row in of_day[day].values()),
            charge=charges.get(day, 0),
            bars=_bars(place * DAY + (DAY - BAR) // 2, of_day[day], models, unit),
        )
        for place, day in enumerate(month.days)
    ]


def _bars(x: int, rows: dict[str, Row], models: list[Share], unit: float) -> list[Bar]:
    """The dearest model of the month at the bottom. A charge too small to be drawn is drawn thin, not left out."""
    bars: list[Bar] = []
    top = float(HEIGHT)
    for share in models:
        if charge := rows[share.name]["spent"] if share.name in rows else 0:
            height = min(max(round(charge * unit, 2), LEAST), top)
            top = round(top - height, 2)
            bars.append(Bar(x, top, height, share.series, share.name, charge))
    return bars
