"""The ledger in the admin: to be read. Credits enter by a grant with a reason, prices by a new version."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.admin_rows import Admin, ReadOnlyAdmin
from billing.forms import PriceForm
from billing.grant_page import grant_page
from billing.models import Account, Hold, Price, Transfer, UsageRecord
from billing.money import plain
from billing.services import set_price


def credits(field: str, title: str = "") -> Any:
    """A column of nanocredits, shown as credits."""

    @admin.display(description=title or field.replace("_", " "))
    def column(row: Any) -> str:
        nano = getattr(row, field)
        return "–" if nano is None else plain(nano)

    return column


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("__str__", credits("posted"), credits("held"), credits("available"))
    list_filter = ("kind",)
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    fields = ("kind", "user", credits("posted"), credits("held"), credits("available"), "transfers")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.grant)
        return [path("grant/", page, name="billing_grant"), *super().get_urls()]

    def grant(self, request: HttpRequest) -> HttpResponse:
        return grant_page(self, request)

    @admin.display(description="transfers")
    def transfers(self, account: Account) -> str:
        """Down to the rows that the balance is made of."""
        rows = reverse("admin:billing_transfer_changelist")
        return format_html(
            '<a href="{0}?credit__id__exact={1}">In</a> · <a href="{0}?debit__id__exact={1}">Out</a>', rows, account.pk
        )


@admin.register(Price)
class PriceAdmin(Admin):
    """A change is a new version: nothing here is edited or deleted."""

    form = PriceForm
    actions = None
    list_display = (
        "deployment",
        credits("input"),
        credits("output"),
        credits("cached_input"),
        credits("reasoning"),
        "source",
        "effective_from",
        "actor",
    )
    list_filter = ("source", "deployment__model")
    list_select_related = ("deployment__model", "actor")
    list_per_page = 50

    def get_fields(self, request: HttpRequest, obj: Price | None = None) -> Any:
        if obj is None:
            return ("deployment", "input", "output", "cached_input", "reasoning")
        return self.list_display

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        amounts = {name: form.cleaned_data[name] for name in ("input", "output", "cached_input", "reasoning")}
        saved = set_price(deployment=obj.deployment, actor=request.user, **amounts)  # type: ignore[arg-type]  # staff is a User
        obj.pk = saved.pk


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("created", "kind", credits("amount"), "debit", "credit", "subject", "reason", "actor")
    list_filter = ("kind",)
    list_select_related = ("debit__user", "credit__user", "actor")
    search_fields = ("subject__exact", "key__exact")
    search_help_text = "A whole subject, such as generation:…, or a whole key."
    ordering = ("-id",)  # ids are ordered by time, and unlike the time they have an index
    sortable_by = ()
    fields = ("created", "kind", credits("amount"), "debit", "credit", "subject", "key", "reason", "actor")


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ("created", "wallet", credits("amount"), credits("settled"), "state", "own_key", "subject")
    list_filter = ("state", "own_key")
    list_select_related = ("wallet__user",)
    search_fields = ("subject__exact",)
    search_help_text = "A whole subject, such as generation:…"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "created",
        "wallet",
        "subject",
        "state",
        credits("amount"),
        credits("settled"),
        "own_key",
        "prompt_tokens",
        "most_completion_tokens",
        "prices",
    )


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    list_display = (
        "created",
        "user",
        "model_name",
        "prompt_tokens",
        "completion_tokens",
        "reasoning_tokens",
        credits("charge"),
        "source",
        "outcome",
        "own_key",
        "simulated",
    )
    list_filter = ("outcome", "own_key", "simulated")
    list_select_related = ("user",)
    search_fields = ("user__email__exact", "subject__exact", "model_name__exact")
    search_help_text = "A whole e-mail address, subject or model name."
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "created",
        ("user", "purpose", "outcome"),
        ("model_name", "deployment", "own_key", "simulated"),
        ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "source"),
        (credits("charge"), "price", "upstream_cost"),
        ("first_token_ms", "duration_ms"),
        ("subject", "hold"),
        "raw_usage",
        "attempts",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageRecord]:
        found: QuerySet[UsageRecord] = super().get_queryset(request)
        return found.select_related("deployment__model", "price__deployment__model", "hold")
