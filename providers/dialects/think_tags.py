"""Telling reasoning from answer where a server leaves `<think>…</think>` in the text, however it is cut."""

from typing import Literal

OPEN = "<think>"
CLOSE = "</think>"

# Only a text that begins with the tag is reasoning: an answer may speak of <think> as of anything else.
Mode = Literal["opening", "thinking", "closed", "answering"]
Channel = Literal["reasoning", "content"]
Pieces = list[tuple[Channel, str]]


def split(mode: Mode, text: str) -> tuple[Pieces, Mode, str]:
    """The pieces of `text`, the mode after it, and the end of it that may be half a tag: hand that in again."""
    if mode == "answering":
        return [("content", text)], mode, ""
    if mode == "thinking":
        return _split_thinking(text)
    if mode == "closed":
        return _split_closed(text)
    body = text.lstrip()
    if not body.startswith(OPEN):
        return _split_opening(text, body)
    pieces, after, held = _split_thinking(body[len(OPEN) :])
    blank = text[: len(text) - len(body)]
    return ([("content", blank), *pieces] if blank else pieces), after, held


def _split_opening(text: str, body: str) -> tuple[Pieces, Mode, str]:
    if not OPEN.startswith(body):
        return [("content", text)], "answering", ""
    blank = text[: len(text) - len(body)]
    return ([("content", blank)] if blank else []), "opening", body


def _split_thinking(text: str) -> tuple[Pieces, Mode, str]:
    thought, close, rest = text.partition(CLOSE)
    held = "" if close else _half_tag(text)
    thought = thought[: len(thought) - len(held)]
    pieces: Pieces = [("reasoning", thought)] if thought else []
    if not close:
        return pieces, "thinking", held
    answer, mode, _ = _split_closed(rest)
    return pieces + answer, mode, ""


def _split_closed(text: str) -> tuple[Pieces, Mode, str]:
    """The line ends after the closing tag belong to the tag: the answer is the same as where it comes on its own."""
    answer = text.lstrip("\r\n")
    return ([("content", answer)], "answering", "") if answer else ([], "closed", "")


def _half_tag(text: str) -> str:
    start = text.rfind("<", -len(CLOSE) + 1)
    return text[start:] if start >= 0 and CLOSE.startswith(text[start:]) else ""
