"""A month of spending: by day where the reader is, by model, and as bars that show what they stand for."""

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from panel.usage_month import HEIGHT, Month, month_of, spending
from tests.web.usage import use

pytestmark = pytest.mark.django_db
NOVEMBER = Month(date(2025, 11, 1), ZoneInfo("Europe/Berlin"))


def at(day, hour=12):
    return datetime(2025, 11, day, hour, tzinfo=UTC)


def test_sums_are_by_model_the_dearest_first(alice, model):
    use(alice, model_name="cheap", charge=250, created=at(3))
    use(alice, model_name="dear", charge=500, reasoning_tokens=10, created=at(3))
    use(alice, model_name="dear", charge=250, created=at(4))
    use(alice, model_name="free", charge=0, created=at(5))
    found = spending(alice, NOVEMBER)
    assert [(each.name, each.series, each.sums.requests, each.sums.charge, each.percent) for each in found.models] == [
        ("dear", 1, 2, 750, 75.0),
        ("cheap", 2, 1, 250, 25.0),
        ("free", 3, 1, 0, 0.0),
    ]
    total = found.total
    assert (total.requests, total.prompt, total.completion, total.reasoning) == (4, 4816, 1240, 10)
    assert total.charge == 1000


def test_a_day_is_the_readers_day(alice, model):
    use(alice, charge=7, created=at(3, hour=23))  # half past midnight of the 4th in Berlin
    (busy,) = spending(alice, NOVEMBER).busy_days
    assert (busy.at, busy.requests, busy.charge) == (date(2025, 11, 4), 1, 7)


def test_bars_are_as_high_as_their_charge_and_stand_on_each_other(alice, model):
    use(alice, model_name="a", charge=600, created=at(1))
    use(alice, model_name="b", charge=200, created=at(1))
    use(alice, model_name="b", charge=100, created=at(30))
    days = spending(alice, NOVEMBER).days
    assert len(days) == 30
    assert [(bar.model, bar.x, bar.y, bar.height) for bar in days[0].bars] == [("a", 2, 24, 72), ("b", 2, 0, 24)]
    assert [(bar.x, bar.y, bar.height) for bar in days[29].bars] == [(29 * 16 + 2, HEIGHT - 12, 12)]
    assert days[1].bars == []


def test_what_is_too_small_to_be_drawn_is_seen_and_nothing_leaves_the_drawing(alice, model):
    for number in range(80):
        use(alice, model_name=f"m{number:02}", charge=1 + 10**9 * (number == 0), created=at(2))
    (day,) = spending(alice, NOVEMBER).busy_days
    assert all(bar.y >= 0 and bar.height >= 0 for bar in day.bars)
    use(alice, model_name="m00", charge=10**12, created=at(3))
    assert spending(alice, NOVEMBER).days[1].bars[1].height == 1.5


def test_models_beyond_the_sixth_share_a_colour(alice, model):
    for number in range(8):
        use(alice, model_name=f"m{number}", charge=100 - number, created=at(2))
    assert [share.series for share in spending(alice, NOVEMBER).models] == [1, 2, 3, 4, 5, 6, 6, 6]


def test_a_month_ends_where_the_next_begins_also_when_clocks_change(model):
    october = Month(date(2025, 10, 1), ZoneInfo("Europe/Berlin"))
    assert october.end == NOVEMBER.start == datetime(2025, 10, 31, 23, tzinfo=UTC)
    assert october.start == datetime(2025, 9, 30, 22, tzinfo=UTC)
    assert len(october.days) == 31
    assert NOVEMBER.before == october
    with timezone.override("Asia/Tokyo"):
        assert month_of("2025-11").start == datetime(2025, 10, 31, 15, tzinfo=UTC)


def test_a_month_is_one_query(alice, model, django_assert_num_queries):
    for number in range(40):
        use(alice, model_name=f"m{number % 5}", created=at(number % 28 + 1))
    with django_assert_num_queries(1):
        spending(alice, NOVEMBER)


def test_the_drawing_has_words_and_a_table_and_no_inline_style(client, alice, model):
    client.force_login(alice)
    use(alice, charge=3_000_000, created=at(3))
    use(alice, charge=1_000_000, created=at(4))
    shown = client.get("/settings/usage/?month=2025-11").content.decode()
    assert re.search(r'<figcaption[^>]*id="spent">0.004 credits. The dearest day was 3 November, with 0.003<', shown)
    assert "<title>3 Nov, deepseek-v31-terminus: 0.003 credits</title>" in shown
    assert 'role="img" aria-labelledby="spent"' in shown
    assert "The same as a table" in shown
    assert "style=" not in shown.partition("<main")[2]


def test_a_month_in_which_everything_was_free_says_so(client, alice, model):
    client.force_login(alice)
    use(alice, charge=0, own_key=True)
    shown = client.get("/settings/usage/?month=2025-11").content.decode()
    assert "Nothing was charged in this month: every request was free." in shown
    assert "<figure" not in shown
