"""The end of an answer: its row and its money, tried until the database takes them."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from conversations import runs
from conversations.engine.answer import Answer, Draft
from conversations.models import Generation
from providers.errors import ChatsiteError
from providers.routing import Route
from providers.threads import aside, in_thread
from providers.types import UsageReported

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


@dataclass(slots=True)
class Outcome:
    """How an answer came to its end; a failure until it is known better."""

    status: Generation.Status = Generation.Status.FAILED
    reported: UsageReported | None = None
    error: ChatsiteError | None = None


async def settle(answer: Answer, route: Route, outcome: Outcome, leaving: asyncio.Event) -> str:
    """Write the end and return the status that stands.

    While the database is away the answer stays in memory and the write is tried again, until the process is
    `leaving`: then the next start settles what was saved on the way. So does a write that can never succeed.
    """
    generation, draft, pause = answer.generation, answer.draft(), FIRST_PAUSE
    result, hopeless = None, False
    while True:
        try:
            if hopeless:
                return await in_thread(runs.give_up)(generation)
            result = result or await aside(_result)(answer, draft, route, outcome)
            return await in_thread(runs.end)(generation, result)
        except (OperationalError, InterfaceError) as error:
            log.warning("The end of %s waits for the database: %s", generation.pk, error)
        except Exception:
            log.exception("The end of %s cannot be stored as it is", generation.pk)
            hopeless = True
        if leaving.is_set():
            return Generation.Status.INTERRUPTED
        with suppress(TimeoutError):
            await asyncio.wait_for(leaving.wait(), pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _result(answer: Answer, draft: Draft, route: Route, outcome: Outcome) -> runs.Result:
    result = runs.Result(
        status=outcome.status,
        text=draft.text,
        reasoning=draft.reasoning,
        tokens=answer.count(draft),
        reported=outcome.reported,
        deployment=route.serving.endpoint.deployment.pk if route.serving else None,
        attempts=route.attempts,
        first_token_ms=answer.first_token_ms(),
        thought_ms=answer.thought_ms(),
        duration_ms=answer.duration_ms(),
        error=outcome.error,
    )
    return runs.rendered(result)
