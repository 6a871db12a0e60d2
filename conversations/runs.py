"""A run of a model, row by row: claimed, saved on its way, ended. Each step is one transaction."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.html import linebreaks

from accounts import fail_points
from billing.models import UsageRecord
from billing.pricing import Tokens
from billing.settlement import Ending, close
from conversations.models import Conversation, Generation, Message
from conversations.prompting import branch, build_request
from conversations.protocol import Params
from conversations.rendering import render
from providers.endpoints import Candidate, candidates_from
from providers.errors import ChatsiteError
from providers.types import ChatRequest, UsageReported

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed generation with all that is needed to run it."""

    generation: Generation
    request: ChatRequest
    candidates: list[Candidate]


def claim(*, process: UUID, most: int) -> list[Work]:
    """Take up to `most` queued generations for this process; nobody else can have them."""
    queued = Generation.objects.filter(status=Generation.Status.QUEUED).order_by("created")
    if most < 1 or not queued.exists():
        return []
    with transaction.atomic():
        free = queued.select_for_update(skip_locked=True).values_list("pk", flat=True)
        ids = list(free[:most])
        Generation.objects.filter(pk__in=ids, status=Generation.Status.QUEUED).update(
            status=Generation.Status.RUNNING, process=process, started=timezone.now()
        )
    if ids:
        fail_points.reached("after_started")
    taken = Generation.objects.with_rows().filter(pk__in=ids, process=process).order_by("created")
    return [_work(generation) for generation in taken]


def _work(generation: Generation) -> Work:
    request = build_request(
        messages=branch(generation.prompt),
        model=generation.model,
        params=Params.model_validate(generation.params),
        user=generation.user,
    )
    return Work(generation, request, candidates_from(generation.route))


def served_by(generation: Generation, candidate: Candidate) -> None:
    """Note that another candidate than the first began to answer: should this process be lost, its price counts."""
    serving = candidate.as_json()
    generation.route = [serving, *(row for row in generation.route if row != serving)]
    generation.save(update_fields=["route"])


def stops_for(*, process: UUID) -> list[UUID]:
    """Running generations of this process that somebody wants stopped."""
    wanted = Generation.objects.filter(
        process=process, status=Generation.Status.RUNNING, stop_requested_at__isnull=False
    )
    return list(wanted.values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Progress:
    """An answer so far, with our count of its tokens."""

    generation: UUID
    message: UUID
    text: str
    reasoning: str
    tokens: Tokens


def save_progress(answers: list[Progress]) -> None:
    """Checkpoint all answers of a process: two statements, however many there are. An ended answer is not touched."""
    running = Generation.objects.filter(status=Generation.Status.RUNNING)
    unfinished = Message.objects.filter(generation__status=Generation.Status.RUNNING)
    with transaction.atomic():
        # The runs first, as an end does: whoever comes second waits here, and finds what the first one left.
        running.bulk_update(
            [
                Generation(
                    pk=each.generation,
                    completion_tokens=each.tokens.completion,
                    reasoning_tokens=each.tokens.reasoning,
                )
                for each in answers
            ],
            ["completion_tokens", "reasoning_tokens"],
        )
        unfinished.bulk_update(
            [Message(pk=each.message, text=each.text, reasoning=each.reasoning) for each in answers],
            ["text", "reasoning"],
        )
    fail_points.reached("mid_stream")


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. `tokens` is our count of its output; `reported` the upstream's, if it gave one."""

    status: Generation.Status
    text: str
    reasoning: str
    tokens: Tokens
    html: str = ""
    reasoning_html: str = ""
    reported: UsageReported | None = None
    deployment: UUID | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    first_token_ms: int | None = None
    thought_ms: int | None = None
    duration_ms: int = 0
    error: ChatsiteError | None = None


def rendered(result: Result) -> Result:
    """The result with its texts rendered: before the transaction, since it takes its time."""
    return replace(result, html=_html(result.text), reasoning_html=_html(result.reasoning))


def finish_turn(generation: Generation, result: Result) -> bool:
    """The end: text, rendered text, hold, charge and usage record in one transaction. False: somebody else ended it."""
    with transaction.atomic():
        won = Generation.objects.filter(pk=generation.pk, status__in=Generation.UNFINISHED).update(
            status=result.status,
            finished=timezone.now(),
            first_token=_moment(generation, result.first_token_ms),
            thought_ms=result.thought_ms,
            completion_tokens=result.tokens.completion,
            reasoning_tokens=result.tokens.reasoning,
            error_code=result.error.code if result.error else "",
            error_message=result.error.message[:500] if result.error else "",
        )
        if not won:
            return False
        Message.objects.filter(pk=generation.answer_id).update(
            text=result.text, reasoning=result.reasoning, html=result.html, reasoning_html=result.reasoning_html
        )
        Conversation.objects.filter(pk=generation.conversation_id).update(touched=timezone.now())
        close(generation.subject, _ending(generation, result))
    return True


def _html(text: str) -> str:
    """No text, however strange, may keep a run from ending and its credits from being given back."""
    try:
        return render(text)
    except Exception:
        log.exception("A text of %s characters cannot be rendered", len(text))
        return linebreaks(text, autoescape=True)


def _moment(generation: Generation, after_ms: int | None) -> datetime | None:
    if generation.started is None or after_ms is None:
        return None
    return generation.started + timedelta(milliseconds=after_ms)


def _ending(generation: Generation, result: Result) -> Ending:
    return Ending(
        outcome=UsageRecord.Outcome(result.status.value),
        model_name=generation.model.name,
        counted=result.tokens,
        reported=result.reported,
        deployment=result.deployment,
        simulated=generation.simulated,
        attempts=result.attempts,
        first_token_ms=result.first_token_ms,
        duration_ms=result.duration_ms,
    )


def end(generation: Generation, result: Result) -> str:
    """Finish the turn and return the status that stands: another's, when somebody else ended it first."""
    fail_points.reached("before_settle")
    won = finish_turn(generation, result)
    fail_points.reached("after_settle")
    return result.status if won else _status(generation)


def give_up(generation: Generation) -> str:
    """End with what was checkpointed a turn that cannot be finished; the status that stands."""
    saved = Generation.objects.with_rows().get(pk=generation.pk)
    return end(saved, _saved(saved))


def _status(generation: Generation) -> str:
    return Generation.objects.values_list("status", flat=True).get(pk=generation.pk)


def interrupt(lost: Q) -> list[Generation]:
    """End generations whose process is gone with what was checkpointed, each in its own transaction; those it ended."""
    ended = []
    for generation in Generation.objects.with_rows().filter(lost, status__in=Generation.UNFINISHED):
        try:
            if finish_turn(generation, _saved(generation)):
                ended.append(generation)
        except Exception:  # the others must not wait for this one
            log.exception("Generation %s cannot be ended; the next sweep tries again", generation.pk)
    return ended


def _saved(generation: Generation) -> Result:
    route = generation.route[0] if generation.route else {}
    saved = Result(
        status=Generation.Status.INTERRUPTED,
        text=generation.answer.text,
        reasoning=generation.answer.reasoning,
        tokens=Tokens(completion=generation.completion_tokens, reasoning=generation.reasoning_tokens),
        deployment=UUID(route["deployment"]) if route else None,
    )
    return rendered(saved)
