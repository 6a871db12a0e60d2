"""Tokens of the simulated upstream: word-ish pieces of text, each with the space before it."""

import re

CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
PIECE = re.compile(rf"\s*(?:[{CJK}]|(?:(?![{CJK}])\w){{1,16}}|(?:(?![{CJK}])[^\w\s]){{1,4}})|\s+")


def split(text: str) -> list[str]:
    """Cut `text` into pieces that join to exactly `text` again."""
    return PIECE.findall(text)


def count(text: str) -> int:
    return len(split(text))
