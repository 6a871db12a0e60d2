"""Setting, undoing and withdrawing prices in the admin, and where a missing one is seen."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from billing.models import Hold, Price, UsageRecord
from billing.services import set_price, wallet_of
from tests.factories import make_model, make_user

pytestmark = pytest.mark.django_db
ADD = "/admin/billing/price/add/"
LIST = "/admin/billing/price/"


@pytest.fixture
def boss(db):
    return make_user("root@example.org", is_staff=True, is_superuser=True)


@pytest.fixture
def admins(client, boss):
    client.force_login(boss)
    return client


@pytest.fixture
def place(model):
    """A deployment that costs 0.4 and 2 credits per million tokens."""
    return model.deployments.get()


@pytest.fixture
def wish(place):
    """What the form posts."""
    return {"deployment": str(place.pk), "input": "0.5", "output": "2.5", "reason": "The provider’s list of May"}


def text(response):
    """The page's words, without its markup."""
    return " ".join(unescape(response.content.decode()).split())


def previewed(client, wish, address=ADD):
    """What the preview's own form posts back."""
    response = client.post(address, wish)
    assert response.status_code == 200
    return wish | {"seen": response.context["preview"].seen, "confirm": "Confirm"}


def figures(price):
    return price.input, price.output, price.cached_input, price.reasoning


# Setting


def test_a_price_is_previewed_and_then_confirmed(admins, boss, alice, place, wish):
    hold = Hold.objects.create(wallet=wallet_of(alice), subject="generation:1", amount=0, state="settled")
    UsageRecord.objects.create(
        hold=hold, user=alice, subject="generation:1", purpose="chat", model_name="m", outcome="done",
        deployment=place, prompt_tokens=1_000_000, completion_tokens=100_000, charge=600_000_000,
    )  # fmt: skip

    shown = text(admins.post(ADD, wish))

    assert '<th scope="row">Input</th><td>0.4</td><td>0.5</td><td>+25 %</td>' in shown
    assert '<th scope="row">Output</th><td>2</td><td>2.5</td><td>+25 %</td>' in shown
    assert "1 request of the last 30 days cost <strong>0.6 credits</strong> and would have cost " \
        "<strong>0.75</strong>: 0.15 more." in shown  # fmt: skip
    assert "Reason: The provider’s list of May" in shown
    assert 'name="sure"' not in shown
    assert Price.objects.count() == 1

    done = admins.post(ADD, previewed(admins, wish), follow=True)
    assert "Saved for" in text(done)
    newest = Price.objects.first()
    assert figures(newest) == (500_000_000, 2_500_000_000, None, None)
    assert (newest.source, newest.actor, newest.reason) == ("admin", boss, "The provider’s list of May")
    assert Price.objects.count() == 2
    assert "0.5 in, 2.5 out" in text(admins.get(f"{LIST}{newest.pk}/history/"))


def test_the_form_begins_with_what_the_deployment_costs_now(admins, place):
    set_price(deployment=place, input=1, output=2_500_000_000, cached_input=50_000_000)
    form = admins.get(f"{ADD}?deployment={place.pk}").context["form"]
    assert [form[name].value() for name in ("input", "output", "cached_input", "reasoning")] == [
        "0.000000001", "2.5", "0.05", None,
    ]  # fmt: skip
    assert admins.get(f"{ADD}?deployment=nonsense").status_code == 200


@pytest.mark.parametrize("field", ["input", "output", "cached_input", "reasoning"])
@pytest.mark.parametrize(
    "typed",
    ["-1", "NaN", "Infinity", "1e30", "1000000.000000001", "0.0000000001", "1.0000000000000000000000000000000001",
     "0,4", "1_0", "٤", "free"],
)  # fmt: skip
def test_a_figure_that_is_no_price_is_refused_beside_its_field(admins, wish, field, typed):
    response = admins.post(ADD, wish | {field: typed, "confirm": "Confirm", "sure": "on"})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert f"“{typed}” is no price. Write 0 to 1,000,000 credits per million tokens" in text(response)
    assert Price.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "typed", "complaint"),
    [
        ("input", "", "This field is required."),
        ("reason", " ", "This field is required."),
        ("reason", "x" * 301, "at most 300 characters"),
        ("deployment", "00000000-0000-7000-8000-000000000000", "This deployment is not there any more."),
        ("effective_from", "2026-01-01T00:00", "This moment is over"),
        ("effective_from", "0001-01-01T00:00", "This moment is over"),
        ("effective_from", "9999-12-31T23:59", "Choose a moment within a year."),
        ("effective_from", "soon", "Write a moment like"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_what_cannot_be_is_refused_beside_its_field(admins, wish, field, typed, complaint, zone):
    admins.cookies["tz"] = zone
    response = admins.post(ADD, wish | {field: typed})
    assert (response.status_code, list(response.context["form"].errors)) == (422, [field])
    assert complaint in text(response)


def test_the_price_as_it_is_is_no_change(admins, wish):
    response = admins.post(ADD, wish | {"input": "0.4", "output": "2"})
    assert response.status_code == 422
    assert "there is nothing to change" in text(response)


def test_the_dearest_price_is_taken_exactly(admins, wish):
    wish |= {"input": "1000000", "output": "0.123456789"}
    admins.post(ADD, previewed(admins, wish) | {"sure": "on"})
    assert figures(Price.objects.first())[:2] == (10**15, int(Decimal("0.123456789") * 10**9))


def test_a_moment_is_read_on_the_readers_clock(admins, wish):
    admins.cookies["tz"] = "Asia/Tokyo"
    day = (timezone.now() + timedelta(days=9)).date()
    wish |= {"effective_from": f"{day}T08:30"}
    shown = text(admins.post(ADD, wish))
    assert f"{day} 08:30 Asia/Tokyo ({day - timedelta(days=1)} 23:30 UTC)" in shown
    admins.post(ADD, previewed(admins, wish))
    newest = Price.objects.first()
    assert newest.effective_from == datetime(day.year, day.month, day.day, 8, 30, tzinfo=UTC) - timedelta(hours=9)
    admins.cookies["tz"] = "Nowhere/At_All"
    assert "UTC time." in text(admins.get(ADD))


def test_a_large_change_wants_a_second_tick(admins, wish):
    wish |= {"input": "4", "output": "0"}
    asked = previewed(admins, wish)
    refused = admins.post(ADD, asked)
    assert refused.status_code == 422
    assert "Input changes by more than half: +900 %." in text(refused)
    assert "Output becomes free." in text(refused)
    assert Price.objects.count() == 1
    assert admins.post(ADD, asked | {"sure": "on"}).status_code == 302
    assert figures(Price.objects.first())[:2] == (4_000_000_000, 0)


def test_a_price_that_changed_meanwhile_refuses_the_confirmation(admins, place, wish):
    asked = previewed(admins, wish)
    set_price(deployment=place, input=10_000_000, output=2_000_000_000)
    refused = admins.post(ADD, asked)
    assert refused.status_code == 409
    assert "The price was changed meanwhile, so nothing was saved." in text(refused)
    assert "<td>0.01</td><td>0.5</td><td>+4,900 %</td>" in text(refused)
    assert Price.objects.count() == 2
    assert admins.post(ADD, wish | {"confirm": "Confirm"}).status_code == 409


def test_a_confirmation_that_is_sent_twice_makes_one_version(admins, wish):
    asked = previewed(admins, wish)
    assert admins.post(ADD, asked).status_code == 302
    assert "there is nothing to change" in text(admins.post(ADD, asked))
    assert Price.objects.count() == 2


def test_one_may_go_back_from_the_preview_to_the_figures(admins, wish):
    response = admins.post(ADD, wish | {"back": "Change the figures"})
    assert response.context["form"]["reason"].value() == "The provider’s list of May"
    assert 'value="Preview"' in text(response)


def test_setting_and_undoing_need_the_right_to_add_prices(client, place, wish):
    clerk = make_user("clerk@example.org", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_price"))
    client.force_login(clerk)
    newest = set_price(deployment=place, input=1, output=1)
    for address in (ADD, f"{LIST}{newest.pk}/undo/"):
        assert client.get(address).status_code == 403
        assert client.post(address, wish | {"confirm": "Confirm"}).status_code == 403
    assert "Undo" not in text(client.get(LIST))
    assert "Set a price" not in text(client.get(LIST))


# The way back


def test_the_newest_version_is_undone_by_a_new_one(admins, boss, place):
    newest = set_price(deployment=place, input=500_000_000, output=2_000_000_000)
    address = f"{LIST}{newest.pk}/undo/"
    assert address in text(admins.get(LIST))
    assert "<td>0.5</td><td>0.4</td><td>−20 %</td>" in text(admins.get(address))
    assert Price.objects.count() == 2

    asked = previewed(admins, {}, address)
    unreasoned = admins.post(address, asked | {"reason": " "})
    assert (unreasoned.status_code, Price.objects.count()) == (422, 2)
    assert "This field is required." in text(unreasoned)
    assert admins.post(address, asked | {"reason": "Mistyped"}).status_code == 302
    assert "root@example.org, documented by the provider" in text(admins.get(LIST))
    made = Price.objects.first()
    assert (made.input, made.source, made.actor, made.reason) == (400_000_000, "documented", boss, "Mistyped")
    assert "not in force any more" in text(admins.post(address, asked | {"reason": "Mistyped"}, follow=True))
    assert Price.objects.count() == 3


def test_a_waiting_version_is_withdrawn_by_one_from_the_same_moment(admins, place):
    moment = timezone.now() + timedelta(days=2)
    waiting = set_price(deployment=place, input=500_000_000, output=2_000_000_000, effective_from=moment)
    address = f"{LIST}{waiting.pk}/undo/"
    assert f'Waiting · <a href="{address}">Withdraw</a>' in text(admins.get(LIST))
    assert admins.post(address, previewed(admins, {}, address) | {"reason": "Not yet"}).status_code == 302
    made = Price.objects.first()
    assert (made.input, made.effective_from, Price.objects.count()) == (400_000_000, moment, 3)
    shown = text(admins.get(LIST))
    assert "Replaced before it began" in shown
    assert "Withdraw" not in shown


# Where it is seen


def test_the_list_says_who_set_what_and_why(admins, boss, place):
    set_price(deployment=place, input=500_000_000, output=0, cached_input=0, actor=boss, reason="<b>May</b>")
    set_price(deployment=make_model("filed", input=None).deployments.get(), input=7, output=7)
    shown = text(admins.get(LIST))
    for words in (
        "In force",
        "Earlier",
        "documented by the provider",
        "a file, by manage.py apply",
        "root@example.org",
    ):
        assert words in shown
    assert ">0.5<" in shown
    assert "<b>May</b>" not in admins.get(LIST).content.decode()


@pytest.mark.parametrize("source", ["none", "demo", "waiting"])
def test_a_deployment_without_a_price_says_that_paid_use_is_refused(admins, source):
    model = make_model("bare", input=0 if source == "demo" else None, output=0, source="demo")
    bare = model.deployments.get()
    if source == "waiting":
        set_price(deployment=bare, input=500_000_000, output=10**9, effective_from=timezone.now() + timedelta(days=1))
    for page in ("/admin/providers/deployment/", f"/admin/providers/deployment/{bare.pk}/change/", LIST):
        shown = text(admins.get(page))
        assert "No price: refused for paid use" in shown
        assert f'{ADD}?deployment={bare.pk}">Set a price</a>' in shown
    if source == "waiting":
        assert "UTC: 0.5 in · 1 out" in text(admins.get("/admin/providers/deployment/"))


def test_a_deployment_with_a_price_shows_it(admins, place):
    shown = text(admins.get("/admin/providers/deployment/"))
    assert "0.4 in · 2 out" in shown
    assert "refused for paid use" not in shown + text(admins.get(LIST))
