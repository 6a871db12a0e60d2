"""What the panel does in the background: probes, forgetting old ones, and ending tests that lost their process."""

from celery import shared_task

from panel import key_test, probes
from providers import health


@shared_task(name="panel.tasks.probe_deployments")  # type: ignore[untyped-decorator]  # celery has no types
def probe_deployments() -> int:
    """Probe what was not heard of for a minute; how many deployments that were."""
    return probes.probe_all()


@shared_task(name="panel.tasks.forget_old_observations")  # type: ignore[untyped-decorator]
def forget_old_observations() -> int:
    """Delete observations older than a day; how many went."""
    return health.forget_old()


@shared_task(name="panel.tasks.end_lost_tests")  # type: ignore[untyped-decorator]
def end_lost_tests() -> int:
    """Close tests of keys whose process is gone; how many there were."""
    return key_test.end_lost_tests()
