"""Provider keys: a member's own upstream keys, added, replaced and removed. What was saved is never shown again."""

from dataclasses import dataclass
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from panel.people import signed_in
from providers import vault
from providers.errors import ChatsiteError
from providers.forms import NewKeyField
from providers.models import Deployment, UpstreamKey
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

    @property
    def is_offered(self) -> bool:
        return self.deployment.enabled and self.deployment.model.enabled

    @property
    def stale(self) -> bool:
        """Whether the deployment moved to another host since: the key does not go there."""
        return self.key is not None and self.key.host != self.host


def rows(user: User, refused: dict[UUID, KeyForm] | None = None) -> list[Row]:
    """What is offered to everybody, and what this member has a key for."""
    saved = {key.deployment_id: key for key in UpstreamKey.objects.filter(owner=user).defer("ciphertext")}
    offered = Q(enabled=True, model__enabled=True) | Q(pk__in=list(saved))
    found = Deployment.objects.filter(offered).select_related("model")
    forms_by_id = refused or {}
    return [
        Row(
            deployment=deployment,
            host=vault.host_of(deployment),
            key=saved.get(deployment.pk),
            form=forms_by_id.get(deployment.pk) or KeyForm(auto_id=f"id_{deployment.pk}_%s"),
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
    user, deployment = signed_in(request), _offered_or_404(deployment_id)
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


def _offered_or_404(deployment_id: UUID) -> Deployment:
    found = Deployment.objects.select_related("model")
    return get_object_or_404(found, pk=deployment_id, enabled=True, model__enabled=True)
