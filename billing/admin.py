"""The ledger in the admin: to be read. Credits enter by a grant with a reason, prices by a new version."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.admin_rows import Admin, ReadOnlyAdmin
from billing.attempts import attempts_table
from billing.grant_page import grant_page
from billing.models import Account, Hold, Price, Transfer, UsageRecord
from billing.money import plain
from billing.price_page import price_page, undo_page
from billing.prices import Timeline, unpriced


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


@admin.display(description="from (UTC)")
def begins(price: Price) -> str:
    return f"{price.effective_from:%Y-%m-%d %H:%M}"


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


def _who(price: Price) -> str:
    """Who set it, and where its figures come from if not from that person."""
    if price.source == Price.Source.ADMIN:
        return str(price.actor or "a file, by manage.py apply")
    source = price.get_source_display()
    return f"{price.actor}, {source}" if price.actor else source


@admin.register(Price)
class PriceAdmin(Admin):
    """A change is a new version, previewed and confirmed: nothing here is edited or deleted."""

    actions = None
    list_filter = ("source", "deployment__model")
    list_select_related = ("deployment__model", "actor")
    list_per_page = 50
    show_full_result_count = False
    # Of each deployment the version that begins last stands on top.
    ordering = ("deployment__model__position", "deployment__position", "deployment_id", "-effective_from", "-id")
    sortable_by = ()
    figures = (rate("input"), rate("output"), rate("cached_input"), rate("reasoning"))

    def get_list_display(self, request: HttpRequest) -> Any:
        return "deployment", self._state(request), *self.figures, begins, "who_and_why"

    def _state(self, request: HttpRequest) -> Callable[[Price], str]:
        may = self.has_add_permission(request)

        @admin.display(description="state")
        def state(price: Price) -> str:
            timeline: Timeline = request.__dict__.setdefault("timeline", None) or Timeline.of()
            request.__dict__["timeline"] = timeline
            values = {"price": price, "state": timeline.state(price), "may": may and timeline.can_go_back(price)}
            return render_to_string("admin/billing/price/state.html", values)

        return state

    @admin.display(description="set by, and why")
    def who_and_why(self, price: Price) -> str:
        reason = format_html('<div class="quiet">{}</div>', price.reason) if price.reason else ""
        return format_html("{}{}", _who(price), reason)

    def get_fields(self, request: HttpRequest, obj: Price | None = None) -> Any:
        return ("deployment", *self.figures, begins, "source", "actor", "reason")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.undo)
        return [path("<uuid:pk>/undo/", page, name="billing_price_undo"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return price_page(self, request)

    def undo(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return undo_page(self, request, pk)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"unpriced": unpriced(), **(extra_context or {})})

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False


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
