"""Usage: what a member's requests used and cost, newest first, and how each charge came about."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import User
from billing import receipts
from billing.models import UsageRecord
from billing.services import wallet_of
from conversations.views import PageRequest, signed_in

PAGE = 50
LAST_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records; `older` and `newer` are page numbers, or None."""

    number: int
    lines: list[UsageRecord]
    older: int | None

    @property
    def newer(self) -> int | None:
        return self.number - 1 if self.number > 1 else None


@require_safe
@signed_in
def usage(request: PageRequest) -> HttpResponse:
    """The page. An unreadable page number is the first page."""
    user = request.user
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
    """Its first moment, in the reader's time zone."""
    return timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def page_of(user: User, number: int) -> Page:
    """Page `number`, from 1. No count: one row more than a page says whether there is another."""
    number = min(max(number, 1), LAST_PAGE)
    mine = UsageRecord.objects.filter(user=user).select_related("hold", "price").order_by("-created", "-id")
    first = (number - 1) * PAGE
    found = list(mine[first : first + PAGE + 1])
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


@require_safe
@signed_in
def receipt(request: PageRequest, record_id: UUID) -> HttpResponse:
    """How one charge came about: a page, or for a fragment's request the receipt alone. Only the payer sees it."""
    records = UsageRecord.objects.select_related("hold", "price")
    record = get_object_or_404(records, pk=record_id, user=request.user)
    page = "billing/_receipt.html" if request.htmx else "panel/usage_receipt.html"
    return render(request, page, {"record": record, "receipt": receipts.receipt(record)})
