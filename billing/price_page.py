"""Prices in the admin: figures, then a preview of what they change, then a new version. Nothing is ever edited."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.zones import zone_of
from billing.forms import PriceForm, UndoForm
from billing.models import Price
from billing.money import plain
from billing.prices import Change, NoWayBack, PriceMoved, Timeline, confirm, preview, way_back
from providers.models import Deployment

if TYPE_CHECKING:
    from billing.admin import PriceAdmin

MOVED = "The price was changed meanwhile, so nothing was saved. Here is the preview as of now."
UNSURE = "Nothing was saved. Tick the box if this is what you want."


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the page, and what it is about. `undone` is the version to go back from, if that is wanted."""

    site: "PriceAdmin"
    request: HttpRequest
    actor: User
    form: forms.Form
    change: Change
    undone: Price | None = None


def price_page(site: "PriceAdmin", request: HttpRequest) -> HttpResponse:
    """GET shows the form, POST the preview, POST with `confirm` makes the version. For who may add prices."""
    actor = _who_may(request)
    with timezone.override(zone_of(request)):
        if request.method != "POST":
            return _form(site, request, PriceForm(initial=_as_it_is(request)))
        form = PriceForm(request.POST)
        if not form.is_valid():
            return _form(site, request, form, status=422)
        if "back" in request.POST:
            return _form(site, request, form)
        return _preview_or_confirm(Asked(site, request, actor, form, form.change()))


def undo_page(site: "PriceAdmin", request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET shows what undoing or withdrawing a version changes, POST with `confirm` does it by a new version."""
    actor = _who_may(request)
    price = get_object_or_404(Price.objects.select_related("deployment__model"), pk=pk)
    with timezone.override(zone_of(request)):
        try:
            change = way_back(price)
        except NoWayBack as why:
            messages.error(request, str(why))
            return redirect(_rows(price.deployment))
        return _preview_or_confirm(Asked(site, request, actor, UndoForm(request.POST or None), change, price))


def _who_may(request: HttpRequest) -> User:
    actor = request.user
    if not isinstance(actor, User) or not actor.has_perm("billing.add_price"):
        raise PermissionDenied
    return actor


def _rows(deployment: Deployment) -> str:
    return f"{reverse('admin:billing_price_changelist')}?deployment__id__exact={deployment.pk}"


def _as_it_is(request: HttpRequest) -> dict[str, Any]:
    """The deployment whose link was followed, with what it costs now."""
    deployment = None
    with suppress(KeyError, ValidationError):
        deployment = Deployment.objects.filter(pk=request.GET["deployment"]).first()
    if deployment is None:
        return {}
    price = Timeline.of(deployment).at(deployment.pk)
    if price is None or price.source == Price.Source.DEMO:
        return {"deployment": deployment}
    figures = ("input", "output", "cached_input", "reasoning")
    return {"deployment": deployment, **{name: getattr(price, name) for name in figures}}


def _preview_or_confirm(asked: Asked) -> HttpResponse:
    if "confirm" not in asked.request.POST:
        return _preview(asked)
    if not asked.form.is_valid():
        return _preview(asked, status=422)
    found = preview(asked.change)
    seen = asked.request.POST.get("seen", "")
    if seen != found.seen:
        return _preview(asked, status=409, problem=MOVED)
    if found.warnings and "sure" not in asked.request.POST:
        return _preview(asked, status=422, problem=UNSURE)
    try:
        price = confirm(asked.change, seen=seen, actor=asked.actor, reason=asked.form.cleaned_data["reason"])
    except PriceMoved:
        return _preview(asked, status=409, problem=MOVED)
    return _told(asked, price)


def _told(asked: Asked, price: Price) -> HttpResponse:
    words = f"{plain(price.input)} in, {plain(price.output)} out per million tokens"
    if asked.change.effective_from:
        words += f", from {_moment(asked.change)}"
    asked.site.log_addition(asked.request, price, f"{words}. {price.reason}")
    messages.success(asked.request, f"Saved for {price.deployment}: {words}.")
    return redirect(_rows(price.deployment))


def _moment(change: Change) -> str:
    """When the change begins, on the reader's clock and in UTC."""
    if change.effective_from is None:
        return "at once"
    here = timezone.localtime(change.effective_from)
    there = change.effective_from.astimezone(ZoneInfo("UTC"))
    zone = timezone.get_current_timezone_name()
    return f"{here:%Y-%m-%d %H:%M} {zone}" + ("" if zone == "UTC" else f" ({there:%Y-%m-%d %H:%M} UTC)")


def _form(site: "PriceAdmin", request: HttpRequest, form: PriceForm, status: int = 200) -> HttpResponse:
    context = {**site.admin_site.each_context(request), "title": "Set a price", "opts": site.opts, "form": form}
    # Rendered here, where the reader's time zone counts.
    return TemplateResponse(request, "admin/billing/price/form.html", context, status=status).render()


def _preview(asked: Asked, status: int = 200, problem: str = "") -> HttpResponse:
    context = {
        **asked.site.admin_site.each_context(asked.request),
        "title": _title(asked),
        "opts": asked.site.opts,
        "form": asked.form,
        "change": asked.change,
        "preview": preview(asked.change),
        "moment": _moment(asked.change),
        "undone": asked.undone,
        "problem": problem,
        "rows": _rows(asked.change.deployment),
    }
    return TemplateResponse(asked.request, "admin/billing/price/preview.html", context, status=status).render()


def _title(asked: Asked) -> str:
    if asked.undone is None:
        return "Preview of a price"
    return "Withdraw a price" if asked.change.effective_from else "Undo a price"
