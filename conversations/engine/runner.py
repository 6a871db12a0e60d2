"""Runs generations: one task an answer, and a few loops for all of them. It belongs to no socket and no request."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from typing import Any
from uuid import UUID

from conversations import events, leases, runs
from conversations.engine import bell
from conversations.engine.answer import Answer, Draft
from conversations.engine.store import MemoryStore
from conversations.models import Generation
from providers.errors import ChatsiteError
from providers.routing import Route
from providers.threads import in_thread
from providers.types import ContentDelta, ReasoningDelta, UsageReported

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.04
POLL_SECONDS = 2.0
SWEEP_SECONDS = 5.0
MOST_ANSWERS = 500

Status = Generation.Status


class Engine:
    """The engine of one process. `start` and `stop` once each, on the loop it runs on."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.answers: dict[UUID, Answer] = {}
        self.tasks: dict[UUID, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._endings: set[asyncio.Task[None]] = set()
        self._stopped: set[UUID] = set()
        self._looking = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._news = asyncio.Event()
        self._writing = asyncio.Event()
        self._draining = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.process: UUID = await in_thread(leases.register)()
        bell.listen(self._ring)
        self._loops = [asyncio.create_task(loop) for loop in (self._watch_rows(), self._tick(), self._keep_lease())]

    def _ring(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more; give running answers `seconds` to end by themselves."""
        self._draining = True
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=seconds)

    async def stop(self) -> None:
        """End what still runs as interrupted, with its text saved and charged, and leave."""
        self._draining = True
        bell.forget(self._ring)
        async with self._looking:  # a claim under way would begin an answer behind our back
            await _cancelled(self.tasks.values())
        await asyncio.gather(*self._endings)
        await _cancelled(self._loops)
        await in_thread(leases.leave)(self.process)

    # Loops

    async def _watch_rows(self) -> None:
        """Claims what is queued and hears what should stop: at once when rung, else every two seconds."""
        while True:
            await self._guarded(self._look())
            try:
                await asyncio.wait_for(self._news.wait(), POLL_SECONDS)
            except TimeoutError:
                continue
            self._news.clear()

    async def _look(self) -> None:
        async with self._looking:
            for generation_id in await in_thread(runs.stops_for)(process=self.process) if self.tasks else []:
                if generation_id in self.tasks and generation_id not in self._stopped:
                    self._stopped.add(generation_id)
                    self.tasks[generation_id].cancel()
            if not self._draining:
                for work in await in_thread(runs.claim)(process=self.process, most=MOST_ANSWERS - len(self.tasks)):
                    self._begin(work)

    def _begin(self, work: runs.Work) -> None:
        generation = work.generation
        self.answers[generation.pk] = Answer(generation, self.store)
        self.store.begin(generation.pk, generation.conversation_id, generation.answer_id)
        self.store.publish(events.topic_of(generation.conversation_id), events.turn_started(generation))
        self._tell_sidebar(generation)
        self.tasks[generation.pk] = asyncio.create_task(self._run(work))
        self._writing.set()

    async def _tick(self) -> None:
        """Publishes and saves for all answers; sleeps while there is none."""
        while True:
            await self._writing.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            for answer in self.answers.values():
                answer.flush()
            if not self._saving.locked() and any(a.is_due(time.monotonic()) for a in self.answers.values()):
                await self._guarded(self._save())
            if not self.answers:
                self._writing.clear()

    async def _save(self) -> None:
        async with self._saving:
            now = time.monotonic()
            due = [answer for answer in self.answers.values() if answer.is_due(now)]
            drafts = [(answer, answer.draft()) for answer in due]
            for answer in due:
                answer.mark_saved(now)
            if drafts:
                await in_thread(_save_all)(drafts)

    async def _keep_lease(self) -> None:
        """Beats every two seconds; ends others' lost work only after the database has answered for a whole lease."""
        answered_since, swept = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(leases.BEAT_SECONDS)
            if not await self._guarded(in_thread(leases.beat)(self.process)):
                answered_since = time.monotonic()
            now = time.monotonic()
            if now - answered_since >= leases.LEASE_SECONDS and now - swept >= SWEEP_SECONDS:
                swept = now
                await self._guarded(in_thread(leases.sweep)())

    async def _guarded(self, step: Coroutine[Any, Any, Any]) -> bool:
        """Whether the step went well. A database that is away for a while must not end a loop."""
        try:
            await step
        except Exception:
            log.exception("The engine could not do a step; it tries again")
            return False
        return True

    # One answer

    async def _run(self, work: runs.Work) -> None:
        generation, answer = work.generation, self.answers[work.generation.pk]
        route = Route(work.candidates, work.request)
        reported: UsageReported | None = None
        status, error = Status.FAILED, None
        try:
            if generation.stop_requested_at:
                raise asyncio.CancelledError
            async with aclosing(route.events()) as stream:
                async for event in stream:
                    match event:
                        case ContentDelta(0, text):
                            answer.add("text", text)
                        case ReasoningDelta(0, text):
                            answer.add("reasoning", text)
                        case UsageReported():
                            reported = event
            status = Status.DONE
        except asyncio.CancelledError:
            wanted = generation.pk in self._stopped or generation.stop_requested_at
            status = Status.STOPPED if wanted else Status.INTERRUPTED
        except ChatsiteError as problem:
            error = problem
        except Exception:
            log.exception("Generation %s failed", generation.pk)
            error = ChatsiteError("Something went wrong here, not with your message. Try again.")
        ending = asyncio.create_task(self._finish(answer, route, status, reported, error))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        await asyncio.shield(ending)

    async def _finish(
        self,
        answer: Answer,
        route: Route,
        status: Generation.Status,
        reported: UsageReported | None,
        error: ChatsiteError | None,
    ) -> None:
        answer.flush()
        async with self._saving:  # no checkpoint is under way with an older text of this answer
            self.answers.pop(answer.id, None)
        try:
            await self._settle(answer, route, status, reported, error)
        finally:
            self.tasks.pop(answer.id, None)
            self._stopped.discard(answer.id)
            self.store.end(answer.id, status.value)
            self._tell_sidebar(answer.generation)

    async def _settle(
        self,
        answer: Answer,
        route: Route,
        status: Generation.Status,
        reported: UsageReported | None,
        error: ChatsiteError | None,
    ) -> None:
        draft, serving = answer.draft(), route.serving
        tokens = await in_thread(answer.count)(draft)
        result = runs.Result(
            status=status,
            text=draft.text,
            reasoning=draft.reasoning,
            tokens=tokens,
            reported=reported,
            deployment=serving.endpoint.deployment.pk if serving else None,
            attempts=route.attempts,
            first_token_ms=answer.first_token_ms(),
            thought_ms=answer.thought_ms(),
            duration_ms=answer.duration_ms(),
            error=error,
        )
        await in_thread(runs.finish_turn)(answer.generation, result)

    def _tell_sidebar(self, generation: Generation) -> None:
        self.store.publish(events.topic_of_user(generation.user_id), events.sidebar())


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel and wait. A task that was never begun would not run its ending, so each gets its first step."""
    tasks = list(tasks)
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _save_all(drafts: list[tuple[Answer, Draft]]) -> None:
    runs.save_progress([answer.progress(draft) for answer, draft in drafts])
