"""Models, deployments and upstream keys in the admin. A key is typed in and never shown again."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin_rows import Admin
from providers import vault
from providers.errors import InvalidRequest
from providers.forms import NewKeyField, address_problem
from providers.models import Deployment, Model, UpstreamKey
from providers.patience import mark_key
from providers.services import remove_key, save_key


class KeptAdmin(Admin):
    """Rows that receipts point to: they are switched off, never deleted."""

    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Model)
class ModelAdmin(KeptAdmin):
    """The public name is what people's programs say: it is chosen once."""

    list_display = ("title", "name", "dialect", "thinks", "enabled", "position")
    list_filter = ("enabled", "dialect")
    search_fields = ("name", "title")
    fields = ("name", "title", "description", "dialect", "thinks", "enabled", "position")

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


@admin.register(Deployment)
class DeploymentAdmin(KeptAdmin):
    """Where models are served. The model and the dialect are chosen once."""

    form = DeploymentForm
    list_display = ("model", "dialect", "host", "enabled", "position", "team_key")
    list_filter = ("enabled", "dialect", "documented")
    list_select_related = ("model",)
    ordering = ("model__position", "position", "id")
    search_fields = ("model__name", "base_url", "upstream_model")
    fieldsets = (
        (None, {"fields": ("model", "dialect", "base_url", "upstream_model", "enabled", "position")}),
        ("Key", {"fields": ("team_key_and_link", "documented")}),
        ("Limits", {"fields": ("context_window", "max_output")}),
        ("Patience", {"fields": ("connect_timeout", "first_token_timeout", "silence_timeout")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Deployment | None = None) -> tuple[str, ...]:
        always = ("documented", "team_key_and_link")
        return ("model", "dialect", *always) if obj else always

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        team = UpstreamKey.objects.filter(owner=None).defer("ciphertext")
        found: QuerySet[Deployment] = super().get_queryset(request)
        return found.prefetch_related(Prefetch("keys", team, to_attr="team_keys"))

    @admin.display(description="host", ordering="base_url")
    def host(self, deployment: Deployment) -> str:
        return vault.host_of(deployment)

    @admin.display(description="team key")
    def team_key(self, deployment: Deployment) -> str:
        """The key that is used, or why none is."""
        keys: list[UpstreamKey] = getattr(deployment, "team_keys", [])
        if not keys:
            return "None: simulated" if deployment.documented and settings.SIMULATOR_URL else "None: not served"
        here = [key for key in keys if key.host == vault.host_of(deployment)]
        if not here:
            return "Saved for another address: save it again"
        good = [key for key in here if key.state == UpstreamKey.State.GOOD]
        return f"…{good[0].last_four}" if good else here[0].get_state_display()

    @admin.display(description="team key")
    def team_key_and_link(self, deployment: Deployment) -> str:
        if deployment._state.adding:
            return "Save the deployment first, then add its key."
        address = f"{reverse('admin:providers_upstreamkey_add')}?deployment={deployment.pk}"
        return format_html('{} · <a href="{}">Add a key</a>', self.team_key(deployment), address)


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameters when it runs
    """Takes a new key; the saved one is not among its fields."""

    new_key = NewKeyField(label="New key", help_text="Stored encrypted and never shown again.")

    class Meta:
        model = UpstreamKey
        fields: ClassVar[list[str]] = ["deployment", "state"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "state" in self.fields:  # the provider says what is wrong with a key, an admin only that it is good again
            allowed = {UpstreamKey.State.GOOD, self.instance.state}
            choices = [choice for choice in UpstreamKey.State.choices if choice[0] in allowed]
            self.fields["state"] = forms.ChoiceField(choices=choices)

    def clean(self) -> dict[str, Any] | None:
        """The key is saved here, where a refusal can still be shown beside the field."""
        cleaned = super().clean()
        plain = self.cleaned_data.get("new_key", "")
        replaced = None if self.instance._state.adding else self.instance
        if not plain and replaced is None:
            self.add_error("new_key", "Type or paste the whole key.")
        if plain and not self.errors and not self.instance.owner_id:
            deployment = replaced.deployment if replaced else self.cleaned_data["deployment"]
            self._save_key(deployment, plain, replaced)
        return cleaned

    def _save_key(self, deployment: Deployment, plain: str, replaced: UpstreamKey | None) -> None:
        try:
            self.saved: UpstreamKey | None = save_key(deployment=deployment, plain=plain, owner=None)
        except InvalidRequest as error:
            self.add_error("new_key", error.message)
            return
        if replaced and replaced.pk != self.saved.pk:
            remove_key(key=replaced)


@admin.register(UpstreamKey)
class UpstreamKeyAdmin(Admin):
    """The team's keys, and members' own: those are looked at, put back in use and removed, never replaced."""

    form = KeyForm
    list_display = ("mask", "deployment", "belongs_to", "host", "state", "fingerprint", "created")
    list_filter = ("state", "deployment__dialect")
    list_select_related = ("deployment__model", "owner")
    search_fields = ("deployment__model__name", "owner__email", "fingerprint", "last_four")
    ordering = ("-created",)
    list_per_page = 50
    known = ("deployment", "belongs_to", "host", "mask", "fingerprint", "created")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UpstreamKey]:
        found: QuerySet[UpstreamKey] = super().get_queryset(request)
        return found.defer("ciphertext")

    def get_fields(self, request: HttpRequest, obj: UpstreamKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("deployment", "new_key")
        replaceable = obj.owner_id is None and self.has_change_permission(request, obj)
        return (*self.known, "state", "new_key") if replaceable else (*self.known, "state")

    def get_readonly_fields(self, request: HttpRequest, obj: UpstreamKey | None = None) -> tuple[str, ...]:
        return self.known if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "deployment":
            kwargs["queryset"] = Deployment.objects.select_related("model").order_by("model__position", "position")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: UpstreamKey, form: Any, change: bool) -> None:
        """The form has saved a new key already; what is left is the state."""
        saved = getattr(form, "saved", None)
        if saved:
            # From here on, this is the row that the log and the next page speak of.
            obj.pk, obj.last_four = saved.pk, saved.last_four
        elif "state" in form.changed_data:
            mark_key(key=obj, state=obj.State(obj.state))

    def delete_model(self, request: HttpRequest, obj: UpstreamKey) -> None:
        remove_key(key=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UpstreamKey]) -> None:
        for key in queryset:
            remove_key(key=key)

    @admin.display(description="key", ordering="last_four")
    def mask(self, key: UpstreamKey) -> str:
        return f"…{key.last_four}"

    @admin.display(description="belongs to", ordering="owner__email")
    def belongs_to(self, key: UpstreamKey) -> str:
        return str(key.owner) if key.owner else "the team"
