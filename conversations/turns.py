"""A turn from the key press to the last row: start, claim, stop, checkpoint, finish. Each is one transaction."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from billing.admission import Caller, admit
from billing.models import UsageRecord
from billing.pricing import Tokens
from billing.settlement import Ending, close
from conversations.engine import bell
from conversations.errors import TurnRefused
from conversations.models import Conversation, Generation, Message
from conversations.prompting import branch, build_request
from conversations.protocol import Params
from conversations.rendering import render
from providers import dialects
from providers.errors import ChatsiteError, ModelNotFound
from providers.models import Model
from providers.routing import Candidate, candidates_from
from providers.tokens import count_prompt
from providers.types import ChatRequest, UsageReported

TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Started:
    """A turn that runs or has run; `is_new` is False when the same client id was seen before."""

    generation: Generation
    is_new: bool


def start_turn(
    *,
    user: User,
    conversation_id: UUID | None,
    parent_id: UUID | None,
    text: str,
    model_name: str,
    params: Params,
    client_id: UUID,
) -> Started:
    """Record the message, an empty answer and a queued generation, and hold the credits: all or nothing.

    Without a conversation it makes one. Raises a ChatsiteError that says why not; then nothing was stored or charged.
    """
    text = text.strip().replace("\x00", "")
    if not text:
        raise TurnRefused("Write a message first.", param="text")
    if first := _seen(user, client_id):
        return Started(first, False)
    conversation = _conversation(user, conversation_id)
    parent = _parent(conversation, parent_id)
    model = _model(model_name)
    prompt = Message(conversation=conversation, parent=parent, role=Message.Role.USER, text=text)
    request = build_request(messages=[*branch(parent), prompt], model=model, params=params, user=user)
    return _start(user, prompt, model, request, params, client_id)


def regenerate(*, user: User, message_id: UUID, model_name: str | None, params: Params, client_id: UUID) -> Started:
    """Answer the same prompt again, as another version beside the answer `message_id`."""
    if first := _seen(user, client_id):
        return Started(first, False)
    answer = (
        Message.objects.filter(
            pk=message_id, role=Message.Role.ASSISTANT, conversation__in=Conversation.objects.visible_to(user)
        )
        .select_related("parent__conversation", "generation__model")
        .first()
    )
    if answer is None or answer.parent is None:
        raise TurnRefused("That answer is not here any more. Reload the page.", code="not_found")
    model = _model(model_name) if model_name else answer.generation.model
    request = build_request(messages=branch(answer.parent), model=model, params=params, user=user)
    return _start(user, answer.parent, model, request, params, client_id)


def _seen(user: User, client_id: UUID) -> Generation | None:
    return _with_rows().filter(user=user, client_id=client_id).first()


def _with_rows() -> QuerySet[Generation]:
    return Generation.objects.select_related("prompt", "answer", "model", "conversation")


def _conversation(user: User, conversation_id: UUID | None) -> Conversation:
    if conversation_id is None:
        return Conversation(owner=user)
    found = Conversation.objects.visible_to(user).filter(pk=conversation_id).first()
    if found is None:
        raise TurnRefused("This chat is not here any more. Start a new one.", code="not_found")
    return found


def _parent(conversation: Conversation, parent_id: UUID | None) -> Message | None:
    if parent_id is None:
        return None
    parent = Message.objects.filter(conversation=conversation, pk=parent_id).first()
    if parent is None:
        raise TurnRefused("The message before is not here any more. Reload the page.", code="not_found")
    if Generation.objects.filter(answer=parent, status__in=Generation.UNFINISHED).exists():
        raise TurnRefused("The last answer is still being written. Wait for it, or press Stop.", code="already_running")
    return parent


def _model(name: str) -> Model:
    model = Model.objects.filter(name=name, enabled=True).first()
    if model is None:
        raise ModelNotFound(f"There is no model called “{name}”. Choose one from the list.", param="model")
    return model


def _start(user: User, prompt: Message, model: Model, request: ChatRequest, params: Params, client_id: UUID) -> Started:
    # What the model cannot honour is said before anything is stored.
    dialects.get(model.dialect).write_request(request, model.name)
    prompt_tokens = count_prompt(request.messages)
    try:
        with transaction.atomic():
            generation = _record_turn(user, prompt, model, params, client_id)
            caller = Caller(user=User.objects.get(pk=user.pk, is_active=True))
            admission = admit(caller, model, request, subject=generation.subject, prompt_tokens=prompt_tokens)
            generation.route = [candidate.as_json() for candidate in admission.candidates]
            generation.simulated = admission.candidates[0].endpoint.simulated
            generation.save(update_fields=["route", "simulated"])
            transaction.on_commit(bell.ring)
    except User.DoesNotExist as error:
        raise TurnRefused("Your account is not active any more.", code="signed_out") from error
    except IntegrityError as error:  # the constraints spoke: a resend, or a turn already running
        if first := _seen(user, client_id):
            return Started(first, False)
        raise TurnRefused("An answer to this is already being written.", code="already_running") from error
    return Started(generation, True)


def _record_turn(user: User, prompt: Message, model: Model, params: Params, client_id: UUID) -> Generation:
    conversation = prompt.conversation
    if conversation._state.adding:
        conversation.title = " ".join(prompt.text.split())[:TITLE_LENGTH]
        conversation.save()
    again = not prompt._state.adding
    if not again:
        prompt.save()
    answer = Message.objects.create(conversation=conversation, parent=prompt, role=Message.Role.ASSISTANT)
    Conversation.objects.filter(pk=conversation.pk).update(leaf=answer, model=model, touched=timezone.now())
    return Generation.objects.create(
        conversation=conversation,
        prompt=prompt,
        answer=answer,
        user=user,
        client_id=client_id,
        model=model,
        again=again,
        params=params.model_dump(exclude_none=True),
    )


def request_stop(*, user: User, generation_id: UUID) -> bool:
    """Ask for an end, in any state and from any process; False when there is nothing to stop."""
    asked = Generation.objects.filter(
        pk=generation_id, user=user, status__in=Generation.UNFINISHED, stop_requested_at=None
    ).update(stop_requested_at=timezone.now())
    if asked:
        bell.ring()
    return bool(asked)


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
    taken = _with_rows().select_related("user").filter(pk__in=ids, process=process).order_by("created")
    return [_work(generation) for generation in taken]


def _work(generation: Generation) -> Work:
    request = build_request(
        messages=branch(generation.prompt),
        model=generation.model,
        params=Params.model_validate(generation.params),
        user=generation.user,
    )
    return Work(generation, request, candidates_from(generation.route))


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
    unfinished = Message.objects.filter(generation__status=Generation.Status.RUNNING)
    running = Generation.objects.filter(status=Generation.Status.RUNNING)
    with transaction.atomic():
        unfinished.bulk_update(
            [Message(pk=each.message, text=each.text, reasoning=each.reasoning) for each in answers],
            ["text", "reasoning"],
        )
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


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. `tokens` is our count of its output; `reported` the upstream's, if it gave one."""

    status: Generation.Status
    text: str
    reasoning: str
    tokens: Tokens
    reported: UsageReported | None = None
    deployment: UUID | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    first_token_ms: int | None = None
    thought_ms: int | None = None
    duration_ms: int = 0
    error: ChatsiteError | None = None


def finish_turn(generation: Generation, result: Result) -> bool:
    """The end: text, rendered text, hold, charge and usage record in one transaction. False: somebody else ended it."""
    html, reasoning_html = render(result.text), render(result.reasoning)
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
            text=result.text, reasoning=result.reasoning, html=html, reasoning_html=reasoning_html
        )
        Conversation.objects.filter(pk=generation.conversation_id).update(touched=timezone.now())
        close(generation.subject, _ending(generation, result))
    return True


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


def interrupt(lost: Q) -> int:
    """End generations whose process is gone with what was checkpointed, each in its own transaction. How many ended."""
    ended = 0
    for generation in _with_rows().filter(lost, status__in=Generation.UNFINISHED):
        tokens = Tokens(completion=generation.completion_tokens, reasoning=generation.reasoning_tokens)
        route = generation.route[0] if generation.route else {}
        result = Result(
            status=Generation.Status.INTERRUPTED,
            text=generation.answer.text,
            reasoning=generation.answer.reasoning,
            tokens=tokens,
            deployment=UUID(route["deployment"]) if route else None,
        )
        ended += finish_turn(generation, result)
    return ended
