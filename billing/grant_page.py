"""Granting credits in the admin: a form, then one sentence to confirm, then one transfer."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html

from accounts.models import User
from billing.errors import KeyReused
from billing.forms import GrantForm
from billing.models import Transfer
from billing.money import plain
from billing.services import grant, wallet_of

if TYPE_CHECKING:
    from billing.admin import AccountAdmin


def grant_page(site: "AccountAdmin", request: HttpRequest) -> HttpResponse:
    """GET shows the form, POST the sentence to confirm, POST with `confirm` grants. For who may add transfers."""
    actor = request.user
    if not isinstance(actor, User) or not actor.has_perm("billing.add_transfer"):
        raise PermissionDenied
    form = GrantForm(request.POST or None, initial=_chosen(request))
    if request.method == "POST" and form.is_valid():
        if "confirm" in request.POST:
            return _grant(site, request, actor, form.cleaned_data)
        return _page(site, request, form, **_sentence(form.cleaned_data))
    return _page(site, request, form, status=422 if form.errors else 200)


def _chosen(request: HttpRequest) -> dict[str, Any]:
    """The person whose page the button was on."""
    chosen = request.GET.get("user", "")
    return {"user": chosen} if User.objects.filter(email=chosen).exists() else {}


def _sentence(wish: dict[str, Any]) -> dict[str, Any]:
    before = wallet_of(wish["user"]).available
    return {
        "amount": plain(wish["amount"]),
        "before": plain(before),
        "after": plain(before + wish["amount"]),
    }


def _grant(site: "AccountAdmin", request: HttpRequest, actor: User, wish: dict[str, Any]) -> HttpResponse:
    key = f"grant:{wish['key']}"
    try:
        with transaction.atomic():
            is_new = not Transfer.objects.filter(key=key).exists()
            grant(user=wish["user"], amount=wish["amount"], reason=wish["reason"], actor=actor, key=key)
            words = f"{plain(wish['amount'])} credits to {wish['user']}"
            if is_new:
                site.log_change(request, wallet_of(wish["user"]), f"Granted {words}: {wish['reason']}")
    except KeyReused:
        messages.error(request, "This form has granted already, with other numbers. Start again.")
    else:
        messages.success(request, format_html("Granted {}.", words))
    return redirect("admin:billing_account_changelist")


def _page(
    site: "AccountAdmin", request: HttpRequest, form: GrantForm, status: int = 200, **sentence: Any
) -> HttpResponse:
    context = {
        **site.admin_site.each_context(request),
        "title": "Grant credits",
        "opts": site.model._meta,
        "form": form,
        "sentence": sentence,
    }
    return TemplateResponse(request, "admin/billing/grant.html", context, status=status)
