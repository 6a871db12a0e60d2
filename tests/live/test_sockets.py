"""What one socket may do and must hear: in order, bounded, and never a stale word."""

import asyncio
import json
import threading
import time
from importlib import import_module
from uuid import uuid4

import pytest
from django.conf import settings as site
from django.db import OperationalError
from django.test import Client

from accounts.models import User
from conversations import consumers, live, turns
from conversations.engine.store import MOST_QUEUED_BYTES, Subscription, store
from conversations.models import Generation
from providers.threads import in_thread
from tests.live.conftest import Tab

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = "[[speed=0 length=5]] Hello"


async def closed_with(tab, seconds=5):
    async with asyncio.timeout(seconds):
        while (event := await tab.socket.receive_output(seconds))["type"] != "websocket.close":
            pass
        return event["code"]


async def test_a_tab_ends_at_the_chat_that_it_asked_for_last(tab, model, monkeypatch):
    first = await tab.send(QUICK, model)
    await tab.until("turn.ended")
    real, asked = live.may_see, []

    def slow_at_first(user, conversation):
        asked.append(conversation)
        time.sleep(0.3 if len(asked) == 1 else 0)
        return real(user, conversation)

    second = await tab.send(QUICK, model)
    await tab.until("turn.ended")
    monkeypatch.setattr(live, "may_see", slow_at_first)
    await tab.tell(type="watch", conversation=first["conversation"])
    await tab.tell(type="watch", conversation=second["conversation"])
    assert (await tab.until("watching"))["conversation"] == first["conversation"]
    assert (await tab.until("watching"))["conversation"] == second["conversation"]
    assert store.listeners(f"conversation:{first['conversation']}") == 0
    assert store.listeners(f"conversation:{second['conversation']}") == 1


async def test_a_row_that_was_read_too_early_is_read_again(tab, model, monkeypatch):
    started = await tab.send(QUICK, model)
    await tab.until("turn.ended")
    real, asked = live.snapshot, []

    def stale_at_first(user, generation):
        asked.append(generation)
        return real(user, generation) | ({"status": "running", "text": ""} if len(asked) == 1 else {})

    monkeypatch.setattr(live, "snapshot", stale_at_first)
    await tab.tell(type="resync", generation=started["generation"])
    assert (await tab.until("snapshot"))["status"] == "running"
    last = await tab.until("snapshot")
    assert (last["status"], last["text"]) == ("done", tab.text(started["generation"]))


async def test_whoever_sends_without_a_database_hears_of_it(tab, model, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("no route to the server")

    monkeypatch.setattr(turns, "start", away)
    monkeypatch.setattr(live, "may_see", away)
    client_id = uuid4()
    await tab.tell(type="send", text="Hello", model=model.name, client_id=client_id)
    refused = await tab.until("turn.refused")
    assert (refused["client_id"], refused["code"]) == (str(client_id), "ledger_unavailable")
    assert "no route" not in refused["message"]
    await tab.tell(type="watch", conversation=uuid4())
    assert (await tab.until("error"))["code"] == "ledger_unavailable"


async def test_a_flood_of_frames_closes_its_socket_and_no_other(tab, alice, model, monkeypatch):
    waits = threading.Event()
    monkeypatch.setattr(live, "may_see", lambda *_: waits.wait(5))
    flooding = await Tab(alice).open()
    for _ in range(consumers.MOST_WAITING + 1):
        await flooding.tell(type="watch", conversation=uuid4())
    assert await closed_with(flooding) == 4429
    waits.set()
    await flooding.close()
    monkeypatch.undo()
    await tab.send(QUICK, model)
    await tab.until("turn.ended")


async def test_a_person_has_so_many_sockets_and_no_more(engine, alice, bob):
    tabs = [await Tab(alice).open() for _ in range(20)]
    one_too_many, of_another = await Tab(alice).open(), await Tab(bob).open()
    assert await closed_with(one_too_many) == 4429
    assert await of_another.socket.receive_nothing(0.1)
    for each in [*tabs, one_too_many, of_another]:
        await each.close()


async def test_an_account_that_is_closed_loses_its_sockets(tab, alice, monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_SECONDS", 0.05)
    other = await Tab(alice).open()
    await in_thread(User.objects.filter(pk=alice.pk).update)(is_active=False)
    assert await closed_with(other) == 4401
    await other.close()


async def test_a_socket_ends_with_its_session(engine, alice, monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_SECONDS", 0.05)
    client = Client()
    await in_thread(client.force_login)(alice)
    key = client.cookies[site.SESSION_COOKIE_NAME].value
    tab = Tab(alice)
    tab.socket.scope["session"] = import_module(site.SESSION_ENGINE).SessionStore(key)
    await tab.open()
    assert await tab.socket.receive_nothing(0.3)
    await in_thread(client.logout)()
    assert await closed_with(tab) == 4401
    await tab.close()


async def test_after_signing_out_elsewhere_nothing_is_sent_or_charged(engine, alice, model):
    client = Client()
    await in_thread(client.force_login)(alice)
    key = client.cookies[site.SESSION_COOKIE_NAME].value
    tab = Tab(alice)
    tab.socket.scope["session"] = import_module(site.SESSION_ENGINE).SessionStore(key)
    await tab.open()
    await tab.send("[[speed=0 length=5]] Hello", model)
    await tab.until("turn.ended")
    await in_thread(client.logout)()
    await tab.tell(type="send", text="Hello again", model=model.name, client_id=uuid4())
    assert await closed_with(tab) == 4401
    assert await in_thread(Generation.objects.count)() == 1
    await tab.close()


async def test_stop_is_heard_while_a_long_message_is_counted(tab, alice, model, monkeypatch):
    real, counting = turns.count_prompt, threading.Event()
    started = await tab.send("[[speed=50 length=4000]] Hello", model)
    await tab.until("delta")

    def slow(messages):
        counting.wait(2)
        return real(messages)

    monkeypatch.setattr(turns, "count_prompt", slow)
    other = await Tab(alice).open()
    await other.tell(type="send", text=QUICK, model=model.name, client_id=uuid4())
    await asyncio.sleep(0.1)
    asked = time.monotonic()
    await tab.tell(type="stop", generation=started["generation"])
    await tab.until("turn.ended")
    took = time.monotonic() - asked
    counting.set()
    assert took < 0.5
    await other.until("turn.ended")
    await other.close()


async def test_a_snapshot_larger_than_the_queue_is_delivered():
    subscription = Subscription()
    subscription.put({"type": "snapshot", "text": "x" * (MOST_QUEUED_BYTES + 1)})
    (frame,) = await subscription.frames()
    assert len(json.loads(frame)["text"]) == MOST_QUEUED_BYTES + 1


async def test_a_reader_that_falls_behind_is_told_nothing_more():
    subscription = Subscription()
    for _ in range(3):
        subscription.put({"type": "delta", "text": "x" * (MOST_QUEUED_BYTES // 2)})
    assert await subscription.frames() == []
