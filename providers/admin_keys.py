"""Upstream keys in the admin. A key is typed in and never shown again."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from providers.admin_rest import RestingAdmin
from providers.errors import InvalidRequest
from providers.forms import NewKeyField
from providers.models import Deployment, UpstreamKey
from providers.patience import mark_key
from providers.rest_words import state_of
from providers.services import remove_key, save_key


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
class UpstreamKeyAdmin(RestingAdmin):
    """The team's keys, and members' own: those are looked at, put back in use and removed, never replaced."""

    form = KeyForm
    list_display = ("mask", "deployment", "belongs_to", "standing", "failures", "credits_left", "host", "created")
    list_filter = ("state", "deployment__dialect")
    list_select_related = ("deployment__model", "owner")
    search_fields = ("deployment__model__name", "owner__email", "fingerprint", "last_four")
    ordering = ("-created",)
    list_per_page = 50
    known = ("deployment", "belongs_to", "host", "mask", "fingerprint", "created")
    course = ("standing", "failures", "last_problem", "credits_left")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UpstreamKey]:
        found: QuerySet[UpstreamKey] = super().get_queryset(request)
        return found.defer("ciphertext")

    def get_fields(self, request: HttpRequest, obj: UpstreamKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("deployment", "new_key")
        replaceable = obj.owner_id is None and self.has_change_permission(request, obj)
        shown = (*self.known, *self.course, "state")
        return (*shown, "new_key") if replaceable else shown

    def get_readonly_fields(self, request: HttpRequest, obj: UpstreamKey | None = None) -> tuple[str, ...]:
        return (*self.known, *self.course) if obj else ()

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

    @admin.display(description="how it stands", ordering="state")
    def standing(self, key: UpstreamKey) -> str:
        return state_of(key, timezone.now())

    @admin.display(description="credits left", ordering="credits")
    def credits_left(self, key: UpstreamKey) -> str:
        """In the provider's own credits, where it tells."""
        return "not told" if key.credits is None else f"{key.credits.normalize():f}"
