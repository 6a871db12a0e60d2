"""What a request leaves behind on its way: a stop, notes about its keys, and faults of our own."""

import asyncio
import threading
import time

import pytest
from django.db import OperationalError

from providers import patience, routing
from providers.endpoints import Candidate, Endpoint
from providers.errors import UpstreamRejected
from providers.models import Deployment, UpstreamKey
from providers.routing import Route
from providers.services import save_key
from providers.threads import in_thread
from tests.canary import CANARY
from tests.providers import ways
from tests.providers.ways import (
    OK_TWO,
    WHOLE,
    calls,
    candidates,
    endpoints_again,
    follow,
    order,
    request,
    row,
    tried,
)

pytestmark = pytest.mark.django_db(transaction=True)
port, simulator = ways.port, ways.simulator  # fixtures
AT_ONCE = 1.0  # seconds: far less than what it would wait for, and far more than it takes


async def stopped(route, when):
    """Cancel what follows the route once `when()` is true; the seconds until it has ended."""
    task = asyncio.create_task(follow(route))
    async with asyncio.timeout(5):
        while not when():  # noqa: ASYNC110 - what happens inside rings no bell
            await asyncio.sleep(0.005)
    asked = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - asked


async def test_a_stop_in_the_pause_between_two_attempts_ends_at_once(simulator, port, monkeypatch):
    monkeypatch.setattr(routing, "FIRST_PAUSE", 60)
    monkeypatch.setattr(routing, "LONGEST_PAUSE", 60)
    await order(simulator, "one1", fail=500)
    route = Route(await candidates(port, "one1", "one2"), request())
    assert await stopped(route, lambda: route.attempts) < AT_ONCE
    assert tried(route) == [("…one1", "upstream_unavailable", 500)]
    assert len(await calls(simulator)) == 1


@pytest.mark.parametrize("point", ["request", "headers"])
async def test_a_stop_during_the_second_attempt_ends_it_and_is_kept(simulator, port, point):
    await order(simulator, "one1", fail=500)
    await order(simulator, "one2", fail_mode="hang", fail_after=point)
    route = Route(await candidates(port, "one1", "one2", "two1"), request())
    assert await stopped(route, lambda: route.serving is route.candidates[1]) < AT_ONCE
    assert tried(route) == [("…one1", "upstream_unavailable", 500), ("…one2", "stopped", None)]
    assert (await row("one2")).rest == ""


async def test_a_stop_is_not_held_up_by_a_note(simulator, port, monkeypatch):
    waits, began = threading.Event(), threading.Event()

    def slow(endpoint, error):
        began.set()
        waits.wait(10)

    monkeypatch.setattr(patience, "note_failure", slow)
    await order(simulator, "one1", fail=500)
    route = Route(await candidates(port, "one1", "one2"), request())
    took = await stopped(route, began.is_set)
    waits.set()
    assert took < AT_ONCE
    assert len(await calls(simulator)) == 1


async def test_an_answer_does_not_fail_because_its_notes_cannot_be_made(simulator, port, monkeypatch, caplog):
    def away(*_):
        raise OperationalError("server closed the connection unexpectedly")

    one, two = await candidates(port, "one1", "one2")
    two.endpoint.key.failures = 1
    monkeypatch.setattr(patience, "note_failure", away)
    monkeypatch.setattr(patience, "note_success", away)
    await order(simulator, "one1", fail=500)
    route = Route([one, two], request())
    assert await follow(route) == (WHOLE, None)
    assert tried(route) == [("…one1", "upstream_unavailable", 500), OK_TWO]
    assert caplog.text.count("could not be noted") == 2


async def test_an_answer_waits_for_a_slow_note_only_so_long(simulator, port, monkeypatch):
    waits = threading.Event()
    monkeypatch.setattr(routing, "NOTE_SECONDS", 0.1)
    monkeypatch.setattr(patience, "note_failure", lambda *_: waits.wait(10))
    await order(simulator, "one1", fail=500)
    route = Route(await candidates(port, "one1", "one2"), request())
    async with asyncio.timeout(5):
        assert await follow(route) == (WHOLE, None)
    waits.set()


async def test_a_fault_of_ours_is_kept_as_ours(simulator, port, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(routing, "target_of", broken)
    route = Route(await candidates(port, "one1", "one2"), request())
    with pytest.raises(ZeroDivisionError):
        await follow(route)
    assert tried(route) == [("…one1", "internal", None)]
    assert route.attempts[0]["problem"]


async def test_thirty_streams_that_fail_together_are_one_failure_of_the_key(simulator, port):
    await order(simulator, "one1", fail=500)
    listed = await candidates(port, "one1", "two1")
    routes = [Route(listed, request()) for _ in range(30)]
    assert await asyncio.gather(*map(follow, routes)) == [(WHOLE, None)] * 30
    assert (await row("one1")).failures == 1
    assert (await row("two1")).failures == 0


async def test_a_key_without_credit_is_asked_again_by_one_of_many(simulator, port):
    await candidates(port, "one1", "one2")
    await in_thread(UpstreamKey.objects.filter(last_four="one1").update)(state="broke")
    await order(simulator, "one1", fail=402)
    broke, good = await endpoints_again("one1", "one2")
    routes = [Route([broke, good], request()) for _ in range(10)]
    assert await asyncio.gather(*map(follow, routes)) == [(WHOLE, None)] * 10
    assert sorted(len(route.attempts) for route in routes) == [1] * 9 + [2]
    assert (await row("one1")).state == "broke"


async def test_a_key_without_credit_that_is_nobodys_turn_is_said_to_be_that(simulator, port):
    (one,) = await candidates(port, "one1")
    await in_thread(patience.mark_key)(key=one.endpoint.key, state="broke")
    (broke,) = await endpoints_again("one1")
    text, error = await follow(Route([broke], request()))
    assert (text, error.message) == ("", routing.NO_CREDIT)
    assert await calls(simulator) == []


async def test_a_key_that_was_topped_up_is_back_in_use(simulator, port):
    await candidates(port, "one1")
    await in_thread(UpstreamKey.objects.update)(state="broke")
    assert await follow(Route(await endpoints_again("one1"), request())) == (WHOLE, None)
    assert (await row("one1")).state == "good"


@pytest.mark.parametrize(
    ("status", "words", "state"),
    [
        (401, "The provider does not accept your own key. Save another one", "refused"),
        (402, "Your own account at the provider is out of credit.", "broke"),
        (403, "The provider does not allow your own key to do that.", "good"),
        (406, "Your own account at the provider is out of credit.", "broke"),
        (429, "The provider is taking no more requests at the moment.", "good"),
    ],
)
async def test_what_is_wrong_with_an_own_key_is_said_of_that_key(simulator, port, alice, status, words, state):
    await order(simulator, "mine", fail=status)
    (team,) = await candidates(port, "one1")
    own = await in_thread(save_key)(deployment=team.endpoint.deployment, plain=f"{CANARY}-mine", owner=alice)
    route = Route([Candidate(Endpoint(team.endpoint.deployment, own), 100)], request())
    _, error = await follow(route)
    assert error.message.startswith(words)
    assert route.attempts[0]["problem"] == error.message
    assert (route.attempts[0]["own_key"], tried(route)) == (True, [("…mine", error.code, status)])
    assert (await row("mine")).state == state
    assert (await row("one1")).state == "good"
    assert len(await calls(simulator)) == 1


async def test_a_server_that_wants_no_key_gets_none_and_rests_itself(simulator, port, settings):
    (one,) = await candidates(port, "one1")
    await in_thread(Deployment.objects.update)(
        needs_key=False, dialect="openai", base_url=f"http://127.0.0.1:{port}/v1"
    )
    deployment = await in_thread(Deployment.objects.select_related("model").get)()
    route = Route([Candidate(Endpoint(deployment, None), 100)], request())
    assert isinstance((await follow(route))[1], UpstreamRejected)  # the simulated upstream wants a key
    assert tried(route) == [("", "upstream_rejected", 401)]
    assert "Authorization" not in (await calls(simulator))[0]["headers"]
