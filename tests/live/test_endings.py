"""Every run ends once, with its money, whatever goes wrong on the way."""

import asyncio
import threading
import time
from uuid import uuid4

import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.db.models import Q

from billing.models import Hold, UsageRecord
from billing.pricing import Tokens
from conversations import leases, runs
from conversations.engine.answer import Answer
from conversations.engine.runner import Engine
from conversations.engine.store import MemoryStore, store
from conversations.models import EngineProcess, Generation, Message
from conversations.protocol import Params
from conversations.turns import start_turn
from providers.models import Deployment
from providers.services import save_key
from providers.threads import in_thread
from tests.factories import make_model
from tests.live.conftest import text_of

pytestmark = pytest.mark.django_db(transaction=True)


def failing(real, error, times):
    """`real`, which fails so many times before it works."""
    left = [error] * times

    def call(*args, **kwargs):
        if left:
            raise left.pop()
        return real(*args, **kwargs)

    return call


def begin(user, model, text="Hello"):
    """A turn that nobody runs yet."""
    asked = {"user": user, "conversation_id": None, "parent_id": None, "text": text, "model_name": model.name}
    return start_turn(**asked, params=Params(), client_id=uuid4()).generation


def ended(status, text="The whole answer"):
    return runs.Result(status=status, text=text, reasoning="", tokens=Tokens(completion=4))


async def test_an_end_waits_for_a_database_that_is_away(tab, model, monkeypatch):
    monkeypatch.setattr(runs, "finish_turn", failing(runs.finish_turn, OperationalError("server closed"), 2))
    started = await tab.send("[[speed=0 length=20]] Hello", model)
    assert (await tab.until("turn.ended"))["status"] == "done"
    assert await in_thread(text_of)(started["message"]) == tab.text(started["generation"]) != ""
    assert (await in_thread(UsageRecord.objects.get)()).charge > 0


async def test_an_end_that_cannot_be_stored_keeps_what_was_saved(tab, model, monkeypatch):
    monkeypatch.setattr(runs, "finish_turn", failing(runs.finish_turn, DataError("no such value"), 1))
    started = await tab.send("[[speed=60 length=90]] Hello", model)
    assert (await tab.until("turn.ended"))["status"] == "interrupted"
    saved = await in_thread(text_of)(started["message"])
    assert saved
    assert tab.text(started["generation"]).startswith(saved)
    assert (await in_thread(UsageRecord.objects.get)()).charge > 0


async def test_without_a_database_the_engine_stops_and_the_next_start_settles(tab, engine, model, monkeypatch):
    started = await tab.send("[[speed=50 length=2000]] Hello", model)
    while len(tab.text(started["generation"])) < 50:
        await tab.until("delta")
    with monkeypatch.context() as away:
        for name in ("finish_turn", "interrupt"):
            away.setattr(runs, name, failing(None, OperationalError("no route"), 99))
        away.setattr(leases, "interrupt", runs.interrupt)
        async with asyncio.timeout(5):
            await engine.stop()
    assert (await in_thread(Hold.objects.get)()).state == "open"
    assert len(await in_thread(leases.sweep)(alone=True)) == 1
    assert (await in_thread(Generation.objects.get)()).status == "interrupted"


async def test_who_hears_of_an_end_hears_what_the_row_says(tab, model):
    await tab.send("[[speed=50 length=40]] Hello", model)
    await tab.until("delta")
    assert len(await in_thread(runs.interrupt)(Q())) == 1
    assert (await tab.until("turn.ended"))["status"] == "interrupted"


async def test_what_was_claimed_and_never_begun_is_ended(tab, model, monkeypatch):
    monkeypatch.setattr("conversations.engine.runner.SWEEP_SECONDS", 0)
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(runs, "branch", failing(runs.branch, OperationalError("server closed"), 1))
    await tab.send("[[speed=0]] Hello", model)
    assert (await tab.until("turn.ended"))["status"] == "interrupted"
    assert (await in_thread(UsageRecord.objects.get)()).charge == 0


async def test_pieces_go_on_while_a_checkpoint_waits_for_the_database(tab, model, monkeypatch):
    real, waits = runs.save_progress, threading.Event()

    def slow(answers):
        waits.wait(5)
        real(answers)

    monkeypatch.setattr(runs, "save_progress", slow)
    started = await tab.send("[[speed=60 length=150]] Hello", model)
    begun = time.monotonic()
    pauses = []
    while time.monotonic() - begun < 2:
        asked = time.monotonic()
        await tab.until("delta")
        pauses.append(time.monotonic() - asked)
    waits.set()
    assert max(pauses) < 0.7
    await tab.until("turn.ended")
    assert await in_thread(text_of)(started["message"]) == tab.text(started["generation"])


def test_one_run_that_cannot_be_ended_keeps_no_other_from_it(alice, model, monkeypatch):
    bad, good = begin(alice, model, "One"), begin(alice, model, "Two")
    real = runs.finish_turn
    refuse = failing(None, DataError("no such value"), 1)
    monkeypatch.setattr(runs, "finish_turn", lambda run, end: (refuse if run.pk == bad.pk else real)(run, end))
    assert [run.pk for run in leases.sweep(alone=True)] == [good.pk]
    assert Generation.objects.get(status="interrupted").pk == good.pk
    monkeypatch.undo()
    leases.sweep(alone=True)


def test_a_checkpoint_never_overwrites_an_end(alice, model):
    generation = begin(alice, model)
    process = leases.register()
    (work,) = runs.claim(process=process, most=1)
    late = runs.Progress(generation.pk, generation.answer_id, "The whole", "", Tokens(completion=2))

    def checkpoint():
        runs.save_progress([late])
        connection.close()

    thread = threading.Thread(target=checkpoint)
    with transaction.atomic():
        assert runs.finish_turn(work.generation, ended(Generation.Status.DONE))
        thread.start()
        time.sleep(0.3)  # until the checkpoint waits for our rows
    thread.join()
    assert Message.objects.get(pk=generation.answer_id).text == "The whole answer"
    assert Generation.objects.get().completion_tokens == 4


def test_a_run_ends_once_however_many_want_to_end_it(alice, model):
    generation = begin(alice, model)
    assert runs.finish_turn(generation, ended(Generation.Status.DONE)) is True
    assert runs.finish_turn(generation, ended(Generation.Status.FAILED, "Other")) is False
    assert leases.sweep(alone=True) == []
    assert Message.objects.get(pk=generation.answer_id).text == "The whole answer"
    assert UsageRecord.objects.get().outcome == "done"


async def test_an_answer_that_runs_over_what_was_promised_is_cut(tab, db):
    settings = {"input": 400_000_000, "output": 2_000_000_000, "max_output": 10}
    terse = await in_thread(make_model)("terse", "segmind", "https://api.segmind.com", **settings)  # knows no maximum
    started = await tab.send("[[speed=0 length=300]] Hello", terse)
    assert (await tab.until("turn.ended"))["status"] == "failed"
    generation, usage = await in_thread(Generation.objects.get)(), await in_thread(UsageRecord.objects.get)()
    assert generation.error_code == "answer_too_long"
    assert (usage.completion_tokens, usage.charge) == (10, usage.prompt_tokens * 400 + 10 * 2000)
    assert await in_thread(text_of)(started["message"]) == tab.text(started["generation"]) != ""


@pytest.mark.parametrize(
    ("text", "most", "over"),
    [(" word" * 20, 10, False), (" word" * 21, 10, True), (" " * 640, 10, False), (" " * 641, 10, True)],
)
def test_an_answer_has_room_for_another_way_of_counting(alice, model, text, most, over):
    memory, generation = MemoryStore(), begin(alice, model)
    memory.begin(generation.pk, generation.conversation_id, generation.answer_id)
    answer = Answer(generation, memory)
    answer.add("text", text)
    answer.count(answer.draft())
    assert answer.runs_over(most) is over
    leases.sweep(alone=True)


async def test_a_checkpoint_that_failed_is_made_again(tab, model, monkeypatch):
    monkeypatch.setattr(runs, "save_progress", failing(runs.save_progress, OperationalError("server closed"), 1))
    started = await tab.send("[[speed=0 length=30 fail_after=20 fail_mode=hang]] Hello", model)
    await tab.until("delta")
    async with asyncio.timeout(5):
        while not await in_thread(text_of)(started["message"]):  # noqa: ASYNC110 - a row rings no bell
            await asyncio.sleep(0.1)
    await tab.tell(type="stop", generation=started["generation"])
    await tab.until("turn.ended")


async def test_an_engine_that_never_started_stops():
    await Engine(store).stop()


def test_a_process_that_was_taken_for_lost_comes_back(alice, model):
    process = leases.register()
    EngineProcess.objects.all().delete()  # as another process's sweep does after a lease without a beat
    leases.beat(process)
    begin(alice, model)
    assert len(runs.claim(process=process, most=1)) == 1
    assert leases.sweep() == []
    leases.leave(process)


async def test_a_run_that_is_lost_after_failing_over_costs_what_its_second_place_costs(tab, alice, upstream, settings):
    settings.PRIVATE_UPSTREAMS = ["127.0.0.1:9", f"127.0.0.1:{upstream.port}"]
    model, second = await in_thread(two_places)("http://127.0.0.1:9/v1", f"{upstream.url}/v1")
    started = await tab.send("[[speed=30 length=200]] Hello", model)
    await tab.until("delta")
    run = await in_thread(Generation.objects.get)(pk=started["generation"])
    assert run.route[0]["deployment"] == str(second.pk)
    await in_thread(Generation.objects.filter(pk=run.pk).update)(completion_tokens=100)
    await in_thread(runs.interrupt)(Q(pk=run.pk))
    usage = await in_thread(UsageRecord.objects.get)()
    assert (usage.deployment_id, usage.outcome) == (second.pk, "interrupted")
    assert usage.charge == usage.prompt_tokens * 1 + 100 * 2


def two_places(first, second):
    """A model at 4 and 8 credits a million tokens; its second place takes 1 and 2."""
    model = make_model("twice", "openai", first, input=4_000_000, output=8_000_000, documented=False)
    cheap = make_model(
        "other", "openai", second, "deepseek-chat", 1_000_000, 2_000_000, documented=False
    ).deployments.get()
    Deployment.objects.filter(pk=cheap.pk).update(model=model, position=1)
    for deployment in model.deployments.all():
        save_key(deployment=deployment, plain="sk-team-1234567890")
    return model, cheap
