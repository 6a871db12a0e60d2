"""What may rest, in the admin: how it stands in words, and the button and action that put it back in use."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from accounts.admin_rows import Admin
from providers.models import Resting, UpstreamKey
from providers.patience import lift


@dataclass(frozen=True, slots=True)
class Tool:
    """A button on top of a row's page: what it says, and where it posts to."""

    words: str
    address: str


def is_out_of_use(row: Resting) -> bool:
    """Whether there is anything to lift: a pause, failures in a row, or what the provider said of a key."""
    ill = isinstance(row, UpstreamKey) and row.state != UpstreamKey.State.GOOD
    return ill or row.resting_until is not None or row.failures > 0


class RestingAdmin(Admin):
    """Shows `tools` on a row's page; a subclass adds its own."""

    actions: Any = ("put_back",)

    def tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        if not (self.has_change_permission(request, row) and is_out_of_use(row)):
            return []
        return [Tool("Put back in use", self.address_of("lift", row))]

    def address_of(self, page: str, row: Any) -> str:
        """The address of a page of this table, for a row."""
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[row.pk])

    def get_urls(self) -> list[URLPattern]:
        return [self.url_of("lift", self.lift_view), *super().get_urls()]

    def url_of(self, page: str, view: Any) -> URLPattern:
        name = f"{self.opts.app_label}_{self.opts.model_name}_{page}"
        found: URLPattern = path(f"<uuid:pk>/{page}/", self.admin_site.admin_view(view), name=name)
        return found

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        row = options.get("obj")
        context["tools"] = self.tools(request, row) if row else []
        return super().render_change_form(request, context, *args, **options)

    def posted_row(self, request: HttpRequest, pk: Any) -> Any:
        """The row of a button that was pressed; for whoever may change it."""
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return row

    def lift_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.posted_row(request, pk)
        self._put_back(request, row)
        messages.success(request, f"{row} is in use again.")
        return HttpResponseRedirect(self.address_of("change", row))

    @admin.action(description="Lift the pause, put back in use", permissions=["change"])
    def put_back(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        rows = [row for row in queryset if is_out_of_use(row)]
        for row in rows:
            self._put_back(request, row)
        messages.success(request, f"{len(rows)} put back in use." if rows else "All of these were in use already.")

    def _put_back(self, request: HttpRequest, row: Resting) -> None:
        lift(row)
        self.log_change(request, row, "Put back in use.")
