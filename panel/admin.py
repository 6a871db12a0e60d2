"""Keys and deployments in the admin, with a test: the tables are `providers`' own, the test needs the ledger."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html

from billing.deployment_admin import PricedDeploymentAdmin
from panel.key_test import Outcome, run_tests
from panel.people import signed_in
from providers.admin_keys import UpstreamKeyAdmin
from providers.admin_rest import RestingAdmin, Tool
from providers.endpoints import Endpoint
from providers.models import Deployment, UpstreamKey

MOST_AT_ONCE = 5

admin.site.unregister([Deployment, UpstreamKey])


class TestedAdmin(RestingAdmin):
    """A “Test” button on a row's page; a subclass says which rows have one, and runs it."""

    @abstractmethod
    def is_tested(self, row: Any) -> bool: ...

    @abstractmethod
    def test_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None: ...

    def tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        found = super().tools(request, row)
        if not (self.is_tested(row) and self.has_change_permission(request, row)):
            return found
        return [Tool("Test", self.address_of("test", row)), *found]

    def get_urls(self) -> list[URLPattern]:
        return [self.url_of("test", self.test_view), *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.posted_row(request, pk)
        self.test_rows(request, [row])
        return HttpResponseRedirect(self.address_of("change", row))

    def tell(self, request: HttpRequest, row: Any, outcome: Outcome) -> None:
        """What came out, with the way to its usage record; and a line in the row's history."""
        link = ""
        if outcome.record:
            self.log_change(request, row, f"Tested. {outcome.words}")
            address = reverse(f"{self.admin_site.name}:billing_usagerecord_change", args=[outcome.record.pk])
            link = format_html(' <a href="{}">Usage record</a>', address)
        tell = messages.success if outcome.ok else messages.error
        tell(request, format_html("{}: {} {}{}", str(row), outcome.words, outcome.note, link))


@admin.register(Deployment)
class TestedDeploymentAdmin(TestedAdmin, PricedDeploymentAdmin):
    """A server that asks for no key is tested itself; elsewhere each key is."""

    def is_tested(self, row: Deployment) -> bool:
        return not row.needs_key

    def test_rows(self, request: HttpRequest, rows: Sequence[Deployment]) -> None:
        keyless = [row for row in rows if self.is_tested(row)]
        outcomes = run_tests(endpoints=[Endpoint(row, None) for row in keyless], by=signed_in(request))
        for row, outcome in zip(keyless, outcomes, strict=True):
            self.tell(request, row, outcome)
        if len(keyless) < len(rows):
            messages.warning(request, "This deployment is called with keys: test one of them.")


@admin.register(UpstreamKey)
class TestedKeyAdmin(TestedAdmin, UpstreamKeyAdmin):
    """Tests are for the team's keys: a member's own costs that member money at the provider."""

    actions = ("test_selected", "put_back")

    def is_tested(self, row: UpstreamKey) -> bool:
        return row.owner_id is None

    @admin.action(description=f"Test (up to {MOST_AT_ONCE})", permissions=["change"])
    def test_selected(self, request: HttpRequest, queryset: QuerySet[UpstreamKey]) -> None:
        keys = list(queryset[: MOST_AT_ONCE + 1])
        if len(keys) > MOST_AT_ONCE:
            messages.error(request, f"Nothing was tested: choose at most {MOST_AT_ONCE} keys at once.")
            return
        self.test_rows(request, keys)

    def test_rows(self, request: HttpRequest, rows: Sequence[UpstreamKey]) -> None:
        teams = [key for key in rows if self.is_tested(key)]
        outcomes = run_tests(endpoints=[Endpoint(key.deployment, key) for key in teams], by=signed_in(request))
        for key, outcome in zip(teams, outcomes, strict=True):
            self.tell(request, key, outcome)
        if len(teams) < len(rows):
            messages.warning(request, "A member's own key is tested by that member alone, under Settings.")

    def response_add(self, request: HttpRequest, obj: UpstreamKey, post_url_continue: str | None = None) -> Any:
        """On to the key's own page, where its test is one click away."""
        if "_addanother" in request.POST or not self.has_change_permission(request, obj):
            return super().response_add(request, obj, post_url_continue)
        messages.success(request, f"Saved {obj}. “Test” asks it for one word and says whether it works.")
        return HttpResponseRedirect(self.address_of("change", obj))
