"""Where answers live while they are written, and how their frames reach the sockets that watch.

Embedded, it is this process's memory. Everything runs on one event loop, so what is done without an `await` between
is done at once: subscribe, then take a snapshot, and no piece is missed or seen twice.
"""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from conversations import events

# A socket whose reader is this far behind is dropped; it comes back and takes a snapshot.
MOST_QUEUED_BYTES = 1 << 20


@dataclass(slots=True)
class LiveAnswer:
    """The text so far of one answer, as far as it was published. Lengths count code points."""

    conversation: UUID
    message: UUID
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    text_length: int = 0
    reasoning_length: int = 0


class Subscription:
    """A bounded queue of frames (JSON text) for one socket, fed by the topics it listens to."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.overflowed = False
        self._frames: list[str] = []
        self._bytes = 0
        self._news = asyncio.Event()

    def put(self, frame: events.Frame) -> None:
        self.put_text(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    def put_text(self, text: str) -> None:
        # One frame is taken however large it is: whoever comes back for a snapshot must get it.
        if self._frames and self._bytes + len(text) > MOST_QUEUED_BYTES:
            self.overflowed = True
        else:
            self._frames.append(text)
            self._bytes += len(text)
        self._news.set()

    async def frames(self) -> list[str]:
        """All frames that wait, at least one; empty when the reader fell too far behind."""
        await self._news.wait()
        self._news.clear()
        frames, self._frames, self._bytes = self._frames, [], 0
        return [] if self.overflowed else frames


class MemoryStore:
    """The store of an embedded site: one process, one loop."""

    def __init__(self) -> None:
        self.answers: dict[UUID, LiveAnswer] = {}
        self._listeners: dict[str, set[Subscription]] = defaultdict(set)

    def begin(self, generation: UUID, conversation: UUID, message: UUID) -> None:
        self.answers[generation] = LiveAnswer(conversation, message)

    def feed(self, generation: UUID, channel: events.Channel, text: str) -> None:
        """Append `text` and publish it with the offset at which it begins."""
        answer = self.answers[generation]
        if channel == "text":
            at = answer.text_length
            answer.text.append(text)
            answer.text_length += len(text)
        else:
            at = answer.reasoning_length
            answer.reasoning.append(text)
            answer.reasoning_length += len(text)
        self.publish(events.topic_of(answer.conversation), events.delta(generation, channel, at, text))

    def end(self, generation: UUID, status: str) -> None:
        """Forget the text, which is in its row by now, and say so."""
        answer = self.answers.pop(generation)
        self.publish(events.topic_of(answer.conversation), events.turn_ended(generation, answer.message, status))

    def snapshot(self, generation: UUID) -> events.Frame | None:
        """All of a live answer's text so far; None when it does not live here."""
        answer = self.answers.get(generation)
        if answer is None:
            return None
        return events.snapshot(
            generation=generation,
            message=answer.message,
            status="running",
            reasoning="".join(answer.reasoning),
            text="".join(answer.text),
        )

    def publish(self, topic: str, frame: events.Frame) -> None:
        listeners = self._listeners.get(topic)
        if not listeners:
            return
        text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
        for subscription in listeners:
            subscription.put_text(text)

    def listeners(self, topic: str) -> int:
        return len(self._listeners.get(topic, ()))

    def listen(self, subscription: Subscription, topic: str) -> None:
        subscription.topics.add(topic)
        self._listeners[topic].add(subscription)

    def mute(self, subscription: Subscription, topic: str) -> None:
        subscription.topics.discard(topic)
        self._listeners[topic].discard(subscription)
        if not self._listeners[topic]:
            del self._listeners[topic]

    def leave(self, subscription: Subscription) -> None:
        for topic in list(subscription.topics):
            self.mute(subscription, topic)


store = MemoryStore()
