"""Runs generations: one task an answer, and a few loops for all of them. It belongs to no socket and no request."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.db.models import Q

from conversations import events, leases, runs
from conversations.engine import bell
from conversations.engine.answer import Answer, Draft
from conversations.engine.ending import Outcome, settle
from conversations.engine.store import MemoryStore
from conversations.errors import AnswerTooLong
from conversations.models import Generation
from providers.errors import ChatsiteError
from providers.routing import Route
from providers.threads import aside, in_thread
from providers.types import ContentDelta, ReasoningDelta, UsageReported

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.04
POLL_SECONDS = 2.0
SWEEP_SECONDS = 5.0
MOST_ANSWERS = 500
TOO_LONG = "The provider sent far more than was asked for, so the answer was cut here. Ask an admin to look at it."

Status = Generation.Status


class Engine:
    """The engine of one process. `start` and `stop` once each, on the loop it runs on."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.answers: dict[UUID, Answer] = {}
        self.tasks: dict[UUID, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._endings: set[asyncio.Task[None]] = set()
        self._checkpoints: set[asyncio.Task[bool]] = set()
        self._stopped: set[UUID] = set()
        self._looking = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._news = asyncio.Event()
        self._writing = asyncio.Event()
        self._draining = False
        self._leaving = asyncio.Event()

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
        """End what still runs as interrupted, with its text saved and charged, and leave.

        What the database does not take now, the next start ends with what was saved on the way.
        """
        if not self._loops:
            return  # it was never started
        self._draining = True
        self._leaving.set()
        bell.forget(self._ring)
        async with self._looking:  # a claim under way would begin an answer behind our back
            await _cancelled(self.tasks.values())
        await asyncio.gather(*self._endings, return_exceptions=True)
        await _cancelled([*self._loops, *self._checkpoints])
        await self._guarded(in_thread(leases.leave)(self.process))

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
            if not self._checkpoints and any(a.is_due(time.monotonic()) for a in self.answers.values()):
                self._checkpoint()
            if not self.answers:
                self._writing.clear()

    def _checkpoint(self) -> None:
        """Save beside the tick: pieces go on while the database is slow."""
        task = asyncio.create_task(self._guarded(self._save()))
        self._checkpoints.add(task)
        task.add_done_callback(self._checkpoints.discard)

    async def _save(self) -> None:
        async with self._saving:
            now = time.monotonic()
            due = [answer for answer in self.answers.values() if answer.is_due(now)]
            drafts = [(answer, answer.draft()) for answer in due]
            for answer in due:
                answer.mark_saved(now)
            if not drafts:
                return
            try:
                await in_thread(runs.save_progress)(await aside(_progress)(drafts))
            except Exception:
                for answer in due:
                    answer.mark_unsaved()
                raise

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
                await self._guarded(self._sweep())

    async def _sweep(self) -> None:
        """End what lost its process, and what this one claimed just when the database went away and never began."""
        async with self._looking:
            unbegun = Q(process=self.process) & ~Q(pk__in=list(self.tasks))
            ended = await in_thread(leases.sweep)(also=unbegun)
        for generation in ended:
            if generation.pk not in self.tasks:  # ours say so themselves
                frame = events.turn_ended(generation.pk, generation.answer_id, Status.INTERRUPTED)
                self.store.publish(events.topic_of(generation.conversation_id), frame)
                self._tell_sidebar(generation)

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
        route, outcome = Route(work.candidates, work.request), Outcome()
        try:
            if generation.stop_requested_at:
                raise asyncio.CancelledError
            await self._collect(answer, route, outcome)
            outcome.status = Status.DONE
        except asyncio.CancelledError:
            wanted = generation.pk in self._stopped or generation.stop_requested_at
            outcome.status = Status.STOPPED if wanted else Status.INTERRUPTED
        except ChatsiteError as problem:
            outcome.error = problem
        except Exception:
            log.exception("Generation %s failed", generation.pk)
            outcome.error = ChatsiteError("Something went wrong here, not with your message. Try again.")
        ending = asyncio.create_task(self._finish(answer, route, outcome))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        await asyncio.shield(ending)

    async def _collect(self, answer: Answer, route: Route, outcome: Outcome) -> None:
        async with aclosing(route.events()) as stream:
            async for event in stream:
                serving = route.serving
                if answer.first_token is None and serving and serving is not route.candidates[0]:
                    await self._guarded(in_thread(runs.served_by)(answer.generation, serving))
                match event:
                    case ContentDelta(0, text):
                        answer.add("text", text)
                    case ReasoningDelta(0, text):
                        answer.add("reasoning", text)
                    case UsageReported():
                        outcome.reported = event
                if route.serving and answer.runs_over(route.serving.max_tokens):
                    raise AnswerTooLong(TOO_LONG)

    async def _finish(self, answer: Answer, route: Route, outcome: Outcome) -> None:
        answer.flush()
        async with self._saving:  # no checkpoint is under way with an older text of this answer
            self.answers.pop(answer.id, None)
        answer.ended = time.monotonic()
        status = await settle(answer, route, outcome, self._leaving)
        self.tasks.pop(answer.id, None)
        self._stopped.discard(answer.id)
        self.store.end(answer.id, status)
        self._tell_sidebar(answer.generation)

    def _tell_sidebar(self, generation: Generation) -> None:
        self.store.publish(events.topic_of_user(generation.user_id), events.sidebar())


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel and wait. A task that was never begun would not run its ending, so each gets its first step."""
    tasks = list(tasks)
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _progress(drafts: list[tuple[Answer, Draft]]) -> list[runs.Progress]:
    return [answer.progress(draft) for answer, draft in drafts]
