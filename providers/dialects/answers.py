"""Events as our faces give them: whole answers and chunks of the Chat Completions shape."""

from collections.abc import Callable, Sequence
from typing import Any

from providers.types import ContentDelta, Event, Finished, ReasoningDelta, ToolCallDelta, UsageReported

Counts = Callable[[UsageReported], dict[str, Any]]
Delta = ContentDelta | ReasoningDelta | ToolCallDelta
Part = Delta | Finished


def answer(
    events: Sequence[Event], *, id: str, created: int, model: str, counts: Counts, always_reasoning: bool = False
) -> dict[str, Any]:
    """A `chat.completion` with one choice for each index and the usage of `counts`."""
    choices: dict[int, list[Part]] = {}
    for event in events:
        if not isinstance(event, UsageReported):
            choices.setdefault(event.index, []).append(event)
    usage = [counts(event) for event in events if isinstance(event, UsageReported)]
    body: dict[str, Any] = {"id": id, "object": "chat.completion", "created": created, "model": model}
    body["choices"] = [_choice(choices[index], index, always_reasoning) for index in sorted(choices)]
    return body | ({"usage": usage[-1]} if usage else {})


def chunk(event: Event, *, id: str, created: int, model: str, counts: Counts, role: bool = False) -> dict[str, Any]:
    """One `chat.completion.chunk`; with `role` each piece of text says who speaks."""
    body: dict[str, Any] = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
    match event:
        case UsageReported():
            return body | {"choices": [], "usage": counts(event)}
        case Finished(index, reason):
            choice = {"index": index, "delta": {}, "finish_reason": reason}
        case _:
            who = {"role": "assistant"} if role else {}
            choice = {"index": event.index, "delta": who | _delta(event), "finish_reason": None}
    return body | {"choices": [choice]}


def opening(*, id: str, created: int, model: str) -> dict[str, Any]:
    """The chunk that says who speaks, before the first piece of text."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    return {"id": id, "object": "chat.completion.chunk", "created": created, "model": model, "choices": [choice]}


def _choice(events: list[Part], index: int, always_reasoning: bool) -> dict[str, Any]:
    content = "".join(event.text for event in events if isinstance(event, ContentDelta))
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    calls = _calls([event for event in events if isinstance(event, ToolCallDelta)])
    message: dict[str, Any] = {"role": "assistant", "content": content if content or not calls else None}
    if reasoning or always_reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = calls
    reasons = [event.reason for event in events if isinstance(event, Finished)]
    return {"index": index, "message": message, "finish_reason": reasons[-1] if reasons else None}


def _calls(pieces: list[ToolCallDelta]) -> list[dict[str, Any]]:
    calls: dict[int, dict[str, Any]] = {}
    for piece in pieces:
        empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        call = calls.setdefault(piece.position, empty)
        call["id"] += piece.id
        call["function"]["name"] += piece.name
        call["function"]["arguments"] += piece.arguments
    return [calls[position] for position in sorted(calls)]


def _delta(event: Delta) -> dict[str, Any]:
    match event:
        case ContentDelta(_, text):
            return {"content": text}
        case ReasoningDelta(_, text):
            return {"reasoning_content": text}
        case _:
            return {"tool_calls": [_call_piece(event)]}


def _call_piece(event: ToolCallDelta) -> dict[str, Any]:
    begin = {"id": event.id, "type": "function"} if event.id or event.name else {}
    name = {"name": event.name} if event.name else {}
    return {"index": event.position, **begin, "function": {**name, "arguments": event.arguments}}
