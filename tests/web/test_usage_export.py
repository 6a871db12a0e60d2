"""The export: the same rows as CSV, exact, streamed, and harmless to open."""

import csv
from io import StringIO

import pytest
from asgiref.sync import async_to_sync

from billing.services import grant
from panel.usage_export import HEAD, harmless
from tests.web.usage import use

ADDRESS = "/settings/usage/export.csv"


@pytest.fixture
def members(async_client, alice, model):
    async_client.force_login(alice)
    return async_client


@async_to_sync
async def export(members, query=""):
    """The pieces as they were sent, and the rows by name."""
    response = await members.get(f"{ADDRESS}{query}")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    pieces = [piece.decode() async for piece in response.streaming_content]
    return response, pieces, list(csv.DictReader(StringIO("".join(pieces))))


def test_a_charge_and_a_grant_are_exported_exactly(members, alice):
    record = use(alice, source="reported", reasoning_tokens=180, cached_tokens=4, charge=123)
    given = grant(user=alice, amount=8_999_999_999_999_998, reason="To try it")
    response, _, (newest, oldest) = export(members)
    assert response.headers["Content-Disposition"] == 'attachment; filename="usage.csv"'
    assert (newest["kind"], newest["given_credits"], newest["charged_credits"]) == ("grant", "8999999.999999998", "")
    assert (newest["explanation"], newest["number"]) == ("To try it", str(given.pk))
    assert oldest.pop("explanation").startswith("1,204 in × 0.40 + 310 out × 2.00 per million, of which 4 cached and")
    assert oldest == {
        "time": "2025-11-20T14:03:00+00:00",
        "kind": "usage",
        "purpose": "Answer",
        "model": "deepseek-v31-terminus",
        "tokens_in": "1204",
        "cached_in": "4",
        "tokens_out": "310",
        "reasoning": "180",
        "source": "reported",
        "outcome": "done",
        "own_key": "no",
        "simulated": "no",
        "charged_credits": "0.000000123",
        "given_credits": "",
        "number": str(record.pk),
    }


def test_a_month_or_a_model_can_be_exported_alone(members, alice):
    use(alice, model_name="a")
    use(alice, model_name="b")
    grant(user=alice, amount=1, reason="Today")
    response, _, rows = export(members, "?month=2025-11")
    assert response.headers["Content-Disposition"] == 'attachment; filename="usage-2025-11.csv"'
    assert [row["model"] for row in rows] == ["a", "b"]
    assert [row["model"] for row in export(members, "?model=b")[2]] == ["b"]


def test_the_month_of_an_export_is_the_readers_until_the_last_row(members, alice, monkeypatch):
    monkeypatch.setattr("panel.usage_rows.BATCH", 1)
    members.cookies["tz"] = "Asia/Tokyo"
    for hour, name in ((14, "in November there"), (15, "in December there"), (13, "too")):
        use(alice, model_name=name, created=f"2025-11-30T{hour}:30:00+00:00")
    assert [row["model"] for row in export(members, "?month=2025-11")[2]] == ["in November there", "too"]


def test_it_is_sent_in_pieces_as_it_is_read(members, alice, monkeypatch):
    monkeypatch.setattr("panel.usage_rows.BATCH", 2)
    for number in range(5):
        use(alice, model_name=f"m{number}")
    _, pieces, rows = export(members)
    assert [piece.count("\r\n") for piece in pieces] == [1, 2, 2, 1]
    assert [row["model"] for row in rows] == ["m0", "m1", "m2", "m3", "m4"]


def test_only_ones_own_rows_are_exported(members, alice, bob):
    use(bob)
    grant(user=bob, amount=5, reason="Not hers")
    assert export(members)[2] == []
    assert export(members, "?model=deepseek-v31-terminus")[2] == []


def test_without_rows_there_is_a_head(members):
    assert export(members)[1] == [",".join(HEAD) + "\r\n"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "  =1", "\n=1"])  # noqa: RUF001
def test_a_name_or_a_reason_never_becomes_a_formula(members, alice, text):
    assert harmless(text) == f"'{text}"
    use(alice, model_name=text, purpose=text)
    grant(user=alice, amount=1, reason=f'{text}\n,"x"')
    given, used = export(members)[2]
    assert (used["model"], used["purpose"]) == (f"'{text}", f"'{text}")
    assert not given["explanation"].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_harmless_name_stays_as_it_is():
    assert harmless("deepseek-ai/DeepSeek-V3") == "deepseek-ai/DeepSeek-V3"
    assert harmless("") == ""
