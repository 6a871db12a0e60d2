"""Work in the background about people."""

from celery import shared_task
from django.core.management import call_command


@shared_task  # type: ignore[untyped-decorator]  # celery has no types
def end_old_sessions() -> None:
    """Delete the sessions that have run out."""
    call_command("clearsessions")
