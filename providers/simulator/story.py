"""Text that looks like a model's answer: the same question and seed always get the same text, of any length."""

import hashlib
import re
from collections.abc import Iterator
from random import Random

from . import phrases
from .pieces import count, split

CHINESE_OR_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
LENGTHS = (80, 400)
SENTENCE_ENDS = " .,;:!?…。，；：！？"


class Story:
    """One question and everything that will be said about it."""

    def __init__(self, question: str, *, variant: int = 0, seed: int | None = None) -> None:
        source = f"{variant}:{question}" if seed is None else f"{seed}:{variant}:{question}"
        self.random = Random(hashlib.sha256(source.encode("utf-8", "replace")).digest())  # noqa: S311 - deterministic prose, no secret
        self.topic = _topic(question)
        self.words = _words(question)

    def usual_length(self) -> int:
        return self.random.randint(*LENGTHS)

    def answer(self, length: int, *, honest_first: bool = False) -> list[str]:
        """Exactly `length` tokens of Markdown, one sentence of which says who is speaking."""
        honest = phrases.HONEST_FIRST + "\n\n" if honest_first else "\n\n*" + phrases.HONEST + "*"
        room = length - count(honest)
        if room <= 0:
            rest = self._filler(length - count(phrases.HONEST_FIRST))
            return split(f"{phrases.HONEST_FIRST} {rest}".strip())[:length]
        body = self._body(room)
        return split(honest + body if honest_first else body + honest)

    def reasoning(self, length: int) -> list[str]:
        """Exactly `length` tokens, in paragraphs of three sentences."""
        said = [phrases.HONEST_REASONING + " " + self._fill(phrases.REASONING[0])]
        tokens = count(said[0])
        while tokens < length:
            paragraph = " ".join(self._fill(self.random.choice(phrases.REASONING)) for _ in range(3))
            said.append(paragraph)
            tokens += count(paragraph)
        return split("\n\n".join(said))[:length]

    def _body(self, length: int) -> str:
        """Whole blocks while they fit, then plain sentences to the very length."""
        said, left = [], length
        for block in self._blocks():
            if count(block) > left:
                break
            said.append(block)
            left -= count(block)
        if left:
            said.append(self._filler(left))
        return "\n\n".join(said)

    def _filler(self, length: int) -> str:
        """Whole sentences of `length` tokens together: long ones while they fit, then shorter and shorter ones."""
        sentences: list[str] = []
        left = length
        while left > 0:
            filled = [self._fill(phrase) for phrase in phrases.SENTENCES]
            fitting = [sentence for sentence in filled if count(sentence) <= left]
            short = next(sentence for sentence in phrases.CLOSINGS if count(sentence) <= left)
            sentences.append(self.random.choice(fitting) if fitting else short)
            left -= count(sentences[-1])
        return " ".join(sentences)

    def _blocks(self) -> Iterator[str]:
        yield self._fill(self.random.choice(phrases.OPENINGS))
        makers = [self._list, self._table, self._code, self._quote, self._paragraph]
        section = 0
        while True:
            section += 1
            self.random.shuffle(makers)
            yield f"## {section}. " + self._fill(self.random.choice(phrases.HEADINGS))
            for make in makers:
                yield make()
                yield self._paragraph()

    def _paragraph(self) -> str:
        if self.random.random() < (0.5 if CHINESE_OR_JAPANESE.search(self.topic) else 0.1):
            return self._fill(self.random.choice(phrases.CHINESE))
        return " ".join(self._fill(one) for one in self.random.sample(phrases.SENTENCES, 3))

    def _list(self) -> str:
        numbered = self.random.random() < 0.5
        points = self.random.sample(phrases.POINTS, self.random.randint(3, 5))
        marks = [f"{number}. " if numbered else "- " for number in range(1, len(points) + 1)]
        return "\n".join(mark + self._fill(point) for mark, point in zip(marks, points, strict=True))

    def _table(self) -> str:
        return self._fill(self.random.choice(phrases.TABLES))

    def _code(self) -> str:
        return self._fill(self.random.choice(phrases.CODES))

    def _quote(self) -> str:
        return self._fill(self.random.choice(phrases.QUOTES))

    def _fill(self, phrase: str) -> str:
        return phrase.format(topic=self.topic, word=self.random.choice(self.words))


def _topic(question: str) -> str:
    """The question in one line, without the characters that mean something in Markdown."""
    line = " ".join(re.sub(r"[`*_|<>\[\]{}#\\\"]", " ", question).split())
    short = line[:60].rsplit(" ", 1)[0] if len(line) > 60 else line
    # The phrases go on after the topic, most of them with a full stop of their own.
    return short.rstrip(SENTENCE_ENDS) or "your message"


def _words(question: str) -> list[str]:
    """The longest words are the likeliest to be what the question is about."""
    found = dict.fromkeys(word.lower() for word in re.findall(r"[^\W\d_]{4,20}", question[:10_000]))
    return sorted(found, key=len, reverse=True)[:4] or ["the idea"]
