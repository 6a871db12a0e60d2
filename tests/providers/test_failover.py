"""One request on its way through several keys and places: what is tried next, and what is not."""

import json

import pytest

from providers import routing
from providers.endpoints import Candidate
from providers.errors import UpstreamTimeout, UpstreamUnavailable
from providers.models import Deployment
from providers.routing import Route
from providers.threads import in_thread
from tests.canary import CANARY
from tests.providers import ways
from tests.providers.ways import (
    FIRST,
    OK_NEXT,
    OK_TWO,
    SECOND,
    WHOLE,
    calls,
    candidates,
    follow,
    order,
    request,
    row,
    tried,
)

pytestmark = pytest.mark.django_db(transaction=True)
port, simulator = ways.port, ways.simulator  # fixtures


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
    alone = Route((await candidates(port, "one1", "one2", first_token_timeout=2))[:1], request())
    _, error = await follow(alone)
    assert isinstance(error, UpstreamTimeout)
    assert len(alone.attempts) == 1
    both = Route(await candidates(port, "one1", "one2"), request())
    assert await follow(both) == (WHOLE, None)
    assert tried(both) == [("…one1", "upstream_timeout", None), OK_TWO]


async def test_no_attempt_begins_when_the_patience_is_over(simulator, port, monkeypatch):
    monkeypatch.setattr(routing, "PATIENCE_SECONDS", 0.5)
    await order(simulator, "one1", fail_mode="hang")  # gives up after a second
    route = Route(await candidates(port, "one1", "one2", first_token_timeout=1), request())
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
