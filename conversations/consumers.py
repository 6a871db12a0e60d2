"""The chat socket: frames to calls, frames back. It decides nothing, and no handler waits, or it would go deaf."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer

from conversations import events, live, turns
from conversations.engine.store import Subscription, store
from conversations.protocol import AnyFrame, BadFrame, Regenerate, Resync, Send, Stop, Watch, parse
from providers.errors import ChatsiteError
from providers.threads import in_thread

LONGEST_FRAME = 1 << 20
BAD_FRAME, SIGNED_OUT, TOO_SLOW, TOO_BIG = 4400, 4401, 4408, 4413


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels is untyped
    """One browser tab. It watches one conversation at a time, and its person's list of chats."""

    async def connect(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.subscription = Subscription()
        self.watched: UUID | None = None
        self.user = self.scope["user"]
        await self.accept()
        if not self.user.is_authenticated:
            await self.close(SIGNED_OUT)
            return
        store.listen(self.subscription, events.topic_of_user(self.user.pk))
        self._spawn(self._pump())

    async def disconnect(self, code: int) -> None:
        store.leave(self.subscription)
        for task in self.tasks:
            task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data is None:
            await self.close(BAD_FRAME)
        elif len(text_data) > LONGEST_FRAME:
            await self.close(TOO_BIG)
        elif self.user.is_authenticated:
            try:
                self._spawn(self._handle(parse(text_data)))
            except BadFrame as error:
                self.subscription.put(events.error("bad_frame", str(error)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _pump(self) -> None:
        while frames := await self.subscription.frames():
            for frame in frames:
                await self.send(text_data=frame)
        await self.close(TOO_SLOW)

    async def _handle(self, frame: AnyFrame) -> None:
        match frame:
            case Watch(conversation=conversation):
                await self._watch(conversation)
            case Send() | Regenerate():
                await self._start(frame)
            case Stop(generation=generation):
                await in_thread(turns.request_stop)(user=self.user, generation_id=generation)
            case Resync(generation=generation):
                await self._resync(generation)

    async def _watch(self, conversation_id: UUID) -> None:
        if not await in_thread(live.may_see)(self.user, conversation_id):
            self.subscription.put(events.error("not_found", "This chat is not here any more. Start a new one."))
            return
        self._listen(conversation_id)
        conversation, running = await in_thread(live.watched)(conversation_id)
        self.subscription.put(events.watching(conversation, running))
        for generation in running:
            if snapshot := store.snapshot(generation):
                self.subscription.put(snapshot)

    def _listen(self, conversation_id: UUID) -> None:
        if self.watched == conversation_id:
            return
        if self.watched:
            store.mute(self.subscription, events.topic_of(self.watched))
        self.watched = conversation_id
        store.listen(self.subscription, events.topic_of(conversation_id))

    async def _start(self, frame: Send | Regenerate) -> None:
        try:
            started = await in_thread(_start)(self.user, frame)
        except ChatsiteError as refused:
            self.subscription.put(events.turn_refused(frame.client_id, refused))
            return
        self.subscription.put(events.turn_started(started.generation))
        await self._watch(started.generation.conversation_id)

    async def _resync(self, generation: UUID) -> None:
        snapshot = await in_thread(live.snapshot)(self.user, generation)
        if snapshot:
            self.subscription.put(store.snapshot(generation) or snapshot)


def _start(user: Any, frame: Send | Regenerate) -> turns.Started:
    if isinstance(frame, Regenerate):
        return turns.regenerate(
            user=user,
            message_id=frame.message,
            model_name=frame.model,
            params=frame.params,
            client_id=frame.client_id,
        )
    return turns.start_turn(
        user=user,
        conversation_id=frame.conversation,
        parent_id=frame.parent,
        text=frame.text,
        model_name=frame.model,
        params=frame.params,
        client_id=frame.client_id,
    )
