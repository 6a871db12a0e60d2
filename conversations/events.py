"""The frames a browser may get."""

from typing import Any, Literal
from uuid import UUID

from conversations.models import Conversation, Generation
from providers.errors import ChatsiteError

Frame = dict[str, Any]
Channel = Literal["text", "reasoning"]


def topic_of(conversation: UUID) -> str:
    """Where everything about one conversation is published."""
    return f"conversation:{conversation}"


def topic_of_user(user: UUID) -> str:
    """Where news of a person's list of chats is published."""
    return f"user:{user}"


def turn_started(generation: Generation) -> Frame:
    prompt, answer = generation.prompt, generation.answer
    return {
        "type": "turn.started",
        "conversation": str(generation.conversation_id),
        "generation": str(generation.pk),
        "prompt": str(prompt.pk),
        "message": str(answer.pk),
        "parent": prompt.parent_id and str(prompt.parent_id),
        "client_id": str(generation.client_id),
        "text": prompt.text,
        "model": generation.model.name,
        "kind": "regenerate" if generation.again else "send",
    }


def turn_refused(client_id: UUID, error: ChatsiteError) -> Frame:
    return {
        "type": "turn.refused",
        "client_id": str(client_id),
        "code": error.code,
        "message": error.message,
        "param": error.param,
    }


def watching(conversation: Conversation, running: list[UUID]) -> Frame:
    return {
        "type": "watching",
        "conversation": str(conversation.pk),
        "leaf": conversation.leaf_id and str(conversation.leaf_id),
        "running": [str(generation) for generation in running],
    }


def delta(generation: UUID, channel: Channel, at: int, text: str) -> Frame:
    return {"type": "delta", "generation": str(generation), "channel": channel, "index": 0, "at": at, "text": text}


def snapshot(*, generation: UUID, message: UUID, status: str, reasoning: str, text: str) -> Frame:
    return {
        "type": "snapshot",
        "generation": str(generation),
        "message": str(message),
        "status": status,
        "reasoning": reasoning,
        "text": text,
    }


def turn_ended(generation: UUID, message: UUID, status: str) -> Frame:
    return {"type": "turn.ended", "generation": str(generation), "message": str(message), "status": status}


def sidebar() -> Frame:
    return {"type": "sidebar"}


def error(code: str, message: str, request_id: str = "") -> Frame:
    return {"type": "error", "code": code, "message": message, "request_id": request_id}
