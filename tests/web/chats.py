"""Conversations for tests, written as rows: no model runs."""

from uuid import uuid4

from django.utils import timezone

from billing.models import Hold, UsageRecord
from billing.services import wallet_of
from conversations.models import Conversation, Generation, Message
from conversations.rendering import render


def make_chat(owner, model, turns=1, title="Lamb, two ways"):
    """A conversation of so many finished turns, at its last answer."""
    chat = Conversation.objects.create(owner=owner, title=title, model=model)
    last = None
    for number in range(turns):
        last = add_turn(chat, parent=last, question=f"Question {number}", answer=f"**Answer** {number}")
    return chat


def add_turn(chat, *, question="Why?", **answer):
    """A prompt and its answer; returns the answer."""
    parent = answer.pop("parent", None)
    prompt = Message.objects.create(conversation=chat, parent=parent, role="user", text=question)
    return add_answer(prompt, **answer)


def add_answer(prompt, *, answer="**Because**", reasoning="", status="done", error="", charge=830_000, attempts=()):
    """One more version of the answer to `prompt`; it becomes the conversation's leaf."""
    chat = prompt.conversation
    running = status in ("queued", "running")
    message = Message.objects.create(
        conversation=chat,
        parent=prompt,
        role="assistant",
        text=answer,
        reasoning=reasoning,
        html="" if running else render(answer),
        reasoning_html="" if running else render(reasoning),
    )
    run = Generation.objects.create(
        conversation=chat,
        prompt=prompt,
        answer=message,
        user=chat.owner,
        client_id=uuid4(),
        model=chat.model,
        status=status,
        simulated=True,
        finished=None if running else timezone.now(),
        error_message=error,
    )
    if not running:
        add_usage(run, charge, attempts)
    Conversation.objects.filter(pk=chat.pk).update(leaf=message)
    chat.leaf = message
    return message


def add_usage(run, charge, attempts=()):
    hold = Hold.objects.create(
        wallet=wallet_of(run.user), subject=run.subject, amount=charge, settled=charge, state=Hold.State.SETTLED
    )
    return UsageRecord.objects.create(
        hold=hold,
        user=run.user,
        subject=run.subject,
        purpose="chat",
        model_name=run.model.name,
        simulated=True,
        prompt_tokens=1212,
        completion_tokens=338,
        reasoning_tokens=120,
        charge=charge,
        outcome=run.status,
        attempts=list(attempts),
    )
