"""One answer while it is written: its text, what of it was published, and what was saved."""

import time
from dataclasses import dataclass
from uuid import UUID

from billing.pricing import Tokens
from conversations.engine.store import MemoryStore
from conversations.events import Channel
from conversations.models import Generation
from conversations.runs import Progress
from providers.tokens import Counter

SAVE_SECONDS = 1.0
SAVE_CHARACTERS = 2048
# Other tokenizers count otherwise than ours, and a token may be a long run of spaces: an answer this far beyond what
# was asked for did not stop where it was told to.
TOO_MANY_TIMES = 2
LONGEST_TOKEN = 64


@dataclass(frozen=True, slots=True)
class Draft:
    text: str
    reasoning: str


class Answer:
    """Collects pieces; the first goes out at once, the later ones when the engine's tick flushes them."""

    def __init__(self, generation: Generation, store: MemoryStore) -> None:
        self.generation = generation
        self.begun = time.monotonic()
        self.ended: float | None = None
        self.first_token: float | None = None
        self._first_of: dict[Channel, float] = {}
        self._store = store
        self._pieces: dict[Channel, list[str]] = {"reasoning": [], "text": []}
        self._waiting: dict[Channel, list[str]] = {"reasoning": [], "text": []}
        self._counters: dict[Channel, Counter] = {"reasoning": Counter(), "text": Counter()}
        self._counted: dict[Channel, int] = {"reasoning": 0, "text": 0}
        self._length = 0
        self._tokens = 0
        self._unsaved = 0
        self._saved_at = self.begun

    @property
    def id(self) -> UUID:
        return self.generation.pk

    def add(self, channel: Channel, text: str) -> None:
        if not text:
            return
        # PostgreSQL's text has no NUL, and neither has anybody's answer.
        text = text.replace("\x00", "")
        self._pieces[channel].append(text)
        self._waiting[channel].append(text)
        self._length += len(text)
        self._unsaved += len(text)
        if channel not in self._first_of:
            self._first_of[channel] = time.monotonic()
        if self.first_token is None:
            self.first_token = self._first_of[channel]
            self.flush()

    def flush(self) -> None:
        """Publish what waits, reasoning first."""
        for channel, waiting in self._waiting.items():
            if waiting:
                self._store.feed(self.id, channel, "".join(waiting))
                waiting.clear()

    def draft(self) -> Draft:
        """All text so far. Taken on the loop: a thread must not see a piece arrive."""
        for pieces in self._pieces.values():
            pieces[:] = ["".join(pieces)]
        return Draft(text=self._pieces["text"][0], reasoning=self._pieces["reasoning"][0])

    def is_due(self, now: float) -> bool:
        return self._unsaved >= SAVE_CHARACTERS or (self._unsaved > 0 and now - self._saved_at >= SAVE_SECONDS)

    def mark_saved(self, now: float) -> None:
        self._unsaved, self._saved_at = 0, now

    def mark_unsaved(self) -> None:
        self._unsaved = max(1, self._unsaved)

    def runs_over(self, most: int) -> bool:
        """Whether more came than `most` tokens can be: by its characters, and by what was counted at a checkpoint."""
        return self._tokens > TOO_MANY_TIMES * most or self._length > LONGEST_TOKEN * most

    def count(self, draft: Draft) -> Tokens:
        """Our count of `draft`, the longer part of which was counted before. For a thread; one at a time."""
        reasoning = self._count("reasoning", draft.reasoning)
        self._tokens = reasoning + self._count("text", draft.text)
        return Tokens(completion=self._tokens, reasoning=reasoning)

    def _count(self, channel: Channel, whole: str) -> int:
        counter = self._counters[channel]
        counter.feed(whole[self._counted[channel] :])
        self._counted[channel] = len(whole)
        return counter.count

    def progress(self, draft: Draft) -> Progress:
        """What a checkpoint saves. For a thread; one at a time."""
        return Progress(self.id, self.generation.answer_id, draft.text, draft.reasoning, self.count(draft))

    def first_token_ms(self) -> int | None:
        return None if self.first_token is None else round((self.first_token - self.begun) * 1000)

    def thought_ms(self) -> int | None:
        """From the first piece of reasoning to the first of the text, or to the end."""
        if "reasoning" not in self._first_of:
            return None
        return round((self._first_of.get("text", self._until()) - self._first_of["reasoning"]) * 1000)

    def duration_ms(self) -> int:
        return round((self._until() - self.begun) * 1000)

    def _until(self) -> float:
        return time.monotonic() if self.ended is None else self.ended
