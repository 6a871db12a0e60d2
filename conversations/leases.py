"""Who is alive: one heartbeat row per process that runs generations, by the database's clock. And the sweep."""

import os
import socket
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from accounts.ids import new_id
from conversations.models import EngineProcess, Generation
from conversations.runs import interrupt

LEASE_SECONDS = 12
BEAT_SECONDS = 2
NAME = f"{socket.gethostname()}:{os.getpid()}"[:120]
NOTHING = Q(pk__in=[])


def register() -> UUID:
    """A heartbeat row for this process."""
    process = new_id()
    beat(process)
    return process


def beat(process: UUID) -> None:
    """Live for another lease. A process that was taken for lost meanwhile gets its row back."""
    if not EngineProcess.objects.filter(pk=process).update(beat=Now()):
        # The times are the database's.
        EngineProcess.objects.create(pk=process, name=NAME, started=Now(), beat=Now())


def leave(process: UUID) -> None:
    """This process ends: nothing may stay behind in its name."""
    interrupt(Q(process=process))
    EngineProcess.objects.filter(pk=process).delete()


def sweep(*, alone: bool = False, also: Q = NOTHING) -> list[Generation]:
    """End every generation that lost its process, and `also` those; returns what it ended.

    `alone`: no other process can be alive.
    """
    if alone:
        ended = interrupt(Q())
        EngineProcess.objects.all().delete()
        return ended
    expired = Now() - timedelta(seconds=LEASE_SECONDS)
    living = EngineProcess.objects.filter(beat__gte=expired)
    # A queued turn waits for any living process, and for one lease even when there is none.
    unclaimed = Q(status=Generation.Status.QUEUED, created__lt=expired) & ~Q(Exists(living))
    lost = Q(status=Generation.Status.RUNNING) & ~Q(Exists(living.filter(pk=OuterRef("process"))))
    ended = interrupt(unclaimed | lost | also)
    EngineProcess.objects.filter(beat__lt=expired, generations=None).delete()
    return ended
