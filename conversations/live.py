"""What a socket reads from rows: who may listen, and what it missed."""

from importlib import import_module
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from accounts.models import User
from conversations import events
from conversations.models import Conversation, Generation


def is_signed_in(user: User, session_key: str | None) -> bool:
    """Asked on every action, and now and then: sessions end, passwords change and accounts close while sockets live."""
    if session_key is None:
        return User.objects.filter(pk=user.pk, is_active=True).exists()
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return get_user(request) == user


def may_see(user: User, conversation: UUID) -> bool:
    """Asked on every action: rights change while a socket lives."""
    return Conversation.objects.visible_to(user).filter(pk=conversation, owner__is_active=True).exists()


def watched(conversation: UUID) -> tuple[Conversation, list[UUID]]:
    """The conversation and its unfinished generations, read after the socket has begun to listen."""
    running = Generation.objects.filter(conversation=conversation, status__in=Generation.UNFINISHED)
    return Conversation.objects.get(pk=conversation), list(running.order_by("created").values_list("pk", flat=True))


def snapshot(user: User, generation_id: UUID) -> events.Frame | None:
    """The answer as its row has it; None when this person may not see it."""
    visible = Conversation.objects.visible_to(user).filter(owner__is_active=True)
    generation = Generation.objects.select_related("answer").filter(pk=generation_id, conversation__in=visible).first()
    if generation is None:
        return None
    return events.snapshot(
        generation=generation.pk,
        message=generation.answer_id,
        status=generation.status,
        reasoning=generation.answer.reasoning,
        text=generation.answer.text,
    )
