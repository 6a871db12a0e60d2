"""The admin's deployments with what they cost: `providers` knows no prices."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string

from billing.models import Price
from billing.prices import Timeline, in_words
from providers.admin import DeploymentAdmin
from providers.models import Deployment


class PricedDeploymentAdmin(DeploymentAdmin):
    """Says of each deployment what it costs, or that paid use is refused."""

    def get_list_display(self, request: HttpRequest) -> Any:
        return *super().get_list_display(request), self._price(request)

    def _price(self, request: HttpRequest) -> Callable[[Deployment], str]:
        @admin.display(description="price per million")
        def price(deployment: Deployment) -> str:
            if "timeline" not in request.__dict__:
                request.__dict__["timeline"] = Timeline.of()  # once a page, when the first row asks
            return price_of(deployment, request.__dict__["timeline"])

        return price

    def get_fieldsets(self, request: HttpRequest, obj: Deployment | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, ("Price", {"fields": ("price",)})] if obj else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Deployment | None = None) -> tuple[str, ...]:
        return *super().get_readonly_fields(request, obj), "price"

    @admin.display(description="credits per million tokens")
    def price(self, deployment: Deployment) -> str:
        return price_of(deployment, Timeline.of(deployment))


def price_of(deployment: Deployment, timeline: Timeline) -> str:
    """What it costs now and next, with the way to change it."""
    price, waiting = timeline.at(deployment.pk), timeline.waiting(deployment.pk)
    values = {
        "deployment": deployment,
        "is_demo": price and price.source == Price.Source.DEMO,
        "price": price and in_words(price),
        "next": waiting[0] if waiting else None,
        "next_price": in_words(waiting[0]) if waiting else "",
    }
    return render_to_string("admin/billing/price/of_deployment.html", values)
