"""Price versions over time: which counts when, what another would have cost, and how to go back."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from django.db import models, transaction
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from accounts.models import User
from billing.models import Price, UsageRecord
from billing.money import divide_half_even, plain
from billing.pricing import Rates, Tokens, charge
from billing.services import set_price
from providers.models import Deployment

LOOK_BACK = timedelta(days=30)
MOST_REQUESTS = 10_000  # that a preview prices again; a busier month is judged by its newest ones


class PriceMoved(Exception):
    """The price was changed since it was looked at."""


class NoWayBack(Exception):
    """Why a version cannot be undone or withdrawn, in words."""


class State(models.TextChoices):
    WAITING = "waiting", "Waiting"
    IN_FORCE = "in_force", "In force"
    EARLIER = "earlier", "Earlier"
    REPLACED = "replaced", "Replaced before it began"


def rates_of(price: Price) -> Rates:
    """Its figures, as they are promised and charged."""
    return Rates(str(price.pk), price.input, price.output, price.cached_input, price.reasoning)


def in_words(price: Price) -> str:
    return f"{plain(price.input)} in · {plain(price.output)} out"


class Timeline:
    """The versions of some deployments in the order in which they count: by moment, then by when they were made."""

    def __init__(self, versions: Iterable[Price], now: datetime) -> None:
        self._now = now
        self._counting: dict[UUID, list[Price]] = defaultdict(list)
        self._newest: dict[UUID, UUID] = {}
        for price in sorted(versions, key=lambda price: (price.effective_from, price.pk)):
            counting = self._counting[price.deployment_id]
            if counting and counting[-1].effective_from == price.effective_from:
                counting.pop()
            counting.append(price)
            self._newest[price.deployment_id] = max(price.pk, self._newest.get(price.deployment_id, price.pk))

    @classmethod
    def of(cls, *deployments: Deployment) -> "Timeline":
        """Of these as they stand now, or of all; one query."""
        versions = Price.objects.filter(deployment__in=deployments) if deployments else Price.objects.all()
        return cls(versions.select_related("deployment__model"), timezone.now())

    def at(self, deployment: UUID, moment: datetime | None = None) -> Price | None:
        """The version in force at `moment`, or now."""
        begun = [price for price in self._counting.get(deployment, ()) if price.effective_from <= (moment or self._now)]
        return begun[-1] if begun else None

    def waiting(self, deployment: UUID, after: datetime | None = None) -> list[Price]:
        """The versions that begin after `after`, or after now; the next one first."""
        return [price for price in self._counting.get(deployment, ()) if price.effective_from > (after or self._now)]

    def newest(self, deployment: UUID) -> UUID | None:
        """The version that was made last, whenever it counts."""
        return self._newest.get(deployment)

    def state(self, price: Price) -> State:
        if price not in self._counting.get(price.deployment_id, ()):
            return State.REPLACED
        if price.effective_from > self._now:
            return State.WAITING
        return State.IN_FORCE if price == self.at(price.deployment_id) else State.EARLIER

    def before(self, price: Price) -> Price | None:
        """What was, or would be, in force until `price` begins."""
        pairs = pairwise(self._counting.get(price.deployment_id, ()))
        return next((earlier for earlier, later in pairs if later == price), None)

    def can_go_back(self, price: Price) -> bool:
        earlier = self.before(price)
        return bool(earlier and not _is_same(earlier, price) and self.state(price) in (State.IN_FORCE, State.WAITING))


def unpriced() -> list[Deployment]:
    """The deployments in use that are refused for paid use: without a price now, or with one for the simulator."""
    begun = Price.objects.filter(deployment=OuterRef("pk"), effective_from__lte=timezone.now())
    source = Subquery(begun.order_by("-effective_from", "-id").values("source")[:1])
    in_use = Deployment.objects.filter(enabled=True, model__enabled=True).select_related("model")
    without = in_use.annotate(price_source=source).filter(Q(price_source=None) | Q(price_source=Price.Source.DEMO))
    return list(without.order_by("model__position", "model__name", "position", "id"))


def _is_same(one: Price, other: Price) -> bool:
    return _figures(rates_of(one), one.source) == _figures(rates_of(other), other.source)


def _figures(rates: Rates, source: str) -> tuple[int | None | bool, ...]:
    is_demo = source == Price.Source.DEMO
    return rates.input, rates.output, rates.cached_input, rates.reasoning, is_demo


@dataclass(frozen=True, slots=True)
class Change:
    """A version that somebody thinks of. `effective_from` None: at once."""

    deployment: Deployment
    rates: Rates
    effective_from: datetime | None = None
    source: str = Price.Source.ADMIN

    def changes_nothing(self) -> bool:
        old = Timeline.of(self.deployment).at(self.deployment.pk, self.effective_from)
        return bool(old and _figures(rates_of(old), old.source) == _figures(self.rates, self.source))


def way_back(price: Price) -> Change:
    """The change that undoes the version in force at once, or that withdraws a waiting one at its moment.

    Figures and source are those of the version before: a demo price stays one. Raises NoWayBack.
    """
    timeline = Timeline.of(price.deployment)
    state, earlier = timeline.state(price), timeline.before(price)
    if state not in (State.IN_FORCE, State.WAITING):
        raise NoWayBack("This version is not in force any more, so there is nothing to undo.")
    if earlier is None:
        raise NoWayBack("No version is before this one. Set another price instead.")
    if not timeline.can_go_back(price):
        raise NoWayBack("The version before this one has the same figures, so there is nothing to undo.")
    moment = price.effective_from if state == State.WAITING else None
    return Change(price.deployment, rates_of(earlier), moment, earlier.source)


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the four figures, in nanocredits per million tokens. `before` None: there was no price for paid use."""

    name: str
    before: int | None
    after: int

    @property
    def shown(self) -> tuple[str, str]:
        """Before and after, in credits per million tokens."""
        return "none" if self.before is None else plain(self.before), plain(self.after)

    @property
    def is_large(self) -> bool:
        """More than half up or down, to nothing, or from nothing."""
        if self.before is None:
            return self.after == 0
        return abs(self.after - self.before) * 2 > self.before

    @property
    def change(self) -> str:
        """In per cent, to one decimal."""
        if not self.before:
            return "free" if self.after == self.before else "new"
        if self.after == self.before:
            return "unchanged"
        tenths = abs(divide_half_even((self.after - self.before) * 1000, self.before))
        sign = "+" if self.after > self.before else "−"
        return f"{sign}{tenths // 10:,}.{tenths % 10} %".replace(".0 %", " %") if tenths else f"{sign}less than 0.1 %"

    @property
    def warning(self) -> str:
        if not self.is_large:
            return ""
        if self.after == 0:
            return f"{self.name} becomes free."
        if self.before == 0:
            return f"{self.name} was free until then."
        return f"{self.name} changes by more than half: {self.change}."


@dataclass(frozen=True, slots=True)
class Past:
    """What requests cost, and would have cost at other rates. `is_sample`: there were more; these are the newest."""

    requests: int
    cost: int
    would_cost: int
    is_sample: bool

    @property
    def shown(self) -> tuple[str, str, str]:
        """What they cost, what they would have cost, and how much more or less that is, in credits."""
        more = self.would_cost - self.cost
        words = f"{plain(abs(more))} {'more' if more > 0 else 'less'}" if more else "the same"
        return plain(self.cost), plain(self.would_cost), words


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change means. `seen` stands for the versions it was computed from."""

    old: Price | None
    figures: list[Figure]
    past: Past
    waiting: list[Price]
    warnings: list[str]
    seen: str


def preview(change: Change) -> Preview:
    """Two queries, and nothing is saved."""
    timeline = Timeline.of(change.deployment)
    old = timeline.at(change.deployment.pk, change.effective_from)
    figures = _compared(old, change)
    warnings = [figure.warning for figure in figures if figure.warning]
    if change.source == Price.Source.DEMO:
        warnings.insert(0, "From then on there is no price for paid use: requests with a real key are refused.")
    waiting = timeline.waiting(change.deployment.pk, change.effective_from)
    return Preview(old, figures, past(change), waiting, warnings, _seen(timeline, change))


def _compared(old: Price | None, change: Change) -> list[Figure]:
    # A demo price never serves a real key, and what it becomes is no change of a price that anybody paid.
    known = old and (old.source != Price.Source.DEMO or change.source == Price.Source.DEMO)
    before = rates_of(old).all_four() if old and known else (None,) * 4
    names = ("Input", "Output", "Cached input", "Reasoning")
    figures = [Figure(*row) for row in zip(names, before, change.rates.all_four(), strict=True)]
    of_their_own = (change.rates, rates_of(old)) if old else (change.rates,)
    has_cached = any(rates.cached_input is not None for rates in of_their_own)
    has_reasoning = any(rates.reasoning is not None for rates in of_their_own)
    return [*figures[:2], *(figures[2:3] if has_cached else ()), *(figures[3:] if has_reasoning else ())]


def past(change: Change) -> Past:
    """The last 30 days' requests that this price would have concerned, each one priced again."""
    rows = (
        UsageRecord.objects.filter(deployment=change.deployment, own_key=False, created__gte=timezone.now() - LOOK_BACK)
        .exclude(prompt_tokens=0, completion_tokens=0)
        .order_by("-id")
        .values_list("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "charge")
    )
    found = list(rows[: MOST_REQUESTS + 1])
    counted = found[:MOST_REQUESTS]
    would_cost = sum(charge(change.rates, Tokens(*tokens)) for *tokens, _ in counted)
    return Past(len(counted), sum(row[-1] for row in counted), would_cost, len(found) > MOST_REQUESTS)


def _seen(timeline: Timeline, change: Change) -> str:
    place = change.deployment.pk
    now, then = timeline.at(place), timeline.at(place, change.effective_from)
    return "/".join(
        str(version and version.hex) for version in (now and now.pk, then and then.pk, timeline.newest(place))
    )


@transaction.atomic
def confirm(change: Change, *, seen: str, actor: User, reason: str) -> Price:
    """Make the version that was previewed. PriceMoved when `seen` is not what a preview would say now."""
    Deployment.objects.select_for_update(no_key=True).values_list("pk").get(pk=change.deployment.pk)
    if seen != _seen(Timeline.of(change.deployment), change):
        raise PriceMoved
    return set_price(
        deployment=change.deployment,
        input=change.rates.input,
        output=change.rates.output,
        cached_input=change.rates.cached_input,
        reasoning=change.rates.reasoning,
        source=change.source,
        reason=reason,
        actor=actor,
        effective_from=change.effective_from,
    )
