"""Who pays when an answer ends, and that it ends once."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from billing import triggers
from billing.audit import audit
from billing.models import Account, Hold, Transfer, UsageRecord
from billing.pricing import Tokens
from billing.services import grant, set_price, wallet_of
from billing.settlement import Ending, close
from providers.services import save_key
from providers.types import UsageReported
from tests.billing.test_admission import ask
from tests.canary import CANARY

pytestmark = pytest.mark.django_db
Outcome = UsageRecord.Outcome


@pytest.fixture
def hold(alice, model, settings):
    """Alice has 1 credit, of which 0.00824 is promised for 100 counted prompt tokens and up to 4,096 of output."""
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    grant(user=alice, amount=10**9, reason="To try it")
    return ask(alice, model).hold


COUNTED = Tokens(completion=50, reasoning=20)


def end(hold, outcome=Outcome.DONE, counted=COUNTED, reported=None, **fields):
    (deployment,) = hold.prices
    return close(hold.subject, Ending(outcome, "m", counted, reported, deployment=deployment, **fields))


def test_a_finished_answer_costs_what_the_upstream_reports(alice, hold):
    usage = end(hold, reported=UsageReported(15, 250, reasoning=180, estimated_cost=Decimal("0.0003")))
    assert usage.charge == 15 * 400 + 250 * 2000 == 506_000
    assert (usage.source, usage.reasoning_tokens, usage.upstream_cost) == ("reported", 180, Decimal("0.0003"))
    assert wallet_of(alice).posted == 10**9 - 506_000
    assert wallet_of(alice).held == 0
    assert Hold.objects.get().state == "settled"
    assert audit() == []


@pytest.mark.parametrize(
    "nonsense",
    [
        UsageReported(-1, 5),
        UsageReported(5, -1),
        UsageReported(15, 4097),
        UsageReported(10**9, 1),
        UsageReported(15, 20, reasoning=21),
        UsageReported(15, 20, cached=16),
        UsageReported(15, 0),
        UsageReported(0, 5),
        None,
    ],
)
def test_no_report_or_a_nonsensical_one_is_replaced_by_our_count(hold, nonsense):
    usage = end(hold, reported=nonsense)
    assert (usage.source, usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens) == (
        "counted",
        100,
        50,
        20,
    )
    assert usage.charge == 100 * 400 + 50 * 2000


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.FAILED, Outcome.INTERRUPTED])
def test_what_ended_early_pays_for_what_was_made(hold, outcome):
    usage = end(hold, outcome)
    assert (usage.outcome, usage.charge) == (outcome, 140_000)


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.STOPPED, Outcome.FAILED, Outcome.INTERRUPTED])
def test_an_empty_answer_is_free(alice, hold, outcome):
    usage = end(hold, outcome, counted=Tokens(), reported=UsageReported(15, 0))
    assert usage.charge == 0
    assert Hold.objects.get().state == "voided"
    assert wallet_of(alice).available == 10**9
    assert not Transfer.objects.filter(kind="charge").exists()
    assert audit() == []


def test_no_charge_is_above_the_hold(alice, hold):
    usage = end(hold, counted=Tokens(completion=100_000))
    assert usage.charge <= hold.amount
    assert usage.completion_tokens == 4096


def test_a_hold_closes_once(alice, hold):
    assert end(hold).charge == 140_000
    assert end(hold, counted=Tokens(completion=99)) is None
    assert wallet_of(alice).posted == 10**9 - 140_000
    assert UsageRecord.objects.count() == Transfer.objects.filter(kind="charge").count() == 1


def test_a_new_price_does_not_reach_an_open_hold(hold, model):
    set_price(deployment=model.deployments.get(), input=10**12, output=10**12)
    assert end(hold).charge == 140_000


def test_an_own_key_costs_no_credits_and_is_recorded(alice, model, settings):
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-own", owner=alice)
    usage = end(ask(alice, model).hold, reported=UsageReported(15, 250, estimated_cost=Decimal("0.01")))
    assert (usage.charge, usage.own_key, usage.completion_tokens) == (0, True, 250)
    assert usage.upstream_cost == Decimal("0.01")


def test_usage_records_never_change(hold):
    usage = end(hold)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        UsageRecord.objects.filter(pk=usage.pk).update(charge=1)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        usage.delete()


def test_the_audit_finds_a_wrong_balance_and_a_wrong_hold(alice, hold):
    Account.objects.filter(user=alice).update(posted=10**9 + 1)
    assert [problem.partition(":")[2] for problem in audit()] == [
        " posted is 1000000001, its transfers add up to another amount."
    ]
    Account.objects.filter(user=alice).update(posted=10**9, held=0)
    assert "open holds add up to another amount" in audit()[0]


def test_the_audit_finds_a_charge_nobody_recorded(alice, hold):
    Hold.objects.update(state="settled", settled=5)
    Account.objects.filter(user=alice).update(held=0)
    assert len(audit()) == 2  # no transfer says 5, and no usage record was written


def test_the_audit_finds_a_missing_trigger():
    with connection.cursor() as cursor:
        on = " ON billing_transfer" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER billing_transfer_no_update{on}")
    assert audit() == ["Trigger billing_transfer_no_update is missing: run manage.py migrate."]
    triggers.install(connection)
    assert audit() == []


def test_the_commands_grant_and_audit(alice, capsys):
    call_command("grant_credits", "Alice@example.org", "0.0105", reason="To try it")
    call_command("audit_ledger")
    said = capsys.readouterr().out
    assert "alice@example.org has 0.0105 credits available" in said
    assert "The ledger is sound." in said


@pytest.mark.parametrize(
    ("email", "amount", "reason"),
    [("nobody@example.org", "1", "x"), ("alice@example.org", "-1", "x"), ("alice@example.org", "ten", "x")]
    + [("alice@example.org", "1", " ")],
)
def test_a_wrong_grant_is_refused_and_changes_nothing(alice, email, amount, reason):
    with pytest.raises(CommandError):
        call_command("grant_credits", email, amount, reason=reason)
    assert not Transfer.objects.exists()


def test_the_audit_command_fails_on_a_broken_ledger(alice, hold):
    Account.objects.filter(user=alice).update(posted=1 + 10**9)
    with pytest.raises(SystemExit) as ended:
        call_command("audit_ledger")
    assert ended.value.code == 1
