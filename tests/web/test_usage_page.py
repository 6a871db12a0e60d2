"""Usage: what a member has, every charge and grant of a month, and the way through them."""

import html
import re
from datetime import UTC, datetime

import pytest
from django.db import connection

from billing.models import Hold, UsageRecord
from billing.services import grant, wallet_of
from panel.usage_rows import EPOCH, Key, key_from
from tests.web.usage import NOW, use

MONTH = "?month=2025-11"


@pytest.fixture
def members(client, alice, model):
    client.force_login(alice)
    return client


def page(members, query=MONTH):
    return members.get(f"/settings/usage/{query}").content.decode()


def rows(shown):
    """The list of charges and grants, without what stands above it."""
    return shown.partition('id="charges"')[2]


def test_a_request_is_listed_with_its_receipt(members, alice):
    use(alice, reasoning_tokens=1_180, completion_tokens=2_310)
    shown = rows(page(members))
    for words in (
        "deepseek-v31-terminus",
        "1,204",
        "2,310",
        "1,180",
        'title="0.0011016 credits"',
        "Done",
        "1,204 in × 0.40 + 2,310 out × 2.00 per million, of which 1,180 reasoning; price of",
        "20 Nov, 14:03",
    ):
        assert words in shown


def test_what_was_not_asked_for_in_a_chat_says_what_for(members, alice):
    use(alice, purpose="title")
    use(alice, purpose="test", own_key=True, charge=0)
    use(alice, simulated=True)
    shown = rows(page(members))
    for badge in ("Title", "Key test", "Own key", "Simulated"):
        assert shown.count(f'<span class="badge">{badge}</span>') == 1


def test_grants_stand_among_the_charges(members, alice, bob):
    use(alice)
    grant(user=alice, amount=2_500_000_000, reason="For <b>Friday</b>")
    grant(user=bob, amount=7_000_000_000, reason="Not hers")
    shown = rows(page(members, ""))
    assert "+2.50</td>" in shown
    assert "For &lt;b&gt;Friday&lt;/b&gt;" in shown
    assert "Not hers" not in shown
    assert "2.50" not in rows(page(members, "?model=deepseek-v31-terminus"))


def test_nothing_of_somebody_else_is_shown_or_added_up(members, alice, bob):
    use(alice, model_name="mine")
    use(bob, model_name="theirs", charge=9_000_000_000)
    shown = page(members)
    assert "mine" in shown
    assert "theirs" not in shown
    assert 'Spent in Nov</dt><dd class="number" title="0.0011016 credits"' in shown


def test_what_is_held_is_told_apart_and_in_words(members, alice):
    grant(user=alice, amount=10**9, reason="To try it")
    assert "nothing is running" in page(members)
    wallet = wallet_of(alice)
    for number, amount in enumerate((8_000_000, 240_000)):
        Hold.objects.create(wallet=wallet, subject=f"generation:open{number}", amount=amount)
    wallet.held = 8_240_000
    wallet.save(update_fields=["held"])
    shown = page(members)
    assert 'title="0.99176 credits">0.9917<' in shown
    assert 'title="0.00824 credits">0.0082<' in shown
    assert "promised to 2 running requests; what they do not use comes back" in shown


def test_a_month_holds_what_fell_into_it_where_the_reader_is(members, alice):
    use(alice, model_name="first", created=datetime(2025, 11, 1, tzinfo=UTC))
    use(alice, model_name="before", created=datetime(2025, 10, 31, 23, 59, tzinfo=UTC))
    use(alice, model_name="last", created=datetime(2025, 11, 30, 23, 59, 59, tzinfo=UTC))
    use(alice, model_name="after", created=datetime(2025, 12, 1, tzinfo=UTC))

    def named(shown):
        return [name for name in ("before", "first", "last", "after") if f'<th scope="row">{name}' in rows(shown)]

    assert named(page(members)) == ["first", "last"]
    members.cookies["tz"] = "Asia/Tokyo"  # nine hours ahead
    assert named(page(members)) == ["before", "first"]
    members.cookies["tz"] = "America/New_York"
    assert named(page(members)) == ["last", "after"]


def test_one_model_can_be_seen_alone(members, alice):
    use(alice, model_name="one & only")
    use(alice, model_name="other")
    shown = page(members, f"{MONTH}&model=one+%26+only")
    assert '<th scope="row">one &amp; only' in rows(shown)
    assert '<th scope="row">other' not in rows(shown)
    assert "<option selected>one &amp; only</option>" in shown
    assert f'<a href="{MONTH}&amp;model=one%20%26%20only#charges">one &amp; only</a>' in shown
    assert "Nothing of none in November 2025." in page(members, f"{MONTH}&model=none")


def test_pages_follow_each_other_without_gap_or_repetition_also_at_one_moment(members, alice):
    for number in range(120):
        use(alice, model_name=f"model-{number:03}", created=NOW if number < 110 else NOW.replace(day=19))
    seen, query = [], MONTH
    while query:
        shown = rows(page(members, query))
        seen.append(re.findall(r'<th scope="row">(model-\d+)', shown))
        query = older(shown)
    assert [len(names) for names in seen] == [50, 50, 20]
    newest_first = [*range(109, -1, -1), *range(119, 109, -1)]  # of one moment, the row made last comes first
    assert [name for names in seen for name in names] == [f"model-{number:03}" for number in newest_first]


def older(shown):
    """Where “Older” leads, or None."""
    found = re.search(r'href="([^"#]*)[^"]*" rel="next"', shown)
    return found and html.unescape(found[1])


@pytest.mark.parametrize("after", ["x", "-1", "1-2", "²" * 3, "9" * 17 + "-" + "0" * 32, "1-" + "g" * 32])
def test_an_unreadable_place_is_the_first_page(members, alice, after):
    use(alice)
    assert key_from(after) is None
    assert "1,204 in × 0.40" in page(members, f"{MONTH}&after={after}")


def test_a_place_is_written_and_read_to_the_microsecond(alice):
    key = Key(datetime(2025, 11, 20, 14, 3, 0, 123_457, tzinfo=UTC), alice.pk)
    assert key_from(str(key)) == key


def test_after_the_last_row_the_page_leads_back(members, alice):
    use(alice)
    assert "See the newest" in page(members, f"{MONTH}&after={Key(EPOCH, alice.pk)}")


@pytest.mark.parametrize("month", ["", "x", "2025-13", "2025-00", "1999-01", "2099-12", "٢٠٢٥-11"])
def test_a_month_that_never_was_is_this_month(members, alice, month):
    grant(user=alice, amount=10**9, reason="Given just now")
    assert "Given just now" in page(members, f"?month={month}")


def test_before_the_first_request_the_page_says_what_will_be_here(members):
    assert "Nothing yet." in page(members, "")


def test_an_empty_month_leads_to_the_others(members, alice):
    use(alice)
    shown = page(members, "")
    assert "Choose another month above." in shown
    assert '<option value="2025-11">November 2025</option>' in shown


def test_rows_months_and_models_cost_no_more_queries(members, alice, django_assert_num_queries):
    grant(user=alice, amount=10**9, reason="To try it")
    for number in range(60):
        use(alice, model_name=f"model-{number % 7}")
    with django_assert_num_queries(9):  # session, person, wallet in a savepoint, months, sums, charges, grants
        page(members)


def test_model_names_are_shown_as_text(members, alice):
    use(alice, model_name="<script>alert(1)</script>")
    assert "<script>alert" not in page(members)


@pytest.mark.parametrize(
    ("asked", "index"), [({}, "usage_of_a_user "), ({"model_name": "rare"}, "usage_of_a_user_and_model ")]
)
def test_the_list_goes_by_an_index_however_many_rows_there_are(alice, asked, index):
    place = Key(NOW, alice.pk)
    page = UsageRecord.objects.filter(place.older, user=alice, **asked).order_by("-created", "-id")[:51]
    # PostgreSQL plans by its statistics, and of an empty table it has none.
    assert index in page.explain() or connection.vendor == "postgresql"


def test_usage_is_for_the_signed_in(client, db):
    for address in ("/settings/usage/", "/settings/usage/export.csv"):
        assert client.get(address).headers["Location"] == f"/accounts/login/?next={address}"
