"""One story as every dialect's upstream would tell it: the same reasoning, text and usage in its own form."""

import json
from collections.abc import Iterable

from providers import dialects
from providers.dialects import StreamState
from providers.sse import Decoder
from providers.types import ContentDelta, Event, Finished, ReasoningDelta, UsageReported

REASONING = "Größe? 👩‍👧: 3 < 4 </thin"
TEXT = "Süß\u2028 🍰, and </s> and <think> are only words. 好"
USAGE = {"prompt_tokens": 15, "completion_tokens": 250, "reasoning_tokens": 180, "total_tokens": 265}
TOLD = UsageReported(prompt=15, completion=250, reasoning=180)
STREAMING = ["eigenai", "thinking", "deepinfra", "openai"]
ALL = [*STREAMING, "segmind"]


def chunk(delta: dict, finish: str | None = None, index: int = 0, **more: object) -> dict:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


def pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


ENDING = [
    chunk({"content": "</s>"}),
    chunk({}, "stop"),
    {"choices": [], "usage": None},
    {"choices": [], "usage": USAGE},
]
SEPARATE = [
    chunk({"role": "assistant", "content": ""}),
    *(chunk({"reasoning_content": piece, "content": None}) for piece in pieces(REASONING)),
    *(chunk({"content": piece}) for piece in pieces(TEXT)),
    *ENDING,
]
TAGGED = [*(chunk({"content": piece}) for piece in pieces(f"<think>{REASONING}</think>\n\n{TEXT}")), *ENDING]
BARE = [*({"text": piece} for piece in pieces(f"<think>{REASONING}</think>\n\n{TEXT}")), {"usage": USAGE}]
STREAMS = [(name, told) for name in STREAMING for told in (SEPARATE, TAGGED)] + [("eigenai", BARE)]


def wire(chunks: Iterable[object], newline: bytes = b"\n", done: bool = True) -> bytes:
    lines = [json.dumps(chunk, ensure_ascii=False) for chunk in chunks] + (["[DONE]"] if done else [])
    return b"".join(b": keep-alive" + newline + b"data: " + line.encode() + newline * 2 for line in lines)


def heard(name: str, *parts: bytes) -> list[Event]:
    """The events of a stream that arrives in these parts."""
    dialect, decoder, state = dialects.get(name), Decoder(), StreamState()
    events: list[Event] = []
    for payloads in [*map(decoder.feed, parts), decoder.close()]:
        for payload in payloads:
            fresh, state = dialect.decode_event(payload, state)
            events += fresh
    return events + dialect.decode_end(state)


def story(events: Iterable[Event]) -> tuple[str, str, list[Event]]:
    """Reasoning, text, and what came besides, in order."""
    events = list(events)
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    text = "".join(event.text for event in events if isinstance(event, ContentDelta))
    return reasoning, text, [event for event in events if not isinstance(event, ReasoningDelta | ContentDelta)]


WHOLE = (REASONING, TEXT, [Finished(0, "stop"), TOLD])
