"""What may change or stop between the press of a key and the last row, at whatever moment."""

import asyncio
import time
from uuid import uuid4

import pytest
from django.db import connection

from billing.models import Hold, UsageRecord
from billing.services import set_price, wallet_of
from conversations import leases
from conversations.engine.runner import Engine
from conversations.engine.store import store
from conversations.models import Generation
from conversations.turns import request_stop
from providers import client
from providers.models import Deployment, Model, UpstreamKey
from providers.services import save_key
from providers.threads import aside, drop_dead_connections, in_thread
from tests.canary import CANARY
from tests.factories import make_model
from tests.live.conftest import Tab
from tests.live.test_endings import begin

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keyed(upstream, settings):
    """A model that is served with a saved key only."""
    settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{upstream.port}"]
    model = make_model("keyed", "openai", f"{upstream.url}/v1", upstream_model="deepseek-chat", documented=False)
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-team")
    return model


@pytest.fixture
async def later(alice):
    """An engine that is not started yet: what is begun before waits in the queue."""
    engine = Engine(store)
    yield engine
    await engine.stop()
    await client.get_client().aclose()


async def run(engine):
    """Start it, and give the one run when it has ended."""
    await engine.start()
    while (generation := await in_thread(Generation.objects.get)()).is_unfinished:
        await asyncio.wait(list(engine.tasks.values()) or [asyncio.create_task(asyncio.sleep(0.02))], timeout=1)
    return generation


async def test_a_saved_key_is_used(tab, keyed):
    started = await tab.send("[[speed=0 length=20]] Hello", keyed)
    assert (await tab.until("turn.ended"))["status"] == "done"
    usage = await in_thread(UsageRecord.objects.get)()
    assert (usage.simulated, usage.own_key) == (False, False)
    assert usage.charge == usage.prompt_tokens * 400 + usage.completion_tokens * 2000 > 0
    assert tab.text(started["generation"])


async def test_a_member_s_own_key_costs_no_credits(tab, alice, keyed):
    await in_thread(save_key)(deployment=await in_thread(keyed.deployments.get)(), plain=f"{CANARY}-own", owner=alice)
    await tab.send("[[speed=0 length=20]] Hello", keyed)
    assert (await tab.until("turn.ended"))["status"] == "done"
    usage = await in_thread(UsageRecord.objects.get)()
    assert (usage.own_key, usage.charge) == (True, 0)
    assert usage.completion_tokens > 0


def forget_keys():
    UpstreamKey.objects.all().delete()


def spoil_keys():
    UpstreamKey.objects.update(ciphertext=b"x" * 40)


def lose_the_encryption_key():
    UpstreamKey.objects.update(encrypted_with="00000000")


def move_the_deployment():
    Deployment.objects.update(base_url="http://127.0.0.1:9/v1")


@pytest.mark.parametrize("change", [forget_keys, spoil_keys, lose_the_encryption_key, move_the_deployment])
async def test_what_cannot_be_called_any_more_fails_in_words_and_is_free(later, alice, keyed, change):
    await in_thread(begin)(alice, keyed)
    await in_thread(change)()
    generation = await run(later)
    assert generation.status == "failed"
    assert generation.error_message
    assert (await in_thread(UsageRecord.objects.get)()).charge == 0


async def test_what_was_admitted_is_served_at_its_price_though_the_model_is_off_by_now(later, alice, keyed):
    await in_thread(begin)(alice, keyed, "[[speed=0 length=20]] Hello")
    await in_thread(Model.objects.update)(enabled=False)
    await in_thread(set_price)(deployment=await in_thread(keyed.deployments.get)(), input=10**12, output=10**12)
    assert (await run(later)).status == "done"
    usage = await in_thread(UsageRecord.objects.get)()
    assert usage.charge == usage.prompt_tokens * 400 + usage.completion_tokens * 2000 > 0


async def test_a_stop_in_the_queue_is_heard_before_anything_is_sent(later, alice, model, upstream):
    generation = await in_thread(begin)(alice, model, "never-sent")
    assert await in_thread(request_stop)(user=alice, generation_id=generation.pk)
    assert (await run(later)).status == "stopped"
    assert await asyncio.to_thread(upstream.calls, "never-sent") == []
    assert (await in_thread(wallet_of)(alice)).available == 10**9


async def test_a_stop_at_any_moment_ends_the_run_once(tab, model):
    for moment in range(16):
        started = await tab.send("[[speed=400 length=20]] Hello", model)
        await asyncio.sleep(moment * 0.006)
        await tab.tell(type="stop", generation=started["generation"])
        assert (await tab.until("turn.ended"))["status"] in ("stopped", "done")
    assert await in_thread(UsageRecord.objects.count)() == 16


async def test_an_engine_that_stops_at_any_moment_leaves_nothing_running(alice, model):
    for moment in range(12):
        engine = Engine(store)
        await engine.start()
        await in_thread(begin)(alice, model, "[[speed=400 length=20]] Hello")
        await asyncio.sleep(moment * 0.006)
        await engine.stop()
        assert not await in_thread(Generation.objects.filter(status="running").exists)()
        assert store.answers == {}
    await client.get_client().aclose()
    await in_thread(leases.sweep)(alone=True)  # what was never claimed
    assert await in_thread(Hold.objects.filter(state="open").count)() == 0


async def test_a_tab_that_leaves_while_it_sends_sends_once_or_not_at_all(engine, alice, model):
    for moment in range(10):
        tab = await Tab(alice).open()
        await tab.tell(type="send", text="[[speed=0 length=5]] Hello", model=model.name, client_id=uuid4())
        await asyncio.sleep(moment * 0.002)
        await tab.close()
    await asyncio.sleep(0.3)
    await engine.drain(5)
    holds = await in_thread(Hold.objects.count)()
    assert holds == await in_thread(UsageRecord.objects.count)() == await in_thread(Generation.objects.count)()


@pytest.fixture
def cut(db):
    """Ends, as a restart of PostgreSQL does, every connection to it but this thread's; SQLite has no such thing."""
    if connection.vendor != "postgresql":
        return lambda: None
    connection.ensure_connection()
    kept = connection.connection.info.backend_pid

    def cut_others():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid NOT IN (%s, pg_backend_pid()) AND datname = current_database()",
                [kept],
            )

    return cut_others


async def test_after_a_restart_of_the_database_the_next_send_goes_through(tab, model, cut):
    await tab.send("[[speed=0 length=5]] Hello", model)
    await tab.until("turn.ended")
    await in_thread(cut)()
    await in_thread(drop_dead_connections)()  # as the site does within a second
    for _ in range(3):
        await tab.send("[[speed=0 length=5]] Hello", model)
        assert (await tab.until("turn.ended"))["status"] == "done"


async def test_after_a_restart_no_number_of_dead_connections_costs_an_error(alice, cut):
    def look():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            time.sleep(0.1)  # so that every thread has a connection of its own
            return cursor.fetchone()

    await asyncio.gather(*(in_thread(look)() for _ in range(8)), *(aside(look)() for _ in range(2)))
    await in_thread(cut)()
    await in_thread(drop_dead_connections)()
    assert await in_thread(look)() == (1,)
