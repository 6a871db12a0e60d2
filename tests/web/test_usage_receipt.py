"""One charge: its page, its receipt alone, and the way there from an answer."""

from uuid import uuid4

import pytest

from tests.web.chats import make_chat
from tests.web.usage import use


@pytest.fixture
def members(client, alice, model):
    client.force_login(alice)
    return client


def test_a_charge_has_a_page_with_every_digit(members, alice):
    record = use(alice, source="reported", reasoning_tokens=180, outcome="stopped", simulated=True)
    shown = members.get(f"/settings/usage/{record.pk}/").content.decode()
    for words in (
        "1,204 in × 0.40 + 310 out × 2.00 per million, of which 180 reasoning; price of 20",
        "; reported by upstream",
        "0.000481600",
        "0.000620000",
        "<b>0.001101600</b>",
        "It was stopped before its end. The charge is for the prompt and for what had arrived.",
        "20 Nov 2025, 14:03:00 UTC",
        "<dd>Answer</dd>",
        "Simulated</span>",
        str(record.pk),
    ):
        assert words in shown


def test_a_receipt_shows_its_time_where_the_reader_is(members, alice):
    record = use(alice)
    members.cookies["tz"] = "Asia/Tokyo"
    assert "20 Nov 2025, 23:03:00 JST" in members.get(f"/settings/usage/{record.pk}/").content.decode()


def test_a_fragment_is_the_receipt_alone(members, alice):
    record = use(alice)
    shown = members.get(f"/settings/usage/{record.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert shown.startswith('<div class="receipt">')
    assert "<b>0.001101600</b>" in shown


def test_a_receipt_is_its_payers_alone(members, alice, bob):
    theirs = use(bob)
    assert members.get(f"/settings/usage/{theirs.pk}/").status_code == 404
    assert members.get(f"/settings/usage/{uuid4()}/").status_code == 404
    alice.is_staff = True
    alice.save(update_fields=["is_staff"])
    assert members.get(f"/settings/usage/{theirs.pk}/").status_code == 404


def test_what_the_house_paid_is_on_nobodys_receipt(members, alice):
    record = use(alice, user=None, purpose="test")
    assert members.get(f"/settings/usage/{record.pk}/").status_code == 404


def test_a_receipt_takes_three_queries(members, alice, django_assert_num_queries):
    record = use(alice)
    with django_assert_num_queries(3):
        members.get(f"/settings/usage/{record.pk}/")


def test_a_receipt_is_for_the_signed_in(client, alice, model):
    record = use(alice)
    address = f"/settings/usage/{record.pk}/"
    assert client.get(address).headers["Location"] == f"/accounts/login/?next={address}"


def test_names_on_a_receipt_are_text(members, alice):
    record = use(alice, model_name="<script>alert(1)</script>")
    assert "<script>alert" not in members.get(f"/settings/usage/{record.pk}/").content.decode()


def test_the_cost_below_an_answer_leads_to_its_receipt(members, alice, model, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    chat = make_chat(alice, model)
    shown = members.get(f"/c/{chat.pk}").content.decode()
    address = shown.partition('0.00083 credits</summary><a href="')[2].partition('"')[0]
    assert "<h1>Receipt</h1>" in members.get(address).content.decode()


def test_each_row_of_the_usage_page_opens_to_its_receipt(members, alice):
    record = use(alice)
    shown = members.get("/settings/usage/?month=2025-11").content.decode()
    assert f'<a href="/settings/usage/{record.pk}/">' in shown
    assert "<b>0.001101600</b>" in shown
