"""Celery's periodic tasks without Celery: one background thread of the one web process, for when there is no Redis."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string

log = logging.getLogger(__name__)
# Seconds: a process that is restarted every day still gets its daily work done.
FIRST_AFTER = 60.0
STOP_LIMIT = 5.0


@dataclass
class Job:
    task: str  # dotted path
    period: float  # seconds
    due: float = field(init=False)  # on the monotonic clock

    def __post_init__(self) -> None:
        self.due = time.monotonic() + min(self.period, FIRST_AFTER)


class Scheduler:
    """Runs jobs one after the other, each on its period."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="schedule", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Start nothing more; wait a moment for a task that is running."""
        self._stopping.set()
        self._thread.join(STOP_LIMIT)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause()):
            for job in self._jobs:
                if job.due <= time.monotonic() and not self._stopping.is_set():
                    job.due = time.monotonic() + job.period
                    run_task(job.task)

    def _pause(self) -> float | None:
        return max(0.0, min(job.due for job in self._jobs) - time.monotonic()) if self._jobs else None


def run_task(path: str) -> None:
    """Run one task here and now, whatever becomes of it, and give its connections back."""
    try:
        task: Callable[[], object] = import_string(path)
        task()
    except Exception:
        log.exception("%s failed; it runs again after its period.", path)
    finally:
        connections.close_all()


_running: list[Scheduler] = []


def start() -> None:
    """Start the thread, once a process. With Redis this is the work of Celery's beat."""
    if not _running and not settings.REDIS_URL:
        entries: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
        _running.append(Scheduler([Job(entry["task"], entry["schedule"]) for entry in entries.values()]))


def stop() -> None:
    """Stop the thread, if it was started."""
    while _running:
        _running.pop().stop()
