"""A turn over the socket, from the frame that starts it to the row that ends it."""

import asyncio
import time
from uuid import uuid4

import pytest

from billing.audit import audit
from billing.models import Hold, UsageRecord
from conversations.models import Conversation, Generation, Message
from providers.threads import in_thread
from tests.factories import make_model
from tests.live.conftest import Tab

pytestmark = pytest.mark.django_db(transaction=True)


@in_thread
def only(model, **filters):
    return model.objects.get(**filters)


@in_thread
def count(model, **filters):
    return model.objects.filter(**filters).count()


async def test_what_was_streamed_is_what_is_stored(tab, model):
    started = await tab.send('[[speed=0 say="**Bonjour** ☕ 日本語"]] Hello', model)
    ended = await tab.until("turn.ended")
    assert ended == {
        "type": "turn.ended",
        "generation": started["generation"],
        "message": started["message"],
        "status": "done",
    }
    answer = await only(Message, pk=started["message"])
    assert answer.text == tab.text(started["generation"]) == "**Bonjour** ☕ 日本語"
    assert answer.html == "<p><strong>Bonjour</strong> ☕ 日本語</p>\n"


async def test_the_end_closes_the_hold_and_records_the_usage(tab, model):
    started = await tab.send("[[speed=0 length=50]] Hello", model)
    await tab.until("turn.ended")
    usage = await only(UsageRecord, subject=f"generation:{started['generation']}")
    assert (usage.outcome, usage.source, usage.simulated) == ("done", "counted", True)
    assert usage.charge == usage.prompt_tokens * 400 + usage.completion_tokens * 2000 > 0
    assert (await only(Hold)).state == "settled"
    assert await in_thread(audit)() == []


async def test_an_upstream_that_reports_its_usage_is_believed(tab, db):
    cheap = await in_thread(make_model)(
        "deepseek-ai/DeepSeek-V3", "deepinfra", "https://api.deepinfra.com", input=850_000_000, output=900_000_000
    )
    await tab.send("[[speed=0 length=50]] Hello", cheap)
    await tab.until("turn.ended")
    usage = await only(UsageRecord)
    assert (usage.source, usage.completion_tokens) == ("reported", 50)
    assert usage.charge == usage.prompt_tokens * 850 + 50 * 900
    assert usage.upstream_cost > 0


async def test_a_client_id_is_one_turn_however_often_it_is_sent(tab, model):
    client_id = uuid4()
    first = await tab.send("[[speed=0 length=5]] Hello", model, client_id=client_id)
    again = await tab.send("[[speed=0 length=5]] Hello", model, client_id=client_id)
    assert again["generation"] == first["generation"]
    assert await count(Generation) == await count(Hold) == 1


async def test_stop_is_heard_while_the_model_talks_and_closes_the_upstream(tab, model, upstream):
    started = await tab.send("[[speed=50 length=4000]] stop-me Hello", model)
    while len(tab.text(started["generation"])) < 20:
        await tab.until("delta")
    asked = time.monotonic()
    await tab.tell(type="stop", generation=started["generation"])
    ended = await tab.until("turn.ended")
    took = time.monotonic() - asked
    assert ended["status"] == "stopped"
    assert took < 0.3
    answer = await only(Message, pk=started["message"])
    assert answer.text == tab.text(started["generation"])
    usage = await only(UsageRecord)
    assert (usage.outcome, usage.source) == ("stopped", "counted")
    call = await asyncio.to_thread(upstream.call, "stop-me")
    assert call["disconnected"]


async def test_stop_before_the_first_token_is_free(tab, model):
    started = await tab.send("[[delay=20]] Hello", model)
    await tab.tell(type="stop", generation=started["generation"])
    assert (await tab.until("turn.ended"))["status"] == "stopped"
    assert (await only(UsageRecord)).charge == 0


async def test_a_tab_that_comes_later_gets_the_whole_text_so_far_and_the_rest(tab, alice, model):
    started = await tab.send("[[speed=100 length=80]] Hello", model)
    while len(tab.text(started["generation"])) < 100:
        await tab.until("delta")
    late = await Tab(alice).open()
    await late.tell(type="watch", conversation=started["conversation"])
    watching = await late.until("watching")
    assert watching["running"] == [started["generation"]]
    assert watching["leaf"] == started["message"]
    await asyncio.gather(tab.until("turn.ended"), late.until("turn.ended"))
    await late.close()
    answer = await only(Message, pk=started["message"])
    assert late.text(started["generation"]) == tab.text(started["generation"]) == answer.text


async def test_a_resync_gives_the_whole_text_during_and_after(tab, model):
    started = await tab.send("[[speed=200 length=60]] Hello", model)
    await tab.until("delta")
    await tab.tell(type="resync", generation=started["generation"])
    assert (await tab.until("snapshot"))["status"] == "running"
    await tab.until("turn.ended")
    await tab.tell(type="resync", generation=started["generation"])
    after = await tab.until("snapshot")
    assert (after["status"], after["text"]) == ("done", (await only(Message, pk=started["message"])).text)


async def test_another_tab_hears_of_a_turn_and_a_stranger_does_not(tab, alice, bob, model):
    first = await tab.send("[[speed=0 length=5]] Hello", model)
    await tab.until("turn.ended")
    other, stranger = await Tab(alice).open(), await Tab(bob).open()
    await other.tell(type="watch", conversation=first["conversation"])
    await other.until("watching")
    await stranger.tell(type="watch", conversation=first["conversation"])
    assert (await stranger.until("error"))["code"] == "not_found"
    second = await tab.send(
        "[[speed=0 length=5]] More", model, conversation=first["conversation"], parent=first["message"]
    )
    heard = await other.until("turn.started")
    assert (heard["generation"], heard["text"]) == (second["generation"], "[[speed=0 length=5]] More")
    await stranger.tell(type="resync", generation=second["generation"])
    await stranger.tell(type="stop", generation=second["generation"])
    await tab.until("turn.ended")
    assert await stranger.socket.receive_nothing(0.2)
    await other.close()
    await stranger.close()


async def test_without_credit_nothing_is_stored(tab, model, bob):
    poor = await Tab(bob).open()
    await poor.tell(type="send", text="Hello", model=model.name, client_id=uuid4())
    refused = await poor.until("turn.refused")
    assert refused["code"] == "insufficient_credits"
    assert "you have 0 available" in refused["message"]
    assert await count(Conversation) == await count(Message) == await count(Hold) == 0
    await poor.close()


async def test_a_second_turn_after_a_running_answer_is_refused(tab, model):
    started = await tab.send("[[speed=20 length=400]] Hello", model)
    values = {"conversation": started["conversation"], "parent": started["message"]}
    await tab.tell(type="send", text="More", model=model.name, client_id=uuid4(), **values)
    assert (await tab.until("turn.refused"))["code"] == "already_running"
    await tab.tell(type="stop", generation=started["generation"])
    await tab.until("turn.ended")


async def test_regenerate_adds_a_version_beside_the_first(tab, model):
    first = await tab.send("[[speed=0 length=5]] Hello", model)
    await tab.until("turn.ended")
    await tab.tell(type="regenerate", message=first["message"], client_id=uuid4())
    second = await tab.until("turn.started")
    await tab.until("turn.ended")
    assert (second["kind"], second["prompt"]) == ("regenerate", first["prompt"])
    assert await count(Message, parent=first["prompt"]) == 2


async def test_a_failure_before_the_first_token_is_free_and_said_in_words(tab, model):
    await tab.send("[[fail=500]] Hello", model)
    assert (await tab.until("turn.ended"))["status"] == "failed"
    generation = await only(Generation)
    assert generation.error_message
    assert "500" not in generation.error_message
    assert (await only(UsageRecord)).charge == 0


async def test_a_failure_in_the_middle_keeps_and_charges_what_came(tab, model):
    started = await tab.send("[[speed=0 length=100 fail_after=30 fail_mode=close]] Hello", model)
    assert (await tab.until("turn.ended"))["status"] == "failed"
    answer = await only(Message, pk=started["message"])
    usage = await only(UsageRecord)
    assert answer.text == tab.text(started["generation"]) != ""
    assert (usage.source, usage.outcome) == ("counted", "failed")
    assert usage.charge == usage.prompt_tokens * 400 + usage.completion_tokens * 2000 > 0


async def test_what_ends_with_its_process_is_interrupted_and_charged_once(tab, engine, model):
    started = await tab.send("[[speed=50 length=2000]] Hello", model)
    while len(tab.text(started["generation"])) < 50:
        await tab.until("delta")
    await engine.stop()
    assert (await tab.until("turn.ended"))["status"] == "interrupted"
    assert (await only(UsageRecord)).charge > 0
    assert await in_thread(audit)() == []


async def test_a_bad_frame_gets_an_error_and_the_socket_lives(tab, model):
    await tab.tell(type="fly")
    assert (await tab.until("error"))["code"] == "bad_frame"
    await tab.send("[[speed=0 length=5]] Hello", model)
    await tab.until("turn.ended")


async def test_nobody_signed_out_gets_a_socket(engine):
    from django.contrib.auth.models import AnonymousUser

    stranger = await Tab(AnonymousUser()).open()
    closed = await stranger.socket.receive_output(5)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
