"""Everything an upstream can do wrong, through the whole chat: socket, engine, client, another process, and the books.

The rows of a table run side by side, each with a model, a place and keys of its own.
"""

import asyncio
import itertools
import time

import pytest
from django.test import Client

from billing.models import Hold, Transfer, UsageRecord
from conversations.models import Generation, Message
from providers import endpoints
from providers.models import Deployment, UpstreamKey
from providers.services import save_key
from providers.threads import in_thread
from tests.canary import CANARY
from tests.factories import make_model
from tests.live.conftest import Tab
from tests.live.faults import (
    AFTER_THE_FIRST_TOKEN,
    BEFORE_THE_FIRST_TOKEN,
    DETOURS,
    HARMLESS,
    SILENCES,
    STORY,
)
from tests.simulator.peer import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SIDE_BY_SIDE = 16  # one person has at most 20 sockets
AT_ONCE = 1.0  # seconds; it waits for 60 otherwise
INPUT, OUTPUT = 400, 2000  # nanocredits a token, as the factory prices


@pytest.fixture(autouse=True)
def _places(upstream, settings):
    """Two ports may be called: the simulated upstream's, and one on which nobody listens."""
    settings.PRIVATE_UPSTREAMS = [f"127.0.0.1:{upstream.port}", "127.0.0.1:1"]


@in_thread
def make_places(count, url, *keys, base_urls=(), **fields):
    """So many models, each with the places and keys of its own that `keys` name: one1 and one2 at the first."""
    models = []
    for number in range(count):
        base_url = (base_urls and base_urls[number]) or url
        model = make_model(f"m{number}", "thinking", base_url, "deepseek-chat", documented=False)
        first = model.deployments.get()
        if "two1" in keys:
            other = make_model(f"other{number}", "thinking", base_url, "deepseek-coder", documented=False)
            Deployment.objects.filter(model=other).update(model=model, position=1)
        Deployment.objects.filter(model=model).update(**{name: each[number] for name, each in fields.items()})
        for key in keys:
            place = first if key.startswith("one") else model.deployments.exclude(pk=first.pk).get()
            save_key(deployment=place, plain=f"{CANARY}-{key}")
        models.append(model)
    return models


async def ask(user, model, order):
    """Send one message over a socket of its own; how its turn ended, as the tab was told, and the text it shows."""
    tab = await Tab(user).open()
    started = await tab.send(f'[[{order} speed=0 say="{STORY}"]] Hi' if order else "Hi", model)
    ended = await tab.until("turn.ended", seconds=20)
    await tab.close()
    assert ended["generation"] == started["generation"]
    return ended | {"text": tab.text(started["generation"])}


async def ask_all(user, models, orders):
    free = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(model, order):
        async with free:
            return await ask(user, model, order)

    return await asyncio.gather(*(one(model, order) for model, order in zip(models, orders, strict=True)))


@in_thread
def books(generation):
    """What was recorded: the turn, its usage record, its hold and its charges."""
    turn = Generation.objects.select_related("model").get(pk=generation)
    usage, hold = UsageRecord.objects.get(subject=turn.subject), Hold.objects.get(subject=turn.subject)
    charges = list(Transfer.objects.filter(kind="charge", subject=turn.subject).values_list("amount", flat=True))
    assert charges == ([usage.charge] if usage.charge else [])
    assert usage.charge == usage.prompt_tokens * INPUT + usage.completion_tokens * OUTPUT
    return {
        "status": turn.status,
        "code": turn.error_code,
        "words": turn.error_message,
        "text": Message.objects.get(pk=turn.answer_id).text,
        "outcome": usage.outcome,
        "attempts": [(each["result"], each["status"]) for each in usage.attempts],
        "asked": [each["key"][1:] for each in usage.attempts],
        "paid": (usage.charge > 0, hold.state),
        "keys": {
            key.last_four: (key.state, key.rest) for key in UpstreamKey.objects.filter(deployment__model=turn.model)
        },
    }


def differences(expected, found):
    """Where they differ, by order: nothing, if all is well."""
    return {
        order: {name: (want, got[name]) for name, want in wants.items() if got[name] != want}
        for (order, wants), got in zip(expected, found, strict=True)
        if any(got[name] != want for name, want in wants.items())
    }


def expected_of(fault):
    return {
        "shown": (fault.text, "failed"),
        "status": "failed",
        "outcome": "failed",
        "code": fault.code,
        "words": fault.words,
        "text": fault.text,
        "attempts": fault.attempts,
        "paid": (True, "settled") if fault.paid else (False, "voided"),
        "keys": {"one1": fault.key},
    }


@pytest.mark.parametrize(
    "faults",
    [BEFORE_THE_FIRST_TOKEN, AFTER_THE_FIRST_TOKEN, SILENCES],
    ids=["before the first token", "after the first token", "silence"],
)
async def test_what_becomes_of_a_fault(alice, engine, upstream, faults):
    patience = {
        "first_token_timeout": [fault.first for fault in faults],
        "silence_timeout": [fault.silence for fault in faults],
    }
    base_urls = [fault.base_url for fault in faults]
    models = await make_places(len(faults), upstream.url, "one1", base_urls=base_urls, **patience)
    ended = await ask_all(alice, models, ["" if fault.base_url else fault.order for fault in faults])
    found = []
    for fault, frame in zip(faults, ended, strict=True):
        row = await books(frame["generation"])
        row["shown"] = (frame["text"], frame["status"])
        # The table holds at least the beginning of the words.
        row["words"] = fault.words if row["words"].startswith(fault.words) else row["words"]
        found.append(row)
    assert differences([(fault.order, expected_of(fault)) for fault in faults], found) == {}


async def test_what_is_odd_and_harmless_is_an_answer(alice, engine, upstream):
    models = await make_places(len(HARMLESS), upstream.url, "one1")
    ended = await ask_all(alice, models, HARMLESS)
    wanted = {"status": "done", "text": STORY, "attempts": [("ok", None)], "paid": (True, "settled")}
    found = [await books(frame["generation"]) for frame in ended]
    assert differences([(order, wanted) for order in HARMLESS], found) == {}


class InOrder:
    """Lots that always fall on the first."""

    def __init__(self):
        self.random = itertools.count().__next__


async def test_a_first_key_that_fails_before_its_first_token_costs_nobody_the_answer(
    alice, engine, upstream, monkeypatch
):
    monkeypatch.setattr(endpoints, "_lots", InOrder())
    patience = {"first_token_timeout": [2 if "hang" in each.order or "pause" in each.order else 60 for each in DETOURS]}
    models = await make_places(len(DETOURS), upstream.url, "one1", "one2", "two1", **patience)
    ended = await ask_all(alice, models, [f"{each.order} fail_keys=one1" for each in DETOURS])
    found = [await books(frame["generation"]) | {"shown": frame["text"]} for frame in ended]
    others = dict.fromkeys(("one2", "two1"), ("good", ""))
    expected = [
        (
            each.order,
            {
                "status": "done",
                "text": STORY,
                "shown": STORY,
                "words": "",
                "attempts": [each.attempt, ("ok", None)],
                "asked": ["one1", each.answers],
                "paid": (True, "settled"),
                "keys": {"one1": each.key, **others},
            },
        )
        for each in DETOURS
    ]
    assert differences(expected, found) == {}


@pytest.mark.parametrize("point", ["request", "headers"])
async def test_a_stop_while_it_fails_over_ends_it_for_free(tab, upstream, monkeypatch, point):
    monkeypatch.setattr(endpoints, "_lots", InOrder())
    (model,) = await make_places(1, upstream.url, "one1", "one2", "two1")
    await asyncio.to_thread(upstream.order, match={"key_last_four": "one1"}, times=1, fail=500)
    hang = {"fail_mode": "hang", "fail_after": point}
    await asyncio.to_thread(upstream.order, match={"key_last_four": "one2"}, times=1, **hang)
    started = await tab.send(f"stop-{point}", model)
    await asyncio.to_thread(wait_until, lambda: len(upstream.calls(f"stop-{point}")) == 2)
    asked = time.monotonic()
    await tab.tell(type="stop", generation=started["generation"])
    assert (await tab.until("turn.ended"))["status"] == "stopped"
    assert time.monotonic() - asked < AT_ONCE
    row = await books(started["generation"])
    assert (row["outcome"], row["paid"]) == ("stopped", (False, "voided"))
    assert list(zip(row["asked"], row["attempts"], strict=True)) == [
        ("one1", ("upstream_unavailable", 500)),
        ("one2", ("stopped", None)),
    ]
    assert row["keys"] == {"one1": ("good", "failed"), "one2": ("good", ""), "two1": ("good", "")}


async def test_the_page_shows_the_partial_text_and_the_words(alice, engine, upstream):
    (model,) = await make_places(1, upstream.url, "one1")
    await ask_all(alice, [model], ["fail=500 fail_after=2"])
    turn = await in_thread(Generation.objects.get)()

    @in_thread
    def page():
        browser = Client()
        browser.force_login(alice)
        return browser.get(f"/c/{turn.conversation_id}").content.decode()

    shown = await page()
    assert "Once upon" in shown
    assert "The provider had a failure of its own. Try again in a moment." in shown
