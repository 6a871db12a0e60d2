"""The ledger in the admin: to be read. Credits enter by a grant with a reason, prices by a new version."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.admin_rows import Admin, ReadOnlyAdmin
from billing.attempts import attempts_table
from billing.forms import PriceForm
from billing.grant_page import grant_page
from billing.models import Account, Hold, Price, Transfer, UsageRecord
from billing.money import plain
from billing.services import set_price


def number(field: str, title: str = "", words: Callable[[int], str] = "{:,}".format, zero: str = "–") -> Any:
    """A right-aligned column of whole numbers, in `words`."""

    @admin.display(description=title or field.replace("_", " "))
    def column(row: Any) -> str:
        value = getattr(row, field)
        if value is None:
            return "–"
        return words(value) if value else zero

    column.__name__ = f"number_{field}"  # the class of its cells
    return column


def amount(field: str) -> Any:
    """Nanocredits, shown as credits."""
    return number(field, words=plain)


def rate(field: str) -> Any:
    """A price: here 0 is something else than none."""
    return number(field, words=plain, zero="0")


@admin.display(description="time (UTC)")
def time(row: Any) -> str:
    return f"{row.created:%Y-%m-%d %H:%M:%S}"


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("__str__", amount("posted"), amount("held"), amount("available"))
    list_filter = ("kind",)
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    fields = ("kind", "user", amount("posted"), amount("held"), amount("available"), "transfers")

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
        rate("input"),
        rate("output"),
        rate("cached_input"),
        rate("reasoning"),
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
    list_display = (time, "kind", amount("amount"), "debit", "credit", "subject", "reason", "actor")
    list_filter = ("kind",)
    list_select_related = ("debit__user", "credit__user", "actor")
    search_fields = ("subject__exact", "key__exact")
    search_help_text = "A whole subject, such as generation:…, or a whole key."
    ordering = ("-id",)  # ids are ordered by time, and unlike the time they have an index
    sortable_by = ()
    fields: ClassVar[Any] = (time, "kind", amount("amount"), "debit", "credit", "subject", "key", "reason", "actor")


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = (time, "wallet", amount("amount"), amount("settled"), "state", "own_key", "subject")
    list_filter = ("state", "own_key")
    list_select_related = ("wallet__user",)
    search_fields = ("subject__exact",)
    search_help_text = "A whole subject, such as generation:…"
    ordering = ("-id",)
    sortable_by = ()
    fields: ClassVar[Any] = (
        time,
        "wallet",
        "subject",
        "state",
        amount("amount"),
        amount("settled"),
        "own_key",
        "prompt_tokens",
        "most_completion_tokens",
        "prices",
    )


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    list_display = (
        time,
        "user",
        "model_name",
        number("prompt_tokens", "tokens in"),
        number("completion_tokens", "tokens out"),
        amount("charge"),
        "outcome",
        "served_by",
    )
    list_filter = ("outcome", "purpose", "own_key", "simulated")
    list_select_related = ("user",)
    search_fields = ("user__email__exact", "subject__exact", "model_name__exact")
    search_help_text = "A whole e-mail address, subject or model name."
    ordering = ("-id",)
    sortable_by = ()
    fields: ClassVar[Any] = (
        time,
        ("user", "purpose", "outcome"),
        ("model_name", "deployment", "own_key", "simulated"),
        ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "source"),
        (amount("charge"), "price", "upstream_cost"),
        ("first_token_ms", "duration_ms"),
        ("subject", "hold"),
        "raw_usage",
        "tried",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageRecord]:
        found: QuerySet[UsageRecord] = super().get_queryset(request)
        return found.select_related("deployment__model", "price__deployment__model", "hold")

    @admin.display(description="attempts")
    def tried(self, record: UsageRecord) -> str:
        return attempts_table(record)

    @admin.display(description="served by")
    def served_by(self, record: UsageRecord) -> str:
        """Whose key answered, if any did."""
        if record.deployment_id is None:
            return "–"
        if record.own_key:
            return "own key"
        return "simulated upstream" if record.simulated else "team’s key"
