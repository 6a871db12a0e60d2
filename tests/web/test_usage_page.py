"""Usage: what a member used, what it cost and how the price came about."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import Hold, Price, UsageRecord
from billing.services import wallet_of
from tests.factories import make_user

NOW = datetime(2025, 11, 20, 14, 3, tzinfo=UTC)


@pytest.fixture
def members(client, alice, monkeypatch):
    monkeypatch.setattr("panel.usage.this_month", lambda: datetime(2025, 11, 1, tzinfo=UTC))
    client.force_login(alice)
    return client


@pytest.fixture
def use(alice, model):
    """Writes one record."""
    price = Price.objects.get()

    def write(user=alice, **fields):
        number = Hold.objects.count()
        subject = f"generation:{number}"
        hold = Hold.objects.create(wallet=wallet_of(user), subject=subject, amount=0, state="settled")
        values = {
            "model_name": "deepseek-v31-terminus",
            "purpose": "chat",
            "price": price,
            "deployment": price.deployment,
            "prompt_tokens": 1204,
            "completion_tokens": 310,
            "charge": 1_101_600,
            "outcome": "done",
            "created": NOW - timedelta(minutes=number),
        }
        return UsageRecord.objects.create(hold=hold, user=user, subject=subject, **values | fields)

    return write


def page(members, query=""):
    return members.get(f"/settings/usage/{query}").content.decode()


def test_a_request_is_listed_with_its_receipt(members, use):
    use(reasoning_tokens=1_180, completion_tokens=2_310)

    shown = page(members)

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


def test_own_key_and_simulated_answers_are_marked(members, use):
    use(own_key=True, charge=0)
    use(simulated=True, charge=0)

    shown = page(members)

    assert "Own key</span>" in shown
    assert "Simulated</span>" in shown


def test_nothing_of_somebody_else_is_shown_or_added_up(members, use):
    use(model_name="mine")
    use(user=make_user("bob@example.org"), model_name="theirs", charge=9_000_000_000)

    shown = page(members)

    assert "mine" in shown
    assert "theirs" not in shown
    assert shown.count('title="0.0011016 credits"') == 2  # the row, and the month's total


def test_totals_are_of_this_month_only(members, use):
    use()
    use(charge=2_000_000_000, prompt_tokens=10_000, created=datetime(2025, 11, 1, tzinfo=UTC))
    use(charge=5_000_000_000, created=datetime(2025, 10, 31, 23, 59, tzinfo=UTC))

    shown = page(members)

    assert "Spent in Nov<" in shown
    assert 'title="2.0011016 credits"' in shown
    assert "11,204" in shown


def test_newest_come_first_and_fifty_make_a_page(members, use):
    for number in range(51):
        use(model_name=f"model-{number:02}")

    first, second = page(members), page(members, "?page=2")

    assert first.index("model-00") < first.index("model-49")
    assert "model-50" not in first
    assert 'href="?page=2"' in first
    assert "model-50" in second
    assert "model-49" not in second
    assert 'href="?page=1"' in second
    assert 'href="?page=3"' not in second


@pytest.mark.parametrize("query", ["?page=0", "?page=-1", "?page=x", "?page=²", "?page=99999999999999999999"])
def test_an_unreadable_page_number_is_the_first_page(members, use, query):
    use()
    assert "1,204 in × 0.40" in page(members, query)


def test_a_page_after_the_last_one_leads_back(members, use):
    use()
    assert "See the newest" in page(members, "?page=40")


def test_before_the_first_request_the_page_says_what_will_be_here(members, model):
    assert "Nothing yet." in page(members)


def test_fifty_records_cost_no_more_queries_than_one(members, use, django_assert_max_num_queries):
    for _ in range(20):
        use()
    with django_assert_max_num_queries(7):
        page(members)


def test_model_names_are_shown_as_text(members, use):
    use(model_name="<script>alert(1)</script>")
    assert "<script>alert" not in page(members)


def test_usage_is_for_the_signed_in(client, db):
    response = client.get("/settings/usage/")
    assert response.headers["Location"] == "/accounts/login/?next=/settings/usage/"
