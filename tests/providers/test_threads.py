"""Synchronous services awaited from a loop."""

import asyncio
import threading
import time

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections

from accounts.models import User
from providers import threads
from providers.threads import aside, in_thread


@pytest.fixture(autouse=True)
def own_threads():
    threads.shutdown()
    yield
    threads.shutdown()


async def test_a_service_runs_on_another_thread_and_gives_its_result():
    here = threading.current_thread()

    def add(first, *, second):
        return first + second, threading.current_thread() is here

    assert await in_thread(add)(1, second=2) == (3, False)


async def test_an_error_reaches_the_caller():
    def fail():
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await in_thread(fail)()


async def test_the_awaitable_keeps_the_name_of_the_service():
    def finish_turn():
        """Ends a turn."""

    assert in_thread(finish_turn).__name__ == "finish_turn"


@pytest.mark.django_db(transaction=True)
async def test_a_call_hands_its_connection_back():
    open_afterwards = []

    def look():
        User.objects.count()
        return threading.current_thread(), connections["default"]

    _, used = await in_thread(look)()
    open_afterwards.append(used.connection)

    assert open_afterwards == [None]


@pytest.mark.django_db(transaction=True)
async def test_a_call_hands_its_connection_back_after_an_error():
    used = []

    def fail():
        User.objects.count()
        used.append(connections["default"])
        raise LookupError

    with pytest.raises(LookupError):
        await in_thread(fail)()

    assert used[0].connection is None


@pytest.mark.django_db(transaction=True)
async def test_forty_writers_at_once_all_write():
    def write(number):
        User.objects.create_user(f"member{number}@example.org")

    await asyncio.gather(*(in_thread(write)(number) for number in range(40)))

    assert await in_thread(User.objects.count)() == 40


async def test_there_are_eight_threads_or_one_for_the_one_writer_of_sqlite():
    def who():
        time.sleep(0.02)
        return threading.current_thread().name

    names = await asyncio.gather(*(in_thread(who)() for _ in range(30)))

    assert len(set(names)) == (1 if connection.vendor == "sqlite" else 8)


async def test_what_has_begun_ends_although_its_caller_was_cancelled():
    begun, ended = threading.Event(), threading.Event()

    def work():
        begun.set()
        time.sleep(0.05)
        ended.set()

    task = asyncio.create_task(in_thread(work)())
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    threads.shutdown()
    assert ended.is_set()


async def test_a_service_can_reach_the_loop_of_its_caller():
    async def loop_here():
        return asyncio.get_running_loop()

    assert await in_thread(async_to_sync(loop_here))() is asyncio.get_running_loop()


async def test_calls_after_a_shutdown_get_new_threads():
    add = in_thread(lambda first, second: first + second)
    assert await add(1, 2) == 3

    threads.shutdown()

    assert await add(3, 4) == 7


async def test_what_is_done_aside_holds_up_no_service():
    goes_on = threading.Event()
    slow = [asyncio.create_task(aside(goes_on.wait)(5)) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(in_thread(goes_on.is_set)(), 2) is False
    goes_on.set()
    assert await asyncio.gather(*slow) == [True, True, True]
