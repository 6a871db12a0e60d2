"""The chat socket: frames to calls, frames back. It decides nothing, and no handler waits, or it would go deaf."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseGone

from conversations import events, live, turns
from conversations.engine.store import Subscription, store
from conversations.errors import LedgerUnavailable
from conversations.models import Generation
from conversations.protocol import AnyFrame, BadFrame, Regenerate, Resync, Send, Stop, Watch, parse
from providers.errors import ChatsiteError
from providers.threads import aside, in_thread

log = logging.getLogger(__name__)

LONGEST_FRAME = 1 << 20
MOST_SOCKETS = 20  # of one person
MOST_WAITING = 64  # frames of one socket
CHECK_SECONDS = 30.0
BAD_FRAME, SIGNED_OUT, TOO_SLOW, TOO_BIG, TOO_FAST = 4400, 4401, 4408, 4413, 4429


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels is untyped
    """One browser tab. It watches one conversation at a time, and its person's list of chats."""

    async def connect(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.subscription = Subscription()
        self.in_order = asyncio.Lock()
        self.watched: UUID | None = None
        self.user = self.scope["user"]
        self.topic = events.topic_of_user(self.user.pk)
        await self.accept()
        if not self.user.is_authenticated:
            await self.close(SIGNED_OUT)
        elif store.listeners(self.topic) >= MOST_SOCKETS:
            await self.close(TOO_FAST)
        else:
            store.listen(self.subscription, self.topic)
            self._spawn(self._pump())
            self._spawn(self._leave_with_session())

    async def disconnect(self, code: int) -> None:
        store.leave(self.subscription)
        for task in self.tasks:
            task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.subscription.topics:
            return  # closed before it began
        if text_data is None:
            await self.close(BAD_FRAME)
        elif len(text_data) > LONGEST_FRAME:
            await self.close(TOO_BIG)
        elif len(self.tasks) > MOST_WAITING:
            await self.close(TOO_FAST)
        else:
            try:
                self._spawn(self._answer(parse(text_data)))
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

    async def _leave_with_session(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                if not await self._is_signed_in():
                    break
            except Exception:
                log.exception("Whether a socket's session lives cannot be told; it is asked again")
        await self.close(SIGNED_OUT)

    async def _is_signed_in(self) -> bool:
        session = self.scope.get("session")
        return await aside(live.is_signed_in)(self.user, session and session.session_key)

    async def _answer(self, frame: AnyFrame) -> None:
        """Frames are obeyed in the order in which they came; a stop waits for no other. Nobody is left without word."""
        try:
            async with nullcontext() if isinstance(frame, Stop) else self.in_order:
                await self._obey(frame)
        except ChatsiteError as problem:
            self._refuse(frame, problem)
        except Exception as error:
            log.exception("A frame of type %s failed", frame.type)
            failure = LedgerUnavailable if isinstance(error, DatabaseGone) else ChatsiteError
            self._refuse(frame, failure("Something went wrong here, not with your message. Try again in a moment."))

    def _refuse(self, frame: AnyFrame, problem: ChatsiteError) -> None:
        if isinstance(frame, Send | Regenerate):
            self.subscription.put(events.turn_refused(frame.client_id, problem))
        else:
            self.subscription.put(events.error(problem.code, problem.message))

    async def _obey(self, frame: AnyFrame) -> None:
        # Whoever has signed out elsewhere may still stop what they pay for, and nothing else.
        if not isinstance(frame, Stop) and not await self._is_signed_in():
            await self.close(SIGNED_OUT)
            return
        match frame:
            case Watch(conversation=conversation):
                await self._watch(conversation)
            case Send() | Regenerate():
                await self._start(frame)
            case Stop(generation=generation):
                await in_thread(turns.request_stop)(user=self.user, generation_id=generation)
            case Resync(generation=generation):
                await self._show(generation)

    async def _watch(self, conversation_id: UUID) -> None:
        if not await aside(live.may_see)(self.user, conversation_id):
            self.subscription.put(events.error("not_found", "This chat is not here any more. Start a new one."))
            return
        self._listen(conversation_id)
        conversation, running = await aside(live.watched)(conversation_id)
        self.subscription.put(events.watching(conversation, running))
        for generation in running:
            await self._show(generation)

    def _listen(self, conversation_id: UUID) -> None:
        if self.watched == conversation_id:
            return
        if self.watched:
            store.mute(self.subscription, events.topic_of(self.watched))
        self.watched = conversation_id
        store.listen(self.subscription, events.topic_of(conversation_id))

    async def _start(self, frame: Send | Regenerate) -> None:
        started = await in_thread(turns.start)(await aside(_ask)(self.user, frame))
        self.subscription.put(events.turn_started(started.generation))
        await self._watch(started.generation.conversation_id)

    async def _show(self, generation: UUID) -> None:
        """All of an answer so far: from the store while it is written there, else from its row."""
        row = await aside(live.snapshot)(self.user, generation)
        if row is None:
            return
        written = store.snapshot(generation)
        self.subscription.put(written or row)
        if not written and row["status"] in Generation.UNFINISHED:
            # It may have ended, and said so, while we read; then nobody says so again.
            row = await aside(live.snapshot)(self.user, generation)
            if row and row["status"] not in Generation.UNFINISHED:
                self.subscription.put(row)


def _ask(user: Any, frame: Send | Regenerate) -> turns.Asked | turns.Started:
    if isinstance(frame, Regenerate):
        return turns.ask_again(
            user=user,
            message_id=frame.message,
            model_name=frame.model,
            params=frame.params,
            client_id=frame.client_id,
        )
    return turns.ask(
        user=user,
        conversation_id=frame.conversation,
        parent_id=frame.parent,
        text=frame.text,
        model_name=frame.model,
        params=frame.params,
        client_id=frame.client_id,
    )
