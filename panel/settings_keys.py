"""Provider keys: a member's own upstream keys, added, tested, replaced and removed.

What was saved is never shown again.
"""

from dataclasses import dataclass
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from panel.key_test import Outcome, run_test
from panel.people import signed_in
from providers import rest_words, vault
from providers.endpoints import Endpoint
from providers.errors import ChatsiteError
from providers.forms import NewKeyField
from providers.models import Deployment, Model, UpstreamKey
from providers.services import remove_key, save_key


class KeyForm(forms.Form):
    key = NewKeyField(label="New key")


@dataclass(frozen=True, slots=True)
class Row:
    """One deployment on the page, with this member's key for it, if any, and the form to change it."""

    deployment: Deployment
    host: str
    key: UpstreamKey | None
    form: KeyForm
    is_offered: bool

    @property
    def stale(self) -> bool:
        """Whether the deployment moved to another host since: the key does not go there."""
        return self.key is not None and self.key.host != self.host

    @property
    def rest(self) -> str:
        """Why the key rests and until when; empty when it does not."""
        return rest_words.rest_of(self.key, timezone.now()) if self.key else ""


def rows(user: User, refused: dict[UUID, KeyForm] | None = None) -> list[Row]:
    """What is offered to this member, and what they have a key for."""
    saved = {key.deployment_id: key for key in UpstreamKey.objects.filter(owner=user).defer("ciphertext")}
    offered = set(_offered(user).values_list("pk", flat=True))
    found = Deployment.objects.filter(pk__in={*offered, *saved}).select_related("model")
    forms_by_id = refused or {}
    return [
        Row(
            deployment=deployment,
            host=vault.host_of(deployment),
            key=saved.get(deployment.pk),
            form=forms_by_id.get(deployment.pk) or KeyForm(auto_id=f"id_{deployment.pk}_%s"),
            is_offered=deployment.pk in offered,
        )
        for deployment in found.order_by("model__position", "model__name", "position", "id")
    ]


@login_required
@require_GET
def keys(request: HttpRequest) -> HttpResponse:
    return render(request, "panel/keys.html", {"rows": rows(signed_in(request))})


@login_required
@require_POST
def save(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """Add or replace the member's key of one deployment."""
    user = signed_in(request)
    deployment = get_object_or_404(_offered(user).select_related("model"), pk=deployment_id)
    form = KeyForm(request.POST, auto_id=f"id_{deployment_id}_%s")
    if form.is_valid():
        if not form.cleaned_data["key"]:
            messages.info(request, "Nothing was changed: type or paste the whole key to save it.")
            return redirect("panel:keys")
        try:
            key = save_key(deployment=deployment, plain=form.cleaned_data["key"], owner=user)
        except ChatsiteError as error:
            form.add_error("key", error.message)
        else:
            messages.success(request, f"Saved …{key.last_four} for {deployment.model.title}.")
            return redirect("panel:keys")
    return render(request, "panel/keys.html", {"rows": rows(user, {deployment.pk: form})}, status=422)


@login_required
@require_POST
def remove(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """Remove the member's key of one deployment, also of one that is not offered any more."""
    mine = UpstreamKey.objects.select_related("deployment__model")
    key = get_object_or_404(mine, owner=signed_in(request), deployment_id=deployment_id)
    remove_key(key=key)
    messages.success(request, f"Removed …{key.last_four}: you use {key.deployment.model.title} as everybody else now.")
    return redirect("panel:keys")


@login_required
@require_POST
def test(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """Test the member's key of one deployment; the card says what came out, without JavaScript the page."""
    user = signed_in(request)
    mine = UpstreamKey.objects.select_related("deployment__model")
    key = get_object_or_404(mine, owner=user, deployment_id=deployment_id, deployment__in=_offered(user))
    outcome = run_test(endpoint=Endpoint(key.deployment, key), by=user)
    if request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        row = next(row for row in rows(user) if row.deployment.pk == deployment_id)
        return render(request, "panel/_key_card.html", {"row": row, "outcome": outcome})
    tell = messages.success if outcome.ok else messages.error
    tell(request, f"{key.deployment.model.title}, …{key.last_four}: {_in_words(outcome)}")
    return redirect("panel:keys")


def _in_words(outcome: Outcome) -> str:
    return f"{outcome.words} {outcome.note}".strip()


def _offered(user: User) -> QuerySet[Deployment]:
    """Where models that this member may use are served for a key."""
    return Deployment.objects.filter(enabled=True, needs_key=True, model__in=Model.objects.usable_by(user))
