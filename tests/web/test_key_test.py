"""“Test” of a key: one tiny request to a real upstream on this machine, recorded, closed and told in words."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.db import connection, connections
from django.utils import timezone

from accounts.models import Group
from billing.audit import audit
from billing.models import Hold, UsageRecord
from billing.services import wallet_of
from panel import key_test
from providers import client as http
from providers import threads
from providers.endpoints import Endpoint
from providers.models import Deployment, Model, UpstreamKey
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_model, make_user
from tests.providers.upstream import STORY, delta, serving, status, streamed
from tests.site import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PONG = streamed(delta("pong"), *STORY[2:])


@pytest.fixture(autouse=True)
async def _all_is_closed(transactional_db):
    yield
    await http.get_client().aclose()
    await asyncio.to_thread(threads.shutdown)
    assert await in_a_thread(audit) == []
    assert not await Hold.objects.filter(state="open").aexists()
    await in_a_thread(connections.close_all)


async def in_a_thread(function, *values):
    return await sync_to_async(function)(*values)


@pytest.fixture
def place(settings):
    """Makes a model at an upstream on this machine, and a key for it."""

    def make(upstream, owner=None, **fields):
        settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{upstream.port}"]
        model = make_model("deepseek-v3.1", dialect="thinking", base_url=upstream.url, **fields)
        return save_key(deployment=model.deployments.get(), plain=CANARY, owner=owner)

    return sync_to_async(make)


@pytest.fixture
async def members(async_client, alice):
    await async_client.aforce_login(alice)
    return async_client


async def press(members, key, **headers):
    response = await members.post(f"/settings/keys/{key.deployment_id}/test/", headers=headers)
    return response.content.decode()


HTMX = {"hx-request": "true"}


async def outcome_of(key, by):
    return await in_a_thread(lambda: key_test.run_test(endpoint=Endpoint(key.deployment, key), by=by))


async def test_a_good_key_answers_with_one_tiny_request_for_nothing(members, alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream, alice)
        card = await press(members, key, **HTMX)

    assert "Answered in 0." in card
    assert "“pong” <span" in card
    assert "Your own key: it cost no credits here." in card
    assert "<html" not in card
    (request,) = upstream.requests
    assert request.json["messages"] == [{"role": "user", "content": "Reply with the word: pong."}]
    assert request.json["max_tokens"] == 16
    assert request.header("authorization") == f"Bearer {CANARY}"
    record = await UsageRecord.objects.select_related("hold").aget()
    assert (record.user_id, record.purpose, record.own_key, record.charge) == (alice.pk, "test", True, 0)
    assert (record.outcome, record.completion_tokens, record.hold.state) == ("done", 2, "settled")
    assert record.hold.wallet_id == (await in_a_thread(wallet_of, alice)).pk


async def test_without_javascript_the_page_tells_the_same(members, alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream, alice)
        response = await members.post(f"/settings/keys/{key.deployment_id}/test/", follow=True)

    assert response.redirect_chain == [("/settings/keys/", 302)]
    page = response.content.decode()
    assert "Deepseek-V3.1, …wxyz: Answered in 0." in page
    assert "“pong” Your own key: it cost no credits here." in page


@pytest.mark.parametrize(
    ("answer", "words", "state", "tries"),
    [
        (status(401), "Refused by the provider: the key is not valid (401). Save a new one.", "refused", 1),
        (status(402), "no credit is left on this key (402). Add credit there, then test again.", "broke", 1),
        (status(403), "The provider does not allow this key to use this model (403).", "good", 1),
        (status(404), "The provider does not know this model or address (404).", "good", 1),
        (status(429, b"", "Retry-After: 90"), "no more requests with this key for now (429)", "good", 1),
        (status(500), "The provider had a failure of its own.", "good", 2),
        ("reset", "The provider", "good", 2),
    ],
)
async def test_a_bad_answer_is_told_in_words_and_marks_the_key(members, alice, place, answer, words, state, tries):
    async with serving(answer) as upstream:
        key = await place(upstream, alice)
        card = await press(members, key, **HTMX)

    assert words in card
    assert "Answered" not in card
    assert (await UpstreamKey.objects.aget()).state == state
    record = await UsageRecord.objects.select_related("hold").aget()
    assert (record.outcome, record.charge, record.hold.state, len(record.attempts)) == ("failed", 0, "voided", tries)
    assert len(upstream.requests) == tries


async def test_a_pause_that_the_provider_asked_for_stands_on_the_card_with_its_end(members, alice, place):
    async with serving(status(429, b"", "Retry-After: 90")) as upstream:
        card = await press(members, await place(upstream, alice), **HTMX)

    key = await UpstreamKey.objects.aget()
    assert "The provider asked for a pause: left alone until " in card
    assert f"{key.resting_until:%H:%M:%S} UTC (" in card
    assert "Until then your requests to this model are not sent." in card


@pytest.mark.parametrize(
    "ill",
    [
        {"state": "refused", "last_problem": "no"},
        {"state": "broke", "rest": "failed", "failures": 3},
        {"rest": "asked", "failures": 1},
    ],
)
async def test_a_good_test_takes_a_key_back_into_use(members, alice, place, ill):
    async with serving(PONG) as upstream:
        key = await place(upstream, alice)
        until = timezone.now() + timedelta(hours=1) if "rest" in ill else None
        await UpstreamKey.objects.aupdate(**ill, resting_until=until)
        card = await press(members, key, **HTMX)

    assert "Your key is used" in card
    key = await UpstreamKey.objects.aget()
    assert (key.state, key.rest, key.resting_until, key.failures) == ("good", "", None, 0)


async def test_a_second_test_at_once_is_refused_kindly(members, alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream, alice)
        await press(members, key)
        assert "This key was tested just now. Wait 5 s, then test again." in await press(members, key, **HTMX)

    assert len(upstream.requests) == 1
    assert await UsageRecord.objects.acount() == 1


async def test_a_key_is_tested_again_after_the_pause(members, alice, place, monkeypatch):
    monkeypatch.setattr(key_test, "PAUSE", timedelta(0))
    async with serving(PONG) as upstream:
        key = await place(upstream, alice)
        await press(members, key)
        assert "“pong”" in await press(members, key, **HTMX)

    assert len(upstream.requests) == 2


async def test_of_many_tests_at_the_same_moment_one_is_made(alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream)

        def begin(_):
            try:
                return key_test._begin(Endpoint(key.deployment, key), alice)
            finally:
                connection.close()

        def all_at_once():
            with ThreadPoolExecutor(8) as pool:
                return list(pool.map(begin, range(8)))

        begun = await asyncio.to_thread(all_at_once)

    trials = [trial for trial in begun if isinstance(trial, key_test.Trial)]
    assert len(trials) == 1
    said = {outcome.words for outcome in begun if isinstance(outcome, key_test.Outcome)}
    assert said == {"This key is being tested at this moment. Wait for that answer."}
    await in_a_thread(trials[0].end)


async def test_what_does_not_end_is_cut_off_and_closed(members, alice, place, monkeypatch):
    monkeypatch.setattr(key_test, "TEST_SECONDS", 0.2)
    async with serving([streamed(delta("po"), end=False), "hang"]) as upstream:
        card = await press(members, await place(upstream, alice), **HTMX)
        await asyncio.wait_for(upstream.gone.wait(), 5)

    assert "No whole answer came within 0 s." in card
    record = await UsageRecord.objects.aget()
    assert (record.outcome, record.charge) == ("failed", 0)


async def test_a_silent_host_is_given_up_early_and_the_key_rests(members, alice, place, monkeypatch):
    monkeypatch.setattr(key_test, "FIRST_TOKEN_SECONDS", 0.1)
    async with serving("hang") as upstream:
        card = await press(members, await place(upstream, alice), **HTMX)

    key = await UpstreamKey.objects.select_related("deployment").aget()
    assert "did not begin to answer" in card
    assert (key.rest, key.failures) == ("failed", 1)
    assert key.deployment.first_token_timeout == 60


async def test_a_failure_of_our_own_is_closed_too(members, alice, place, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(key_test.Trial, "_take", fail)
    async with serving(PONG) as upstream:
        card = await press(members, await place(upstream, alice), **HTMX)

    assert "Something went wrong here, not at the provider." in card
    assert "no such luck" in caplog.text
    assert (await UsageRecord.objects.aget()).outcome == "failed"


async def test_a_test_whose_reader_left_is_closed_as_stopped(members, alice, place):
    async with serving("hang") as upstream:
        key = await place(upstream, alice)
        asking = asyncio.create_task(press(members, key))
        await asyncio.to_thread(wait_until, lambda: upstream.requests)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.wait_for(upstream.gone.wait(), 5)

    record = await UsageRecord.objects.aget()
    assert (record.outcome, record.charge) == ("stopped", 0)


async def test_a_test_whose_process_was_killed_is_closed_for_nothing_later(alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream)
        trial = await in_a_thread(key_test._begin, Endpoint(key.deployment, key), alice)
        assert await in_a_thread(key_test.end_lost_tests) == 0
        await Hold.objects.aupdate(created=timezone.now() - timedelta(minutes=3))
        assert await in_a_thread(key_test.end_lost_tests) == 1

    record = await UsageRecord.objects.aget()
    assert (record.outcome, record.charge, record.purpose) == ("interrupted", 0, "test")
    assert (await in_a_thread(trial.end)).record is None


async def test_the_house_pays_for_the_teams_key(alice, place):
    async with serving(PONG) as upstream:
        outcome = await outcome_of(await place(upstream), alice)

    assert outcome.ok
    assert outcome.charge == 3 * 400 + 2 * 2000
    assert outcome.note == "It cost the house 0.0000052 credits."
    assert (outcome.record.user_id, outcome.record.hold.wallet.kind) == (None, "operations")


async def test_a_team_key_without_a_price_is_tested_and_says_who_cannot_use_it(alice, place):
    async with serving(PONG) as upstream:
        outcome = await outcome_of(await place(upstream, input=None), alice)

    assert outcome.ok
    assert outcome.charge == 0
    assert outcome.note == "The model has no price yet, so members cannot use this key: add one under Prices."


async def test_several_keys_are_tested_at_the_same_time(alice, place):
    """Neither goes on before the other has begun."""
    asked = asyncio.Barrier(2)
    async with serving(PONG) as first:
        key = await place(first)
        second = await in_a_thread(lambda: save_key(deployment=key.deployment, plain="sk-second-0123456789"))
        begun = [Endpoint(one.deployment, one) for one in (key, second)]
        run = key_test.Trial.run

        async def together(trial):
            await asyncio.wait_for(asked.wait(), 5)
            await run(trial)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(key_test.Trial, "run", together)
            outcomes = await in_a_thread(lambda: key_test.run_tests(endpoints=begun, by=alice))

    assert [outcome.ok for outcome in outcomes] == [True, True]
    assert {request.header("authorization") for request in first.requests} == {
        f"Bearer {CANARY}",
        "Bearer sk-second-0123456789",
    }


async def test_a_key_for_another_host_is_not_sent(alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream)
        await Deployment.objects.aupdate(base_url="http://127.0.0.1:9")
        outcome = await outcome_of(key, alice)

    assert "This key was saved for http://127.0.0.1:" in outcome.words
    assert outcome.record is None
    assert not await Hold.objects.aexists()
    assert upstream.requests == []


async def test_a_key_that_was_removed_meanwhile_is_not_tested(alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream)
        await UpstreamKey.objects.all().adelete()
        outcome = await outcome_of(key, alice)

    assert outcome.words == "This key was removed in the meantime."
    assert upstream.requests == []


async def test_nobody_tests_anybody_elses_key(members, alice, bob, place):
    async with serving(PONG) as upstream:
        key = await place(upstream, bob)
        response = await members.post(f"/settings/keys/{key.deployment_id}/test/")
        with pytest.raises(PermissionDenied):
            await outcome_of(key, await in_a_thread(lambda: make_user("root@example.org", is_superuser=True)))

    assert response.status_code == 404
    assert upstream.requests == []


@pytest.mark.parametrize("withdraw", ["model", "deployment", "group"])
async def test_a_key_of_a_model_that_is_not_offered_to_them_is_not_tested(members, alice, place, withdraw):
    async with serving(PONG) as upstream:
        key = await place(upstream, alice)
        if withdraw == "group":
            group = await Group.objects.acreate(name="Others")
            await (await Model.objects.aget()).groups.aadd(group)
        else:
            await (Model if withdraw == "model" else Deployment).objects.aupdate(enabled=False)
        response = await members.post(f"/settings/keys/{key.deployment_id}/test/")
        page = (await members.get("/settings/keys/")).content.decode()

    assert response.status_code == 404
    assert upstream.requests == []
    assert "Not offered any more" in page
    assert "/test/" not in page


async def test_a_link_tests_nothing_and_strangers_sign_in_first(async_client, members, alice, place):
    async with serving(PONG) as upstream:
        key = await place(upstream, alice)
        address = f"/settings/keys/{key.deployment_id}/test/"
        assert (await members.get(address)).status_code == 405
        await members.alogout()
        response = await members.post(address)

    assert response.headers["Location"].startswith("/accounts/login/")
    assert upstream.requests == []
