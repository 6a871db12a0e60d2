"""A turn begins and is asked to stop. Each is one transaction; what becomes of it is in `runs`."""

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import fail_points
from accounts.models import User
from billing.admission import Caller, admit
from conversations.engine import bell
from conversations.errors import TurnRefused
from conversations.models import Conversation, Generation, Message
from conversations.prompting import branch, build_request
from conversations.protocol import Params
from providers import dialects
from providers.errors import InvalidRequest, ModelNotFound
from providers.models import Model
from providers.tokens import count_prompt
from providers.types import ChatRequest

TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Started:
    """A turn that runs or has run; `is_new` is False when the same client id was seen before."""

    generation: Generation
    is_new: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn that was read, checked and counted, which takes its time, and of which nothing is stored yet."""

    user: User
    prompt: Message
    model: Model
    request: ChatRequest
    prompt_tokens: int
    params: Params
    client_id: UUID


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
    """`ask` and `start` in one."""
    return start(
        ask(
            user=user,
            conversation_id=conversation_id,
            parent_id=parent_id,
            text=text,
            model_name=model_name,
            params=params,
            client_id=client_id,
        )
    )


def ask(
    *,
    user: User,
    conversation_id: UUID | None,
    parent_id: UUID | None,
    text: str,
    model_name: str,
    params: Params,
    client_id: UUID,
) -> Asked | Started:
    """A new message after `parent_id`; without a conversation it makes one. Raises a ChatsiteError that says why not.

    It only reads. Started: the same client id was seen before.
    """
    text = text.strip().replace("\x00", "")
    if not text:
        raise TurnRefused("Write a message first.", param="text")
    if first := _seen(user, client_id):
        return Started(first, False)
    conversation = _conversation(user, conversation_id)
    parent = _parent(conversation, parent_id)
    model = _model(model_name, user)
    prompt = Message(conversation=conversation, parent=parent, role=Message.Role.USER, text=text)
    request = build_request(messages=[*branch(parent), prompt], model=model, params=params, user=user)
    return _asked(user, prompt, model, request, params, client_id)


def ask_again(
    *, user: User, message_id: UUID, model_name: str | None, params: Params, client_id: UUID
) -> Asked | Started:
    """The same prompt once more, for another version beside the answer `message_id`. It only reads."""
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
    model = _model(model_name, user) if model_name else answer.generation.model
    request = build_request(messages=branch(answer.parent), model=model, params=params, user=user)
    return _asked(user, answer.parent, model, request, params, client_id)


def _seen(user: User, client_id: UUID) -> Generation | None:
    return Generation.objects.with_rows().filter(user=user, client_id=client_id).first()


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


def _model(name: str, user: User) -> Model:
    model = Model.objects.usable_by(user).filter(name=name).first()
    if model is None:
        raise ModelNotFound(f"There is no model called “{name}”. Choose one from the list.", param="model")
    return model


def _asked(user: User, prompt: Message, model: Model, request: ChatRequest, params: Params, client_id: UUID) -> Asked:
    # What the model cannot honour is said before anything is stored.
    try:
        dialects.get(model.dialect).write_request(request, model.name)
    except InvalidRequest as refusal:
        raise InvalidRequest(f"Not sent: {refusal.message}", param=refusal.param) from refusal
    return Asked(user, prompt, model, request, count_prompt(request.messages), params, client_id)


def start(asked: Asked | Started) -> Started:
    """Record the message, an empty answer and a queued generation, and hold the credits: all or nothing.

    Raises a ChatsiteError that says why not; then nothing was stored or charged.
    """
    if isinstance(asked, Started):
        return asked
    try:
        return Started(_record_and_hold(asked), True)
    except User.DoesNotExist as error:
        raise TurnRefused("Your account is not active any more.", code="signed_out") from error
    except IntegrityError as error:  # the constraints spoke: a resend, or a turn already running
        if first := _seen(asked.user, asked.client_id):
            return Started(first, False)
        raise TurnRefused("An answer to this is already being written.", code="already_running") from error


@transaction.atomic
def _record_and_hold(asked: Asked) -> Generation:
    generation = _record_turn(asked.user, asked.prompt, asked.model, asked.params, asked.client_id)
    admission = admit(
        Caller(user=User.objects.get(pk=asked.user.pk, is_active=True)),
        asked.model,
        asked.request,
        subject=generation.subject,
        prompt_tokens=asked.prompt_tokens,
    )
    generation.route = [candidate.as_json() for candidate in admission.candidates]
    generation.simulated = admission.candidates[0].endpoint.simulated
    generation.save(update_fields=["route", "simulated"])
    transaction.on_commit(_recorded)
    return generation


def _recorded() -> None:
    fail_points.reached("after_hold")
    bell.ring()


def _record_turn(user: User, prompt: Message, model: Model, params: Params, client_id: UUID) -> Generation:
    conversation = prompt.conversation
    if conversation._state.adding:
        conversation.title = " ".join(prompt.text.split())[:TITLE_LENGTH]
        conversation.save()
    again = not prompt._state.adding
    if not again:
        prompt.save()
    answer = Message.objects.create(conversation=conversation, parent=prompt, role=Message.Role.ASSISTANT)
    Conversation.objects.filter(pk=conversation.pk).update(
        leaf=answer, model=model, params=params.as_json(), touched=timezone.now()
    )
    return Generation.objects.create(
        conversation=conversation,
        prompt=prompt,
        answer=answer,
        user=user,
        client_id=client_id,
        model=model,
        again=again,
        params=params.as_json(),
    )


def request_stop(*, user: User, generation_id: UUID) -> bool:
    """Ask for an end, in any state and from any process; False when there is nothing to stop."""
    asked = Generation.objects.filter(
        pk=generation_id, user=user, status__in=Generation.UNFINISHED, stop_requested_at=None
    ).update(stop_requested_at=timezone.now())
    if asked:
        bell.ring()
    return bool(asked)
