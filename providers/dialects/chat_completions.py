"""Reading answers of the Chat Completions shape, whole or in chunks, into events."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from providers.dialects import think_tags
from providers.dialects.failures import error_inside, protocol_error
from providers.dialects.usage import read_usage
from providers.errors import UpstreamProtocolError, UpstreamUnavailable
from providers.types import ContentDelta, Event, Finished, FinishReason, ReasoningDelta, ToolCallDelta, UsageReported

DONE = "[DONE]"
END_MARK = "</s>"
HIGHEST_INDEX = 127
FINISH_REASONS: dict[str, FinishReason] = {reason: reason for reason in get_args(FinishReason)} | {
    "max_tokens": "length",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
}
# The upstream gave up in the middle, and says so where others say why the answer is whole.
BROKEN_OFF = {"error", "abort", "insufficient_system_resource"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What must be remembered of one choice: half a tag, an end mark that may be text, the calls begun."""

    mode: think_tags.Mode = "opening"
    held: str = ""
    end_mark: bool = False
    finished: bool = False
    calls: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class StreamState:
    """What must be remembered between two events of a stream. A value: never changed, only followed by another."""

    choices: Mapping[int, Choice] = field(default_factory=dict)
    usage: UsageReported | None = None
    done: bool = False
    bare: bool = False

    def choice(self, index: int) -> Choice:
        return self.choices.get(index, Choice())

    def with_choice(self, index: int, choice: Choice) -> "StreamState":
        return StreamState({**self.choices, index: choice}, self.usage, self.done, self.bare)


def decode_event(data: str, state: StreamState) -> tuple[list[Event], StreamState]:
    """The events of one SSE payload. Raises what `data` says went wrong; unknown fields are passed over."""
    if state.done or not data or data.isspace():
        return [], state
    if data.strip() == DONE:
        return [], replace(state, done=True)
    return decode_chunk(parse_chunk(data), state)


def parse_chunk(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise protocol_error("The provider sent something that is not JSON.", data) from None
    if not isinstance(chunk, dict):
        raise protocol_error("The provider sent JSON that is not an object.", data)
    return chunk


def decode_chunk(chunk: dict[str, Any], state: StreamState) -> tuple[list[Event], StreamState]:
    if failure := error_inside(chunk):
        raise failure
    events: list[Event] = []
    for choice in _objects(chunk, "choices"):
        state = _read_choice(choice, "delta", state, events)
    if (usage := chunk.get("usage")) is not None:
        state = replace(state, usage=read_usage(usage))
    return events, state


def decode_end(state: StreamState) -> list[Event]:
    """The last event, at the end of the bytes: the usage, if any came. A stream without an end raises."""
    if not state.choices or not all(choice.finished for choice in state.choices.values()):
        raise UpstreamProtocolError(
            "The provider's answer broke off before its end. Try again, or choose another model."
        )
    return [state.usage] if state.usage else []


def decode_answer(payload: object) -> list[Event]:
    """The events of a whole answer, in order: each choice to its end, then the usage."""
    if not isinstance(payload, dict):
        raise protocol_error("The provider's answer is not a JSON object.", payload)
    if failure := error_inside(payload):
        raise failure
    choices = _objects(payload, "choices")
    if not choices:
        raise protocol_error("The provider's answer holds no choices.", payload)
    events: list[Event] = []
    state = StreamState()
    for choice in choices:
        ended = {**choice, "finish_reason": choice.get("finish_reason") or "stop"}
        state = _read_choice(ended, "message", state, events)
    usage = read_usage(payload.get("usage"))
    return [*events, usage] if usage else events


def _read_choice(choice: dict[str, Any], part: str, state: StreamState, events: list[Event]) -> StreamState:
    index = _position(choice.get("index"))
    known, before = state.choice(index), len(events)
    said = choice.get(part) or {}
    if not isinstance(said, dict):
        raise protocol_error("The provider sent a choice in a form that is not documented.", choice)
    heard = _read_delta(said, index, known, events, streamed=part == "delta")
    if known.finished and len(events) > before:
        raise protocol_error("The provider went on after the end of its answer.", choice)
    if (reason := choice.get("finish_reason")) and not known.finished:
        heard = _finish(str(reason), index, heard, events)
    return state if heard is known and index in state.choices else state.with_choice(index, heard)


def _read_delta(delta: dict[str, Any], index: int, choice: Choice, events: list[Event], *, streamed: bool) -> Choice:
    if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
        events.append(ReasoningDelta(index, _text(reasoning)))
        # A server that tells reasoning apart leaves no tags in the text: what looks like one there is text.
        if choice.mode == "opening" and not choice.held:
            choice = replace(choice, mode="answering")
    if content := delta.get("content"):
        end_mark = streamed and content == END_MARK
        if choice.mode == "answering" and not (end_mark or choice.end_mark):
            events.append(ContentDelta(index, _text(content)))
        else:
            choice = _read_content(_text(content), end_mark, index, choice, events)
    if calls := delta.get("tool_calls"):
        choice = _read_calls(_objects({"tool_calls": calls}, "tool_calls"), index, choice, events)
    return choice


def _read_content(text: str, end_mark: bool, index: int, choice: Choice, events: list[Event]) -> Choice:
    if end_mark and not choice.end_mark:
        return replace(choice, end_mark=True)
    # Something follows the mark that was held back, so it was text after all.
    pending = choice.held + (END_MARK if choice.end_mark else "") + ("" if end_mark else text)
    pieces, mode, held = think_tags.split(choice.mode, pending)
    events += (_spoken(channel, index, piece) for channel, piece in pieces)
    return replace(choice, mode=mode, held=held, end_mark=end_mark)


def _read_calls(calls: list[dict[str, Any]], index: int, choice: Choice, events: list[Event]) -> Choice:
    begun = choice.calls
    for place, call in enumerate(calls):
        position = _position(call.get("index", place))
        function = call.get("function") or {}
        if not isinstance(function, dict):
            raise protocol_error("The provider sent a tool call in a form that is not documented.", call)
        first = position not in begun
        name, identity = (function.get("name") or "", call.get("id") or "") if first else ("", "")
        arguments = function.get("arguments") or ""
        events.append(ToolCallDelta(index, position, _text(identity), _text(name), _text(arguments)))
        begun |= {position}
    return choice if begun == choice.calls else replace(choice, calls=begun)


def _finish(reason: str, index: int, choice: Choice, events: list[Event]) -> Choice:
    if reason in BROKEN_OFF:
        raise UpstreamUnavailable(f"The provider gave up in the middle of its answer ({reason}). Try again.")
    if choice.held:
        events.append(_spoken("reasoning" if choice.mode == "thinking" else "content", index, choice.held))
    events.append(Finished(index, FINISH_REASONS.get(reason, "stop")))
    return replace(choice, held="", end_mark=False, finished=True)


def _spoken(channel: think_tags.Channel, index: int, text: str) -> Event:
    return ReasoningDelta(index, text) if channel == "reasoning" else ContentDelta(index, text)


def _objects(owner: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = owner.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise protocol_error(f"The provider sent {name} in a form that is not documented.", owner)
    return items


def _position(value: Any) -> int:
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= HIGHEST_INDEX:
        raise protocol_error("The provider sent an index that is not a small number.", value)
    return value


def _text(value: Any) -> str:
    """Text that can be stored and sent: halves of a surrogate pair and NUL become U+FFFD."""
    if not isinstance(value, str):
        raise protocol_error("The provider sent text in a form that is not documented.", value)
    text: str = value
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "\ufffd")
