"""Price versions over time: which one counts when, what another would have cost, and the way back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from billing import prices, triggers
from billing.admission import Caller, admit
from billing.audit import audit
from billing.errors import NotPriced
from billing.models import Hold, Price, UsageRecord
from billing.prices import Change, Figure, NoWayBack, Past, PriceMoved, State, Timeline, confirm, preview, way_back
from billing.pricing import Rates
from billing.services import current_price, current_prices, grant, set_price, wallet_of
from billing.settlement import Ending, close
from providers.services import save_key
from providers.types import ChatMessage, ChatRequest
from tests.canary import CANARY
from tests.factories import make_model, make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
M = 1_000_000


@pytest.fixture
def clock(monkeypatch):
    """The site's clock stands at noon; call it with a moment to move it."""
    now = [NOON]
    monkeypatch.setattr(timezone, "now", lambda: now[0])
    return lambda moment: now.__setitem__(0, moment)


@pytest.fixture
def place(clock):
    """A deployment that costs 1 and 1 credit per million since noon."""
    return make_model(input=1_000_000_000, output=1_000_000_000).deployments.get()


@pytest.fixture
def boss(db):
    return make_user("boss@example.org", is_staff=True)


def cost(deployment):
    price = current_price(deployment)
    return price and price.input


def change(deployment, input=3, output=3, at=None, **rates):
    return Change(deployment, Rates("", input, output, **rates), at)


def used(deployment, user, number, charge, **fields):
    hold = Hold.objects.create(wallet=wallet_of(user), subject=f"generation:{number}", amount=0, state="settled")
    values = {
        "hold": hold,
        "user": user,
        "subject": hold.subject,
        "purpose": "chat",
        "model_name": "m",
        "created": timezone.now(),
    }
    return UsageRecord.objects.create(
        **values | {"deployment": deployment, "outcome": "done", "charge": charge, "prompt_tokens": 1000} | fields
    )


# Which version counts


def test_a_version_counts_from_its_moment_on_and_the_newest_one_wins(place, clock):
    set_price(deployment=place, input=3, output=3, effective_from=NOON + 2 * HOUR)
    set_price(deployment=place, input=2, output=2, effective_from=NOON + HOUR)
    assert cost(place) == 1_000_000_000
    clock(NOON + HOUR - timedelta(microseconds=1))
    assert cost(place) == 1_000_000_000
    clock(NOON + HOUR)
    assert cost(place) == 2
    clock(NOON + 2 * HOUR)
    assert cost(place) == 3


def test_of_equal_moments_the_version_that_was_made_last_counts(place, clock):
    for amount in (7, 9, 8):
        set_price(deployment=place, input=amount, output=amount, effective_from=NOON + HOUR)
    clock(NOON + HOUR)
    assert cost(place) == 8
    assert Timeline.of(place).at(place.pk).input == 8


def test_a_deployment_whose_price_is_yet_to_begin_is_refused_until_then(alice, clock, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    grant(user=alice, amount=10**9, reason="To try it")
    model = make_model(input=None)
    deployment = model.deployments.get()
    set_price(deployment=deployment, input=2, output=2, effective_from=NOON + HOUR)
    assert current_prices([deployment.pk]) == {}
    with pytest.raises(NotPriced):
        ask(alice, model)
    clock(NOON + HOUR)
    assert ask(alice, model).subject == "request:1"


def test_no_price_begins_in_the_past(place):
    with pytest.raises(ValueError, match="past"):
        set_price(deployment=place, input=2, output=2, effective_from=NOON - timedelta(microseconds=1))
    assert Price.objects.count() == 1


# What was promised


def ask(user, model):
    request = ChatRequest(model.name, (ChatMessage("user", "Hi"),))
    return admit(Caller(user), model, request, subject="request:1", prompt_tokens=100).hold


def test_a_hold_keeps_its_price_when_another_comes_into_force(alice, place, clock, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    grant(user=alice, amount=10**10, reason="To try it")
    hold = ask(alice, place.model)
    set_price(deployment=place, input=5_000_000_000, output=5_000_000_000, effective_from=NOON + HOUR)
    clock(NOON + HOUR)
    counted = prices.Tokens(completion=50)
    record = close(hold.subject, Ending(UsageRecord.Outcome.DONE, "m", counted, deployment=place.pk))
    assert record.charge == 150 * 1000  # 100 in and 50 out at 1 credit per million, not at 5
    assert record.price.input == 1_000_000_000


def test_a_demo_price_that_an_undo_brings_back_still_serves_no_real_key(alice, boss, clock):
    model = make_model("demo", "segmind", "https://api.segmind.com", input=0, output=0, source="demo")
    save_key(deployment=model.deployments.get(), plain=CANARY)
    clock(NOON + HOUR)
    newer = set_price(deployment=model.deployments.get(), input=2, output=2)
    back = way_back(newer)
    assert "real key are refused" in preview(back).warnings[0]
    again = confirm(back, seen=preview(back).seen, actor=boss, reason="Back")
    assert (again.source, again.input, again.actor) == ("demo", 0, boss)
    with pytest.raises(NotPriced):
        ask(alice, model)


# Another price


def test_a_preview_prices_the_last_month_again_request_by_request(place, alice):
    used(place, alice, 1, 1_000_000, completion_tokens=500, reasoning_tokens=100, cached_tokens=400)
    used(place, alice, 2, 2, prompt_tokens=1)
    used(place, alice, 3, 0, own_key=True)
    used(place, alice, 4, 77, created=NOON - timedelta(days=31))
    used(place, alice, 5, 0, prompt_tokens=0)
    used(make_model("other").deployments.get(), alice, 6, 99)
    looked = change(place, 2 * M, 4 * M, cached_input=M, reasoning=8 * M)
    # 600 × 2 + 400 × 1 + 400 × 4 + 100 × 8 = 4,000; and 1 × 2
    assert preview(looked).past == Past(requests=2, cost=1_000_002, would_cost=4002, is_sample=False)
    # half a nanocredit is rounded to even once for each request, as it is when it is charged
    used(place, alice, 7, 0, prompt_tokens=1)
    assert preview(change(place, 500_000, 0)).past.would_cost == 500 + 0 + 0
    assert Price.objects.count() == 2


def test_a_busy_month_is_judged_by_its_newest_requests(place, alice, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(prices, "MOST_REQUESTS", 2)
    for number, charge in enumerate((100, 10, 1)):
        used(place, alice, number, charge)
    with django_assert_num_queries(2):
        assert preview(change(place, M, M)).past == Past(requests=2, cost=11, would_cost=2000, is_sample=True)


@pytest.mark.parametrize(
    ("before", "after", "words", "warning"),
    [
        (400, 500, "+25 %", ""),
        (400, 600, "+50 %", ""),
        (400, 601, "+50.2 %", "Input changes by more than half: +50.2 %."),
        (400, 200, "−50 %", ""),
        (400, 199, "−50.2 %", "Input changes by more than half: −50.2 %."),
        (400, 400, "unchanged", ""),
        (10**9, 10**9 + 1, "+less than 0.1 %", ""),
        (1, 10**15, "+99,999,999,999,999,900 %", "Input changes by more than half: +99,999,999,999,999,900 %."),
        (400, 0, "−100 %", "Input becomes free."),
        (0, 1, "new", "Input was free until then."),
        (0, 0, "free", ""),
        (None, 5, "new", ""),
        (None, 0, "new", "Input becomes free."),
    ],
)
def test_a_large_change_is_named(before, after, words, warning):
    figure = Figure("Input", before, after)
    assert (figure.change, figure.warning) == (words, warning)


def test_figures_that_follow_another_are_not_compared_by_themselves(place):
    assert [each.name for each in preview(change(place)).figures] == ["Input", "Output"]
    found = preview(change(place, 10**9, 10**9, reasoning=2 * 10**9)).figures
    assert [(each.name, each.before, each.after) for each in found][2:] == [("Reasoning", 10**9, 2 * 10**9)]


def test_a_demo_price_counts_as_none_before(clock):
    demo = make_model("demo", input=0, output=0, source="demo").deployments.get()
    assert preview(change(demo, 0, 5)).warnings == ["Input becomes free."]


@pytest.mark.parametrize("meanwhile", ["another version", "a later version", "time"])
def test_what_was_previewed_is_not_made_when_the_price_moved(place, boss, clock, meanwhile):
    if meanwhile == "time":
        set_price(deployment=place, input=2, output=2, effective_from=NOON + HOUR)
    wish = change(place, at=NOON + 3 * HOUR)
    seen = preview(wish).seen
    if meanwhile == "time":
        clock(NOON + HOUR)
    else:
        later = NOON + 9 * HOUR if meanwhile == "a later version" else None
        set_price(deployment=place, input=4, output=4, effective_from=later)
    with pytest.raises(PriceMoved):
        confirm(wish, seen=seen, actor=boss, reason="Late")
    assert not Price.objects.filter(reason="Late").exists()
    made = confirm(wish, seen=preview(wish).seen, actor=boss, reason="Again")
    assert (made.input, made.effective_from, made.actor, made.reason) == (3, NOON + 3 * HOUR, boss, "Again")


@pytest.mark.django_db(transaction=True)
def test_of_two_confirmations_at_once_one_makes_a_version(boss):
    place = make_model(input=1, output=1).deployments.get()
    seen = preview(change(place)).seen
    start = threading.Barrier(2)

    def try_it(input):
        try:
            start.wait(timeout=10)
            confirm(change(place, input), seen=seen, actor=boss, reason="At once")
        except PriceMoved:
            return "moved"
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(try_it, (5, 6))) == ["made", "moved"]
    assert Price.objects.count() == 2


# The way back


def test_undoing_brings_back_the_figures_before_by_a_new_version(place, boss, clock):
    set_price(deployment=place, input=5, output=6, cached_input=1, reasoning=7)
    clock(NOON + HOUR)
    newer = set_price(deployment=place, input=9, output=9)
    clock(NOON + 2 * HOUR)
    back = way_back(newer)
    made = confirm(back, seen=preview(back).seen, actor=boss, reason="Mistyped")
    assert (made.input, made.output, made.cached_input, made.reasoning) == (5, 6, 1, 7)
    assert (made.effective_from, current_price(place)) == (NOON + 2 * HOUR, made)
    assert Price.objects.get(pk=newer.pk).input == 9
    with pytest.raises(NoWayBack, match="not in force any more"):
        way_back(newer)


def test_withdrawing_keeps_what_is_in_force_from_that_moment_on(place, boss, clock):
    clock(NOON + HOUR)
    coming = set_price(deployment=place, input=9, output=9, effective_from=NOON + 5 * HOUR)
    back = way_back(coming)
    made = confirm(back, seen=preview(back).seen, actor=boss, reason="Not yet")
    assert (made.input, made.effective_from) == (1_000_000_000, NOON + 5 * HOUR)
    clock(NOON + 5 * HOUR)
    assert cost(place) == 1_000_000_000
    assert Timeline.of(place).state(coming) == State.REPLACED
    # What was withdrawn was never in force, so that nothing leads back to it.
    with pytest.raises(NoWayBack, match="same figures"):
        way_back(current_price(place))


def test_the_first_version_cannot_be_undone(place):
    with pytest.raises(NoWayBack, match="No version is before"):
        way_back(current_price(place))


def test_each_version_has_a_state(place, clock):
    clock(NOON + HOUR)
    for amount, at in ((2, None), (3, NOON + 2 * HOUR), (4, NOON + 2 * HOUR)):
        set_price(deployment=place, input=amount, output=amount, effective_from=at)
    timeline = Timeline.of()
    assert [(price.input, timeline.state(price).value) for price in Price.objects.order_by("id")] == [
        (1_000_000_000, "earlier"), (2, "in_force"), (3, "replaced"), (4, "waiting"),
    ]  # fmt: skip


# What the database holds


@pytest.mark.parametrize("figure", ["input", "output", "cached_input", "reasoning"])
@pytest.mark.parametrize("amount", [-1, 9 * 10**15])
def test_every_figure_of_a_price_is_bounded(place, figure, amount):
    with pytest.raises(IntegrityError), transaction.atomic():
        Price.objects.create(deployment=place, **{"input": 1, "output": 1, figure: amount})


def test_a_price_is_neither_edited_nor_deleted_and_the_audit_misses_what_keeps_it_so(place):
    for attempt in (lambda: Price.objects.update(reason="forged"), lambda: Price.objects.all().delete()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            attempt()
    on = " ON billing_price" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER billing_price_no_update{on}")
    assert audit() == ["Trigger billing_price_no_update is missing: run manage.py migrate."]
    triggers.install(connection)
    assert audit() == []
