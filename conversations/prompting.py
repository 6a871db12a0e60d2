"""From a branch of messages to a request in nobody's wire format."""

from django.utils.crypto import salted_hmac

from accounts.models import User
from conversations.models import Message
from conversations.protocol import Params
from providers.models import Model
from providers.types import ChatMessage, ChatRequest, Sampling, Thinking

# A thread is walked by its parents; no honest one is longer.
LONGEST_THREAD = 10_000


def branch(leaf: Message | None) -> list[Message]:
    """The messages from the root to `leaf`, in order. One query, however long."""
    if leaf is None:
        return []
    by_id = {message.pk: message for message in Message.objects.filter(conversation_id=leaf.conversation_id)}
    found: list[Message] = []
    current: Message | None = by_id.get(leaf.pk)
    while current is not None and len(found) < LONGEST_THREAD:
        found.append(current)
        current = by_id.get(current.parent_id) if current.parent_id else None
    return found[::-1]


def build_request(*, messages: list[Message], model: Model, params: Params, user: User) -> ChatRequest:
    """What is asked of the model. Reasoning is not sent back, and an answer that never came is left out."""
    return ChatRequest(
        model=model.name,
        messages=tuple(
            ChatMessage(role="user" if message.role == Message.Role.USER else "assistant", content=message.text)
            for message in messages
            if message.text
        ),
        thinking=Thinking(enabled=params.thinking, budget_tokens=params.budget_tokens, effort=params.effort),
        sampling=sampling_of(params),
        user_hash=hash_of(user),
    )


def sampling_of(params: Params) -> Sampling:
    return Sampling(
        temperature=params.temperature,
        top_p=params.top_p,
        min_p=params.min_p,
        top_k=params.top_k,
        max_tokens=params.max_tokens,
        stop=tuple(params.stop or ()),
        presence_penalty=params.presence_penalty,
        frequency_penalty=params.frequency_penalty,
        repetition_penalty=params.repetition_penalty,
        seed=params.seed,
        response_format={"type": params.response_format} if params.response_format else None,
    )


def hash_of(user: User) -> str:
    """What a provider may know of a person: a keyed digest, of no use without our secret."""
    return salted_hmac("providers.end-user", str(user.pk), algorithm="sha256").hexdigest()[:32]
