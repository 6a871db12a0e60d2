"""Probes: free signs of life, kept as observations, from real servers on this machine."""

import asyncio
import threading
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from billing.models import Hold, UsageRecord
from chatsite import schedule
from chatsite.schedule import run_task
from panel import probes
from providers.health import Status, health_of
from providers.models import Deployment, Model, Observation, UpstreamKey
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_model
from tests.providers.upstream import serving, status
from tests.site import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MODELS = status(200, b'{"data": []}', "Content-Type: application/json")


@pytest.fixture(autouse=True)
async def _all_is_closed(transactional_db):
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def place(settings):
    """Makes a deployment at an upstream on this machine, with a key of the team's unless `key` is None."""

    def make(upstream, name="m", dialect="openai", key=CANARY, **fields):
        settings.PRIVATE_UPSTREAMS = [*settings.PRIVATE_UPSTREAMS, f"127.0.0.1:{upstream.port}"]
        base = f"{upstream.url}/v1" if dialect == "openai" else upstream.url
        deployment = make_model(name, dialect=dialect, base_url=base, documented=False).deployments.get()
        Deployment.objects.filter(pk=deployment.pk).update(**fields)
        if key:
            save_key(deployment=deployment, plain=key)
        return deployment

    return sync_to_async(make)


async def probe():
    """A round, as the schedule makes it."""
    await asyncio.to_thread(run_task, "panel.tasks.probe_deployments")


async def seen():
    return [row async for row in Observation.objects.order_by("at")]


async def test_chat_completions_are_asked_for_their_models_with_the_teams_key(place):
    async with serving(MODELS) as upstream:
        deployment = await place(upstream)
        await probe()

    (request,) = upstream.requests
    assert request.head.startswith("GET /v1/models ")
    assert request.header("authorization") == f"Bearer {CANARY}"
    (row,) = await seen()
    assert (row.deployment_id, row.probe, row.ok, row.problem) == (deployment.pk, True, True, "")
    assert 0 <= row.latency_ms < 4000
    assert (await sync_to_async(health_of)([deployment.pk]))[deployment.pk].status == Status.ONLINE


async def test_other_hosts_are_asked_for_their_front_page_without_a_key(place):
    async with serving(status(404)) as upstream:
        await place(upstream, dialect="thinking")
        await probe()

    (request,) = upstream.requests
    assert request.head.startswith("GET / ")
    assert CANARY not in request.head
    (row,) = await seen()
    assert row.ok


async def test_a_probe_is_free(place):
    async with serving(MODELS) as upstream:
        await place(upstream)
        await probe()

    assert not await Hold.objects.aexists()
    assert not await UsageRecord.objects.aexists()


async def test_without_a_list_of_models_a_server_is_alive_all_the_same(place):
    async with serving(status(404)) as upstream:
        await place(upstream)
        await probe()

    (row,) = await seen()
    assert (row.ok, row.latency_ms) == (True, None)


async def test_a_key_that_the_list_refuses_is_marked_and_not_asked_again(place):
    async with serving(status(401)) as upstream:
        await place(upstream)
        await probe()
        await Observation.objects.all().adelete()
        await probe()

    key = await UpstreamKey.objects.aget()
    assert (key.state, key.last_problem[:36]) == ("refused", "The provider does not accept the key")
    assert len(upstream.requests) == 1


async def test_what_is_wrong_is_kept_in_words_for_everybody(place):
    async with serving(status(503, CANARY.encode())) as upstream:
        await place(upstream)
        await probe()

    (row,) = await seen()
    assert (row.ok, row.problem) == (False, "The provider had a failure of its own. Try again in a moment.")
    assert (await UpstreamKey.objects.aget()).state == "good"


async def test_a_good_probe_puts_no_key_back_in_use_and_ends_no_pause(place):
    until = timezone.now() + timedelta(minutes=5)
    async with serving(MODELS) as upstream:
        deployment = await place(upstream)
        await sync_to_async(save_key)(deployment=deployment, plain="sk-second-0123456789")
        await UpstreamKey.objects.filter(last_four="6789").aupdate(state="refused")
        await UpstreamKey.objects.exclude(last_four="6789").aupdate(rest="failed", resting_until=until, failures=2)
        await probe()

    assert len(upstream.requests) == 1
    refused, resting = [key async for key in UpstreamKey.objects.order_by("last_four")]
    assert refused.state == "refused"
    assert (resting.rest, resting.resting_until, resting.failures) == ("failed", until, 2)


async def test_whoever_asked_for_a_pause_is_left_alone(place):
    async with serving(MODELS) as upstream:
        await place(upstream)
        until = timezone.now() + timedelta(minutes=5)
        await UpstreamKey.objects.aupdate(rest="asked", resting_until=until)
        await probe()

    assert upstream.requests == []


@pytest.mark.parametrize(("seconds", "asked"), [(30, 0), (70, 1)])
@pytest.mark.parametrize("was_probe", [True, False])
async def test_what_was_heard_of_in_the_last_minute_is_not_probed(place, seconds, asked, was_probe):
    async with serving(MODELS) as upstream:
        deployment = await place(upstream)
        then = timezone.now() - timedelta(seconds=seconds)
        await Observation.objects.acreate(deployment=deployment, ok=True, probe=was_probe, at=then)
        await probe()

    assert len(upstream.requests) == asked


async def test_only_what_could_serve_somebody_is_probed(place, alice):
    async with serving(MODELS) as upstream:
        await place(upstream, "switched-off", enabled=False)
        hidden = await place(upstream, "hidden")
        await Model.objects.filter(pk=hidden.model_id).aupdate(enabled=False)
        await place(upstream, "without-a-key", key=None)
        members = await place(upstream, "members", key=None)
        await sync_to_async(save_key)(deployment=members, plain=CANARY, owner=alice)
        await place(upstream, "moved", base_url=f"http://localhost:{upstream.port}/v1")
        await probe()

    assert upstream.requests == []
    assert await seen() == []


async def test_a_server_that_wants_no_key_is_asked_without_one(place):
    async with serving(MODELS) as upstream:
        await place(upstream, key=None, needs_key=False)
        await probe()

    assert upstream.requests[0].header("authorization") is None
    assert [row.ok for row in await seen()] == [True]


async def test_the_simulated_upstream_is_probed_in_its_place(settings, model):
    async with serving(status(404)) as upstream:
        settings.SIMULATOR_URL = upstream.url
        settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{upstream.port}"]
        await probe()

    assert len(upstream.requests) == 1
    assert [row.deployment_id for row in await seen()] == [(await Deployment.objects.aget()).pk]


async def test_a_host_that_serves_several_models_is_asked_once(place):
    async with serving(status(200)) as upstream:
        both = {(await place(upstream, name, dialect="thinking")).pk for name in ("one", "two")}
        await probe()

    assert len(upstream.requests) == 1
    assert {row.deployment_id for row in await seen()} == both


async def test_all_are_asked_at_the_same_time_and_silence_is_told_in_words(place, monkeypatch):
    monkeypatch.setattr(probes, "PROBE_SECONDS", 1.0)
    async with serving("hang") as first, serving("hang") as second:
        await place(first, "first")
        await place(second, "second")
        asking = asyncio.create_task(probe())
        await asyncio.to_thread(wait_until, lambda: first.requests and second.requests)
        assert not first.gone.is_set()
        assert not second.gone.is_set()
        await asking

    assert {row.problem for row in await seen()} == {"There was no sign of life within 1 s."}


async def test_an_unreadable_key_is_told_and_sent_nowhere(place):
    async with serving(MODELS) as upstream:
        await place(upstream)
        await UpstreamKey.objects.aupdate(ciphertext=b"0" * 40)
        await probe()

    assert upstream.requests == []
    assert [row.problem for row in await seen()] == ["The saved key cannot be read any more. Save the key again."]


async def test_the_schedule_probes_and_stops_in_the_middle_of_it(place, settings, monkeypatch):
    monkeypatch.setattr(probes, "PROBE_SECONDS", 0.3)
    settings.CELERY_BEAT_SCHEDULE = {"it": {"task": "panel.tasks.probe_deployments", "schedule": 0.01}}
    async with serving("hang") as upstream:
        await place(upstream)
        schedule.start()
        try:
            await asyncio.to_thread(wait_until, lambda: upstream.requests)
        finally:
            await asyncio.to_thread(schedule.stop)

    assert "schedule" not in [thread.name for thread in threading.enumerate()]
    assert len(await seen()) == 1


def test_a_round_ends_in_time_for_a_stop():
    assert probes.PROBE_SECONDS + 1 <= schedule.STOP_LIMIT


async def test_the_first_round_comes_seconds_after_the_start(settings):
    entry = settings.CELERY_BEAT_SCHEDULE["probe-deployments"]
    assert schedule.Job(entry["task"], entry["schedule"]).due - asyncio.get_running_loop().time() < 6


async def test_observations_are_forgotten_after_a_day(place):
    async with serving(MODELS) as upstream:
        deployment = await place(upstream)
        for hours in (23, 25):
            then = timezone.now() - timedelta(hours=hours)
            await Observation.objects.acreate(deployment=deployment, ok=True, at=then)
        await asyncio.to_thread(run_task, "panel.tasks.forget_old_observations")

    assert [row.at > timezone.now() - timedelta(hours=24) for row in await seen()] == [True]
