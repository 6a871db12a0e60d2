"""Answers of services that do not document theirs: the Chat Completions shape, or what is clearly text."""

from dataclasses import replace
from typing import Any

from providers.dialects import chat_completions
from providers.dialects.chat_completions import DONE, StreamState
from providers.dialects.failures import protocol_error
from providers.types import Event

TEXT_FIELDS = ("content", "text", "output", "response")
DOCUMENTED_FIELDS = {"choices", "usage", "error"}

decode_end = chat_completions.decode_end


def decode_answer(payload: object) -> list[Event]:
    if isinstance(payload, dict) and "choices" not in payload and _text_field(payload):
        payload = _as_choice(payload, "message")
    return chat_completions.decode_answer(payload)


def decode_event(data: str, state: StreamState) -> tuple[list[Event], StreamState]:
    if state.done or not data or data.isspace():
        return [], state
    if data.strip() == DONE:
        return _end_of_bare_text(state)
    chunk = chat_completions.parse_chunk(data)
    if "choices" not in chunk and _text_field(chunk):
        chunk, state = _as_choice(chunk, "delta"), replace(state, bare=True)
    events, state = chat_completions.decode_chunk(chunk, state)
    if not chunk.keys() & DOCUMENTED_FIELDS:
        raise protocol_error("The provider sent an event in a form that is not documented.", chunk)
    return events, state


def _end_of_bare_text(state: StreamState) -> tuple[list[Event], StreamState]:
    """Text without choices has no finish reason either: there [DONE] is the end."""
    events: list[Event] = []
    if state.bare and not state.choice(0).finished:
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        events, state = chat_completions.decode_chunk(end, state)
    return events, replace(state, done=True)


def _text_field(payload: dict[str, Any]) -> str | None:
    return next((name for name in TEXT_FIELDS if isinstance(payload.get(name), str)), None)


def _as_choice(payload: dict[str, Any], part: str) -> dict[str, Any]:
    said = {"content": payload[_text_field(payload) or "content"]}
    said |= {name: payload[name] for name in ("reasoning_content", "reasoning") if name in payload}
    choice = {"index": 0, part: said, "finish_reason": payload.get("finish_reason")}
    kept: dict[str, Any] = {name: payload[name] for name in ("usage", "error") if name in payload}
    return {"choices": [choice], **kept}
