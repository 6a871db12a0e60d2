"""What billing does in the background. Idempotent, and nothing here is needed for a charge to be right."""

import logging

from celery import shared_task

from billing.audit import audit

log = logging.getLogger(__name__)


@shared_task(name="billing.tasks.check_ledger")  # type: ignore[untyped-decorator]  # celery has no types
def check_ledger() -> int:
    """Log every broken invariant; returns how many there are."""
    problems = audit()
    for problem in problems:
        log.error("Ledger: %s", problem)
    return len(problems)
