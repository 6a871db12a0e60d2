"""One request on its way through several keys and places, over real HTTP to the simulated upstream."""

import asyncio
import json
import threading
import time
from contextlib import aclosing

import pytest
from django.db import OperationalError

from providers import client, patience, routing, threads
from providers.endpoints import Candidate, Endpoint
from providers.errors import InvalidRequest, UpstreamError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from providers.models import Deployment, Model, UpstreamKey
from providers.routing import Route
from providers.services import save_key
from providers.threads import in_thread
from providers.types import ChatMessage, ChatRequest, ContentDelta, Sampling
from tests.canary import CANARY
from tests.simulator.peer import Peer, running

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, SECOND = "deepseek-chat", "deepseek-coder"  # their names at the upstream: two places on one host
WHOLE = "Once upon a time."


@pytest.fixture(scope="session")
def port():
    with running("--port", "0", "--with-parent") as (process, port):
        yield port
        process.stdin.close()
        process.wait(timeout=5)


@pytest.fixture
async def simulator(port, settings):
    settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{port}"]
    peer = Peer(port)
    await asyncio.to_thread(peer.forget)
    yield peer
    await client.get_client().aclose()
    await asyncio.to_thread(threads.shutdown)


@in_thread
def candidates(port, *keys, **fields):
    """Candidates in this order: keys called one… are the first place's, those called two… the second's."""
    model, _ = Model.objects.get_or_create(name="m", defaults={"title": "M", "dialect": "thinking"})
    made = []
    for name in keys:
        deployment, _ = Deployment.objects.get_or_create(
            model=model,
            dialect="thinking",
            base_url=f"http://127.0.0.1:{port}",
            upstream_model=FIRST if name.startswith("one") else SECOND,
            defaults={"context_window": 9000, "max_output": 900, "first_token_timeout": 1} | fields,
        )
        key = save_key(deployment=deployment, plain=f"{CANARY}-{name}")
        key.deployment = deployment
        made.append(Candidate(Endpoint(deployment, key), 100))
    return made


async def order(simulator, key, **fault):
    """Let the key with these last four characters fail so."""
    reply = await asyncio.to_thread(simulator.order, match={"key_last_four": key}, **fault)
    assert reply.status == 201, reply.raw


async def calls(simulator):
    return await asyncio.to_thread(simulator.journal)


def request(text=f'[[speed=0 say="{WHOLE}"]] Hi', **sampling):
    return ChatRequest("m", (ChatMessage("user", text),), sampling=Sampling(**sampling))


async def follow(route):
    """The text that came, and the error if one did."""
    text = ""
    try:
        async with aclosing(route.events()) as events:
            async for event in events:
                if isinstance(event, ContentDelta):
                    text += event.text
    except (UpstreamError, InvalidRequest) as error:
        return text, error
    return text, None


def tried(route):
    """Key, result and status of each attempt."""
    return [(each["key"], each["result"], each["status"]) for each in route.attempts]


@in_thread
def row(key):
    return UpstreamKey.objects.get(last_four=key)


OK_TWO, OK_NEXT = ("…one2", "ok", None), ("…two1", "ok", None)


@pytest.mark.parametrize(
    ("status", "result", "then"),
    [
        (400, "upstream_rejected", OK_NEXT),
        (401, "upstream_rejected", OK_TWO),
        (402, "upstream_rejected", OK_TWO),
        (403, "upstream_rejected", OK_TWO),
        (404, "upstream_rejected", OK_NEXT),
        (405, "upstream_rejected", OK_NEXT),
        (406, "upstream_rejected", OK_TWO),
        (408, "upstream_rejected", OK_TWO),
        (409, "upstream_rejected", OK_TWO),
        (413, "upstream_rejected", OK_NEXT),
        (422, "upstream_rejected", OK_NEXT),
        (429, "upstream_unavailable", OK_TWO),
        (500, "upstream_unavailable", OK_TWO),
        (502, "upstream_unavailable", OK_TWO),
        (503, "upstream_unavailable", OK_TWO),
        (504, "upstream_unavailable", OK_TWO),
        (529, "upstream_unavailable", OK_TWO),
    ],
)
async def test_what_is_tried_after_each_status(simulator, port, status, result, then):
    await order(simulator, "one1", fail=status)
    route = Route(await candidates(port, "one1", "one2", "two1"), request())
    assert await follow(route) == (WHOLE, None)
    assert tried(route) == [("…one1", result, status), then]
    assert route.serving.endpoint.key.last_four == then[0][1:]


async def test_after_the_first_token_nothing_else_is_tried(simulator, port):
    await order(simulator, "one1", fail=503, fail_after=2, fail_mode="error_event")
    route = Route(await candidates(port, "one1", "one2", "two1"), request())
    text, error = await follow(route)
    assert text and WHOLE.startswith(text) and text != WHOLE
    assert isinstance(error, UpstreamUnavailable)
    assert tried(route) == [("…one1", "upstream_unavailable", None)]
    assert (await row("one1")).rest == "failed"
    assert len(await calls(simulator)) == 1


async def test_no_more_than_four_are_tried_and_the_last_is_another_place(simulator, port):
    for key in ("one1", "one2", "one3", "one4", "one5"):
        await order(simulator, key, fail=500)
    route = Route(await candidates(port, "one1", "one2", "one3", "one4", "one5", "two1"), request())
    assert await follow(route) == (WHOLE, None)
    assert [key for key, _, _ in tried(route)] == ["…one1", "…one2", "…one3", "…two1"]


async def test_when_all_fail_the_last_error_is_raised_after_four(simulator, port):
    for key, status in (("one1", 500), ("one2", 502), ("one3", 503), ("one4", 504), ("one5", 500)):
        await order(simulator, key, fail=status)
    route = Route(await candidates(port, "one1", "one2", "one3", "one4", "one5"), request())
    text, error = await follow(route)
    assert (text, error.upstream_status) == ("", 504)
    assert [status for _, _, status in tried(route)] == [500, 502, 503, 504]
    assert len(await calls(simulator)) == 4


async def test_the_only_place_is_tried_a_second_time_at_once(simulator, port):
    await order(simulator, "one1", fail=502, times=1)
    route = Route(await candidates(port, "one1"), request())
    assert await follow(route) == (WHOLE, None)
    assert tried(route) == [("…one1", "upstream_unavailable", 502), ("…one1", "ok", None)]


async def test_the_only_place_is_tried_no_third_time(simulator, port):
    await order(simulator, "one1", fail_mode="reset")
    route = Route(await candidates(port, "one1"), request())
    _, error = await follow(route)
    assert isinstance(error, UpstreamUnavailable)
    assert tried(route) == [("…one1", "upstream_unavailable", None)] * 2
    assert (await row("one1")).failures == 1


@pytest.mark.parametrize(
    "fault",
    [{"fail": 429}, {"fail": 503, "retry_after": 9}, {"fail": 401}, {"fail": 400}, {"fail_mode": "html"}],
    ids=["429", "503 with a wish", "401", "400", "a web page"],
)
async def test_the_only_place_is_not_bothered_again_when_that_is_no_use(simulator, port, fault):
    await order(simulator, "one1", **fault)
    route = Route(await candidates(port, "one1"), request())
    assert (await follow(route))[1]
    assert len(route.attempts) == len(await calls(simulator)) == 1


async def test_a_silence_before_the_first_token_is_a_failure_of_seconds_and_tried_once(simulator, port):
    await order(simulator, "one1", fail_mode="hang")
    alone = Route((await candidates(port, "one1", "one2"))[:1], request())
    _, error = await follow(alone)
    assert isinstance(error, UpstreamTimeout)
    assert len(alone.attempts) == 1
    both = Route(await candidates(port, "one1", "one2"), request())
    assert await follow(both) == (WHOLE, None)
    assert tried(both) == [("…one1", "upstream_timeout", None), OK_TWO]


async def test_no_attempt_begins_when_the_patience_is_over(simulator, port, monkeypatch):
    monkeypatch.setattr(routing, "PATIENCE_SECONDS", 0.5)
    await order(simulator, "one1", fail_mode="hang")  # gives up after a second
    route = Route(await candidates(port, "one1", "one2"), request())
    assert isinstance((await follow(route))[1], UpstreamTimeout)
    assert len(route.attempts) == 1


async def test_an_attempt_keeps_what_an_admin_needs_and_no_secret(simulator, port):
    await order(simulator, "one1", fail=401, leak=1)
    await order(simulator, "one2", leak=1)
    route = Route(await candidates(port, "one1", "one2", "two1"), request())
    assert await follow(route) == (WHOLE, None)
    refused, failed, answered = route.attempts
    assert refused["problem"].startswith("The provider does not accept the key of this site.")
    assert "[redacted]" in refused["excerpt"]
    assert (failed["status"], failed["own_key"]) == (500, False)
    assert answered["problem"] == answered["excerpt"] == ""
    assert answered["first_token_ms"] <= answered["duration_ms"]
    assert refused["first_token_ms"] is None
    kept = json.dumps(route.attempts)
    assert all(piece not in kept for piece in (CANARY, CANARY[:20], CANARY[-20:], "127.0.0.1"))


async def test_each_candidate_is_asked_for_its_own_most(simulator, port):
    await order(simulator, "one1", fail=500)
    one, two = await candidates(port, "one1", "two1")
    route = Route([one, Candidate(two.endpoint, 77)], request(max_tokens=5000))
    assert (await follow(route))[1] is None
    assert [(call["body"]["model"], call["body"]["max_tokens"]) for call in await calls(simulator)] == [
        (FIRST, 100),
        (SECOND, 77),
    ]


async def test_what_one_dialect_cannot_say_is_asked_of_the_next_place(simulator, port):
    one, same, two = await candidates(port, "one1", "one2", "two1")
    await in_thread(Deployment.objects.filter(pk=two.endpoint.deployment.pk).update)(drops_unsupported=True)
    two.endpoint.deployment.drops_unsupported = True
    route = Route([one, same, two], request(seed=7))
    assert await follow(route) == (WHOLE, None)
    assert tried(route) == [("…one1", "invalid_request", None), OK_NEXT]
    assert [attempt["dropped"] for attempt in route.attempts] == [[], ["seed"]]
    (call,) = await calls(simulator)
    assert "seed" not in call["body"]
    assert (await row("one1")).rest == ""


async def test_without_a_candidate_nobody_is_called(simulator, port):
    route = Route([], request())
    text, error = await follow(route)
    assert (text, error.message) == ("", routing.NOBODY)
    assert (route.attempts, route.serving) == ([], None)


# Stop


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
    assert await stopped(route, lambda: route.attempts) < 0.3
    assert tried(route) == [("…one1", "upstream_unavailable", 500)]
    assert len(await calls(simulator)) == 1


@pytest.mark.parametrize("point", ["request", "headers"])
async def test_a_stop_during_the_second_attempt_ends_it_and_is_kept(simulator, port, point):
    await order(simulator, "one1", fail=500)
    await order(simulator, "one2", fail_mode="hang", fail_after=point)
    route = Route(await candidates(port, "one1", "one2", "two1", first_token_timeout=60), request())
    assert await stopped(route, lambda: route.serving is route.candidates[1]) < 0.3
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
    assert took < 0.3
    assert len(await calls(simulator)) == 1


# Notes


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


@in_thread
def endpoints_again(*keys):
    """The candidates of these keys as their rows are now."""
    found = [UpstreamKey.objects.select_related("deployment__model").get(last_four=key) for key in keys]
    return [Candidate(Endpoint(key.deployment, key), 100) for key in found]


async def test_a_key_that_was_topped_up_is_back_in_use(simulator, port):
    await candidates(port, "one1")
    await in_thread(UpstreamKey.objects.update)(state="broke")
    assert await follow(Route(await endpoints_again("one1"), request())) == (WHOLE, None)
    assert (await row("one1")).state == "good"


async def test_a_refusal_of_an_own_key_never_leads_elsewhere_than_given(simulator, port):
    await order(simulator, "one1", fail=401)
    route = Route(await candidates(port, "one1"), request())
    assert isinstance((await follow(route))[1], UpstreamRejected)
    assert (await row("one1")).state == "refused"
    assert len(route.attempts) == 1


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
