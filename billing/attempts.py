"""What was tried for one request, as a table for admins."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string

from billing.models import UsageRecord
from providers.models import Deployment

RESULTS = {
    "ok": "answered",
    "stopped": "stopped here",
    "busy": "no connection free",
    "invalid_request": "not sent: the request does not fit",
    "upstream_rejected": "refused",
    "upstream_unavailable": "unavailable",
    "upstream_timeout": "too late",
    "upstream_protocol_error": "not understood",
    "internal": "failure of our own",
}


def attempts_table(record: UsageRecord) -> str:
    """HTML; every value of a provider's is escaped."""
    return render_to_string("admin/billing/usagerecord/attempts.html", {"attempts": list(_rows(record))})


def _rows(record: UsageRecord) -> Iterator[dict[str, Any]]:
    ids = {UUID(attempt["deployment"]) for attempt in record.attempts if attempt.get("deployment")}
    deployments = {str(row.pk): row for row in Deployment.objects.filter(pk__in=ids).select_related("model")}
    for attempt in record.attempts:
        result = str(attempt.get("result", ""))
        yield {
            **attempt,
            "place": deployments.get(attempt.get("deployment")),
            "words": RESULTS.get(result, result),
            "dropped": ", ".join(attempt.get("dropped") or []),
        }
