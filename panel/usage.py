"""Usage: what a member's requests used and cost, newest first, and how each charge came about."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import User
from billing.models import Price, UsageRecord
from billing.services import wallet_of
from conversations.templatetags.formats import price as price_words
from panel.people import signed_in

PAGE = 50
LAST_PAGE = 2000
SOURCES = {"counted": "counted by us", "reported": "reported by upstream"}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records, each with its receipt; `older` and `newer` are page numbers, or None."""

    number: int
    lines: list[tuple[UsageRecord, str]]
    older: int | None

    @property
    def newer(self) -> int | None:
        return self.number - 1 if self.number > 1 else None


@login_required
@require_GET
def usage(request: HttpRequest) -> HttpResponse:
    """The page. An unreadable page number is the first page."""
    user = signed_in(request)
    asked = request.GET.get("page", "")
    since = this_month()
    context = {
        "page": page_of(user, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 1),
        "since": since,
        "totals": totals(user, since),
        "available": wallet_of(user).available,
    }
    return render(request, "panel/usage.html", context)


def this_month() -> datetime:
    """Its first moment, in the site's time zone."""
    return timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def page_of(user: User, number: int) -> Page:
    """Page `number`, from 1. No count: one row more than a page says whether there is another."""
    number = min(max(number, 1), LAST_PAGE)
    mine = UsageRecord.objects.filter(user=user).select_related("price").order_by("-created", "-id")
    first = (number - 1) * PAGE
    found = [(record, receipt(record)) for record in mine[first : first + PAGE + 1]]
    return Page(number, found[:PAGE], number + 1 if len(found) > PAGE and number < LAST_PAGE else None)


def totals(user: User, since: datetime) -> dict[str, int]:
    """Sums of what the member used since then; the charge in nanocredits."""
    return UsageRecord.objects.filter(user=user, created__gte=since).aggregate(
        requests=Count("id"),
        prompt=Sum("prompt_tokens", default=0),
        completion=Sum("completion_tokens", default=0),
        reasoning=Sum("reasoning_tokens", default=0),
        charge=Sum("charge", default=0),
    )


def receipt(record: UsageRecord) -> str:
    """How the charge came about."""
    if record.completion_tokens == 0:
        return "Nothing was answered, so nothing was charged."
    tokens = f"{record.prompt_tokens:,} in + {record.completion_tokens:,} out"
    source = SOURCES[record.source]
    if record.own_key:
        return f"{tokens}, {source}. Your own key: no credits."
    if record.price is None:
        return f"{tokens}, without a price, {source}."
    return f"{_terms(record, record.price)} per million, {source}."


def _terms(record: UsageRecord, price: Price) -> str:
    """Tokens of each kind times what they cost. A kind without a price of its own is part of the whole."""
    cached = 0 if price.cached_input is None else record.cached_tokens
    reasoning = 0 if price.reasoning is None else record.reasoning_tokens
    terms = [
        (record.prompt_tokens - cached, "in", price.input),
        (cached, "cached in", price.cached_input or 0),
        (record.completion_tokens - reasoning, "out", price.output),
        (reasoning, "reasoning", price.reasoning or 0),
    ]
    return " + ".join(f"{count:,} {kind} × {price_words(rate)}" for count, kind, rate in terms if count)
