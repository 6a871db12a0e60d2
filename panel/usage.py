"""Usage: what a member has, what a month cost by day and by model, and every charge with its receipt."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing import receipts
from billing.models import Account, Hold, UsageRecord
from billing.services import wallet_of
from conversations.views import PageRequest, signed_in
from panel import usage_export
from panel.usage_month import month_of, months_of, spending
from panel.usage_rows import Choice, Entry, Key, key_from

PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries; `older` is the key that the next page follows, or None."""

    entries: list[Entry]
    older: Key | None


@require_safe
@signed_in
def usage(request: PageRequest) -> HttpResponse:
    """The page of a month. What cannot be read in its address is left out: this month, every model, the newest."""
    month = month_of(request.GET.get("month", ""))
    model = request.GET.get("model", "")
    wallet = wallet_of(request.user)
    after = key_from(request.GET.get("after", ""))
    context: dict[str, Any] = {
        "wallet": wallet,
        "running": _running(wallet),
        "month": month,
        "months": months_of(request.user, month),
        "model": model,
        "spending": spending(request.user, month),
        "page": _page(Choice(wallet, month, model), after),
        "after": after,
        "filters": urlencode({"month": month.name} | ({"model": model} if model else {})),
    }
    return render(request, "panel/usage.html", context)


def _running(wallet: Account) -> int:
    """How many requests hold the credits that are held."""
    return Hold.objects.filter(wallet=wallet, state=Hold.State.OPEN).count() if wallet.held else 0


def _page(choice: Choice, after: Key | None) -> Page:
    """One entry more than a page says whether there is another."""
    found = choice.entries(after, PAGE + 1)
    return Page(found[:PAGE], found[PAGE - 1].key if len(found) > PAGE else None)


@require_safe
@signed_in
def export(request: PageRequest) -> HttpResponse:
    """The same rows as CSV: of the month and the model in the address, or of all time and all models."""
    named = request.GET.get("month", "")
    month = month_of(named) if named else None
    choice = Choice(wallet_of(request.user), month, request.GET.get("model", ""))
    response = StreamingHttpResponse(usage_export.lines(choice), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="usage{f"-{month.name}" if month else ""}.csv"'
    return cast(HttpResponse, response)  # one type is declared for all views, and this is the other


@require_safe
@signed_in
def receipt(request: PageRequest, record_id: UUID) -> HttpResponse:
    """How one charge came about: a page, or for a fragment's request the receipt alone. Only the payer sees it."""
    records = UsageRecord.objects.select_related("hold", "price")
    record = get_object_or_404(records, pk=record_id, user=request.user)
    page = "billing/_receipt.html" if request.htmx else "panel/usage_receipt.html"
    return render(request, page, {"record": record, "receipt": receipts.receipt(record)})
