"""Models and deployments in the admin; upstream keys are in `admin_keys`."""

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin_rows import Admin
from providers import admin_keys as admin_keys  # registers its table
from providers import vault
from providers.admin_rest import RestingAdmin
from providers.forms import address_problem
from providers.health import NOT_CHECKED, Health, health_of
from providers.models import Deployment, Model, UpstreamKey
from providers.ordering import move
from providers.rest_words import rest_of


class KeptAdmin(Admin):
    """Rows that receipts point to: they are switched off, never deleted."""

    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Model)
class ModelAdmin(KeptAdmin):
    """The public name is what people's programs say: it is chosen once."""

    list_display = ("title", "name", "dialect", "can", "open_to", "enabled", "position")
    list_filter = ("enabled", "dialect")
    search_fields = ("name", "title")
    autocomplete_fields = ("groups",)
    fieldsets = (
        (None, {"fields": ("name", "title", "description", "dialect", "enabled", "position")}),
        ("What it can do", {"fields": ("thinks", "uses_tools", "writes_json")}),
        ("Who may use it", {"fields": ("groups",)}),
        ("When a deployment fails", {"fields": ("dearer_fallback",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        found: QuerySet[Model] = super().get_queryset(request)
        return found.prefetch_related("groups")

    @admin.display(description="can")
    def can(self, model: Model) -> str:
        return ", ".join(model.abilities) or "–"

    @admin.display(description="open to")
    def open_to(self, model: Model) -> str:
        return ", ".join(str(group) for group in model.groups.all()) or "everybody"

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()


class DeploymentForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameters when it runs
    """Wants the base address the way the dialect does, and shows it as text, not as a link to follow."""

    base_url = forms.URLField(
        label="Base address",
        max_length=300,
        assume_scheme="https",
        help_text="Scheme and host; OpenAI-compatible: up to /v1. At another host the key has to be saved again.",
        widget=forms.URLInput(attrs={"class": "vURLField"}),
    )

    def clean_base_url(self) -> str:
        address = str(self.cleaned_data["base_url"]).rstrip("/")
        problem = address_problem(self.cleaned_data.get("dialect") or self.instance.dialect, address)
        if problem:
            raise forms.ValidationError(problem)
        return address


class Course:
    """What the list says of all deployments: read once a page, when the first row asks."""

    @cached_property
    def health(self) -> dict[UUID, Health]:
        return health_of(pk for listed in self._of_model.values() for pk in listed)

    @cached_property
    def _of_model(self) -> dict[UUID, list[UUID]]:
        listed: dict[UUID, list[UUID]] = defaultdict(list)
        for model, pk in Deployment.objects.order_by("position", "pk").values_list("model_id", "pk"):
            listed[model].append(pk)
        return listed

    def place(self, deployment: Deployment) -> tuple[int, int]:
        """Its place among those of its model, from 1, and how many there are."""
        listed = self._of_model[deployment.model_id]
        return listed.index(deployment.pk) + 1, len(listed)


@admin.register(Deployment)
class DeploymentAdmin(RestingAdmin, KeptAdmin):
    """Where models are served. The model and the dialect are chosen once."""

    form = DeploymentForm
    list_filter = ("enabled", "dialect", "documented")
    list_select_related = ("model",)
    ordering = ("model__position", "model__name", "position", "id")
    sortable_by = ()
    search_fields = ("model__name", "base_url", "upstream_model")
    fieldsets = (
        (None, {"fields": ("model", "dialect", "base_url", "upstream_model", "enabled", "position")}),
        ("Key", {"fields": ("team_key_and_link", "needs_key", "documented")}),
        ("How it goes", {"fields": ("health", "pause")}),
        ("Limits", {"fields": ("context_window", "max_output", "drops_unsupported")}),
        ("Patience", {"fields": ("connect_timeout", "first_token_timeout", "silence_timeout")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Deployment | None = None) -> tuple[str, ...]:
        always = ("documented", "team_key_and_link", "health", "pause")
        return ("model", "dialect", *always) if obj else always

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        team = UpstreamKey.objects.filter(owner=None).defer("ciphertext").order_by("created")
        found: QuerySet[Deployment] = super().get_queryset(request)
        return found.prefetch_related(Prefetch("keys", team, to_attr="team_keys"))

    def get_list_display(self, request: HttpRequest) -> Any:
        course: Course = request.__dict__.setdefault("course", Course())
        order, health = self._order(request, course), self._health(course)
        return "model", order, health, "team_key", "host", "dialect", "enabled"

    def _order(self, request: HttpRequest, course: Course) -> Callable[[Deployment], str]:
        back = request.GET.urlencode()

        @admin.display(description="tried")
        def order(deployment: Deployment) -> str:
            place, count = course.place(deployment)
            may = count > 1 and self.has_change_permission(request, deployment)
            addresses = {way: f"{self.address_of(way, deployment)}?{back}" for way in ("up", "down")}
            values = {"deployment": deployment, "place": place, "count": count, "may": may, **addresses}
            return render_to_string("admin/providers/deployment/order.html", values)

        return order

    def _health(self, course: Course) -> Callable[[Deployment], str]:
        @admin.display(description="health")
        def health(deployment: Deployment) -> str:
            found = course.health.get(deployment.pk, NOT_CHECKED)
            rest = rest_of(deployment, timezone.now())
            return render_to_string("admin/providers/deployment/health.html", {"health": found, "rest": rest})

        return health

    @admin.display(description="health")
    def health(self, deployment: Deployment) -> str:
        found = health_of([deployment.pk]).get(deployment.pk, NOT_CHECKED)
        return render_to_string("admin/providers/deployment/health.html", {"health": found, "whole": True})

    @admin.display(description="pause")
    def pause(self, deployment: Deployment) -> str:
        """A deployment that is called with keys leaves the resting to them."""
        if deployment.needs_key:
            keys = f"{reverse('admin:providers_upstreamkey_changelist')}?deployment__id__exact={deployment.pk}"
            return format_html('Each key rests by itself: see <a href="{}">its keys</a>.', keys)
        return rest_of(deployment, timezone.now()) or "None"

    def get_urls(self) -> list[URLPattern]:
        ways = [self.url_of(way, view) for way, view in (("up", self.up_view), ("down", self.down_view))]
        return [*ways, *super().get_urls()]

    def up_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return self._moved(request, pk, up=True)

    def down_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return self._moved(request, pk, up=False)

    def _moved(self, request: HttpRequest, pk: UUID, *, up: bool) -> HttpResponse:
        """Back to the list, as it was filtered, at the row that moved."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        deployment = self.posted_row(request, pk)
        place, count = move(deployment=deployment, up=up)
        self.log_change(request, deployment, f"Moved to place {place} of {count}.")
        messages.success(request, f"{deployment} is tried as number {place} of {count} now.")
        rows = reverse(f"{self.admin_site.name}:providers_deployment_changelist")
        return HttpResponseRedirect(f"{rows}?{request.GET.urlencode()}#tried-{pk}")

    @admin.display(description="host", ordering="base_url")
    def host(self, deployment: Deployment) -> str:
        return vault.host_of(deployment)

    @admin.display(description="team key")
    def team_key(self, deployment: Deployment) -> str:
        """The keys that are used, or why none is."""
        keys: list[UpstreamKey] = getattr(deployment, "team_keys", [])
        if not deployment.needs_key:
            return "None needed"
        if not keys:
            return "None: simulated" if deployment.documented and settings.SIMULATOR_URL else "None: not served"
        here = [key for key in keys if key.host == vault.host_of(deployment)]
        if not here:
            return "Saved for another address: save it again"
        good = [key for key in here if key.state == UpstreamKey.State.GOOD]
        return ", ".join(map(_mask_and_rest, good)) or here[0].get_state_display()

    @admin.display(description="team key")
    def team_key_and_link(self, deployment: Deployment) -> str:
        if deployment._state.adding:
            return "Save the deployment first, then add its key."
        if not deployment.needs_key:
            return self.team_key(deployment)
        address = f"{reverse('admin:providers_upstreamkey_add')}?deployment={deployment.pk}"
        return format_html('{} · <a href="{}">Add a key</a>', self.team_key(deployment), address)


def _mask_and_rest(key: UpstreamKey) -> str:
    return f"…{key.last_four} (resting)" if key.is_resting(timezone.now()) else f"…{key.last_four}"
