"""Provider keys in the admin, with a test: the table is `providers`' own, the test needs the ledger."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html

from panel.key_test import Outcome, run_tests
from panel.people import signed_in
from providers.admin_keys import UpstreamKeyAdmin
from providers.admin_rest import Tool
from providers.endpoints import Endpoint
from providers.models import UpstreamKey

MOST_AT_ONCE = 5

admin.site.unregister(UpstreamKey)


@admin.register(UpstreamKey)
class TestedKeyAdmin(UpstreamKeyAdmin):
    """Tests are for the team's keys: a member's own costs that member money at the provider."""

    actions = ("test_selected", "put_back")

    def tools(self, request: HttpRequest, row: UpstreamKey) -> list[Tool]:
        found = super().tools(request, row)
        if row.owner_id or not self.has_change_permission(request, row):
            return found
        return [Tool("Test", self.address_of("test", row)), *found]

    def get_urls(self) -> list[URLPattern]:
        return [self.url_of("test", self.test_view), *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        key = self.posted_row(request, pk)
        self._test(request, [key])
        return HttpResponseRedirect(self.address_of("change", key))

    @admin.action(description=f"Test (up to {MOST_AT_ONCE})", permissions=["change"])
    def test_selected(self, request: HttpRequest, queryset: QuerySet[UpstreamKey]) -> None:
        keys = list(queryset[: MOST_AT_ONCE + 1])
        if len(keys) > MOST_AT_ONCE:
            messages.error(request, f"Nothing was tested: choose at most {MOST_AT_ONCE} keys at once.")
            return
        self._test(request, keys)

    def _test(self, request: HttpRequest, keys: Sequence[UpstreamKey]) -> None:
        teams = [key for key in keys if key.owner_id is None]
        outcomes = run_tests(endpoints=[Endpoint(key.deployment, key) for key in teams], by=signed_in(request))
        for key, outcome in zip(teams, outcomes, strict=True):
            self._tell(request, key, outcome)
        if len(teams) < len(keys):
            messages.warning(request, "A member's own key is tested by that member alone, under Settings.")

    def _tell(self, request: HttpRequest, key: UpstreamKey, outcome: Outcome) -> None:
        if outcome.record:
            self.log_change(request, key, f"Tested. {outcome.words}")
        link = ""
        if outcome.record:
            address = reverse(f"{self.admin_site.name}:billing_usagerecord_change", args=[outcome.record.pk])
            link = format_html(' <a href="{}">Usage record</a>', address)
        tell = messages.success if outcome.ok else messages.error
        tell(request, format_html("{}: {} {}{}", str(key), outcome.words, outcome.note, link))

    def response_add(self, request: HttpRequest, obj: UpstreamKey, post_url_continue: str | None = None) -> Any:
        """On to the key's own page, where its test is one click away."""
        if "_addanother" in request.POST or not self.has_change_permission(request, obj):
            return super().response_add(request, obj, post_url_continue)
        messages.success(request, f"Saved {obj}. “Test” asks it for one word and says whether it works.")
        return HttpResponseRedirect(self.address_of("change", obj))
