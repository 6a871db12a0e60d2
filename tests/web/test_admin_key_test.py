"""“Test” of the team's keys in the admin: on a key's page, for several chosen ones, and after adding one."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.db import connections

from billing.audit import audit
from billing.models import UsageRecord
from providers import client as http
from providers import threads
from providers.models import Deployment, UpstreamKey
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_model, make_user
from tests.providers.upstream import STORY, delta, serving, status, streamed

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = "/admin/providers/upstreamkey/"
PLACES = "/admin/providers/deployment/"
PONG = streamed(delta("pong"), *STORY[2:])


@pytest.fixture(autouse=True)
async def _all_is_closed(transactional_db):
    yield
    await http.get_client().aclose()
    await asyncio.to_thread(threads.shutdown)
    assert await sync_to_async(audit)() == []
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def admins(async_client):
    boss = await sync_to_async(make_user)("root@example.org", is_staff=True, is_superuser=True)
    await async_client.aforce_login(boss)
    return async_client


@pytest.fixture
def saved(settings):
    """Makes keys of the team, or of an owner, for a model at an upstream on this machine."""

    def make(upstream, count=1, owner=None):
        settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{upstream.port}"]
        deployment = make_model(dialect="thinking", base_url=upstream.url).deployments.get()
        plain = [CANARY, *(f"sk-number-0123456-{number:04}" for number in range(1, count))]
        return [save_key(deployment=deployment, plain=each, owner=owner) for each in plain]

    return sync_to_async(make)


@pytest.fixture
def keyless(settings):
    """Makes a deployment at an upstream on this machine that asks for no key."""

    def make(upstream):
        settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{upstream.port}"]
        deployment = make_model(dialect="thinking", base_url=upstream.url).deployments.get()
        deployment.needs_key = False
        deployment.save()
        return deployment

    return sync_to_async(make)


async def press(admins, address, **values):
    response = await admins.post(address, values, follow=True)
    return response.content.decode()


async def test_a_button_tests_the_teams_key_on_the_house(admins, saved):
    async with serving(PONG) as upstream:
        (key,) = await saved(upstream)
        page = (await admins.get(f"{KEYS}{key.pk}/change/")).content.decode()
        assert f'action="{KEYS}{key.pk}/test/"' in page
        page = await press(admins, f"{KEYS}{key.pk}/test/")

    record = await UsageRecord.objects.select_related("hold__wallet").aget()
    assert "Answered in 0." in page
    assert "“pong” It cost the house 0.0000052 credits. <a href=" in page
    assert f"/admin/billing/usagerecord/{record.pk}/change/" in page
    assert (record.user_id, record.hold.wallet.kind, record.charge) == (None, "operations", 5200)
    entry = await LogEntry.objects.select_related("user").aget()
    assert (entry.user.email, entry.change_message[:20]) == ("root@example.org", "Tested. Answered in ")


async def test_a_refused_key_is_told_and_marked(admins, saved):
    async with serving(status(401)) as upstream:
        (key,) = await saved(upstream)
        page = await press(admins, f"{KEYS}{key.pk}/test/")

    assert "Refused by the provider: the key is not valid (401). Save a new one. It cost nothing." in page
    assert (await UpstreamKey.objects.aget()).state == "refused"


async def test_chosen_keys_are_tested_up_to_five_at_once(admins, saved):
    async with serving(PONG) as upstream:
        keys = await saved(upstream, count=6)
        chosen = [str(key.pk) for key in keys]
        page = await press(admins, KEYS, action="test_selected", _selected_action=chosen)
        assert "Nothing was tested: choose at most 5 keys at once." in page
        assert upstream.requests == []
        page = await press(admins, KEYS, action="test_selected", _selected_action=chosen[:5])

    assert page.count("Answered in 0.") == 5
    assert len(upstream.requests) == 5


async def test_a_members_own_key_is_not_tested_by_an_admin(admins, saved, alice):
    async with serving(PONG) as upstream:
        (key,) = await saved(upstream, owner=alice)
        page = (await admins.get(f"{KEYS}{key.pk}/change/")).content.decode()
        assert "/test/" not in page
        page = await press(admins, f"{KEYS}{key.pk}/test/")

    assert "is tested by that member alone" in page
    assert upstream.requests == []


async def test_after_adding_a_key_its_test_is_offered(admins, saved):
    async with serving(PONG) as upstream:
        (first,) = await saved(upstream)
        values = {"deployment": str(first.deployment_id), "new_key": "sk-added-0123456789-new1"}
        page = await press(admins, f"{KEYS}add/", **values)

    added = await UpstreamKey.objects.aget(last_four="new1")
    assert "“Test” asks it for one word and says whether it works." in page
    assert f'action="{KEYS}{added.pk}/test/"' in page
    assert upstream.requests == []


async def test_a_server_without_a_key_is_tested_on_its_own_page(admins, keyless):
    async with serving(PONG) as upstream:
        page = await press(admins, f"{PLACES}{(await keyless(upstream)).pk}/test/")

    assert "“pong” It cost the house 0.0000052 credits. <a href=" in page
    assert f'action="{PLACES}{(await Deployment.objects.aget()).pk}/test/"' in page
    assert (await LogEntry.objects.aget()).change_message.startswith("Tested. Answered in ")


async def test_a_server_that_wants_a_key_after_all_says_so(admins, keyless):
    async with serving(status(401)) as upstream:
        address = f"{PLACES}{(await keyless(upstream)).pk}/test/"
        page = await press(admins, address)
        assert "The server asks for a key (401). Tick “Needs key”, save, and add one. It cost nothing." in page
        page = await press(admins, address)

    assert "This deployment was tested just now. Wait 5 s, then test again." in page


async def test_a_place_with_keys_says_to_test_one_of_them(admins, saved):
    async with serving(PONG) as upstream:
        (key,) = await saved(upstream)
        page = (await admins.get(f"{PLACES}{key.deployment_id}/change/")).content.decode()
        assert "/test/" not in page
        page = await press(admins, f"{PLACES}{key.deployment_id}/test/")

    assert "This deployment is called with keys: test one of them." in page
    assert upstream.requests == []


async def test_a_key_that_an_answer_repeats_reaches_neither_the_page_nor_the_history(admins, saved):
    async with serving(streamed(delta(f"You sent {CANARY[:30]}"), delta(CANARY[30:]), *STORY[2:])) as upstream:
        (key,) = await saved(upstream)
        page = await press(admins, f"{KEYS}{key.pk}/test/")

    assert "“You sent [redacted]”" in page
    entry = await LogEntry.objects.aget()
    assert CANARY[:10] not in page + entry.change_message
