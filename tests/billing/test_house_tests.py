"""Tests of the team's keys: the house pays, no wallet moves, and the books stay sound."""

import pytest
from django.db import IntegrityError, connection, transaction

from billing import triggers
from billing.admission import Caller, admit
from billing.audit import audit
from billing.errors import InsufficientCredits, NotPriced
from billing.models import Account, Hold, Transfer, UsageRecord, house_id
from billing.pricing import Tokens
from billing.services import wallet_of
from billing.settlement import Ending, close
from billing.statements import RESERVE, run
from providers.endpoints import Endpoint
from providers.services import save_key
from providers.types import ChatMessage, ChatRequest, Sampling, UsageReported
from tests.factories import make_model

pytestmark = pytest.mark.django_db
Outcome = UsageRecord.Outcome
OPERATIONS = house_id("operations")
COUNTED = Tokens(completion=2)


@pytest.fixture
def endpoint(model):
    deployment = model.deployments.get()
    return Endpoint(deployment, save_key(deployment=deployment, plain="sk-team-0123456789-team"))


def admitted(user, endpoint, *, for_the_house=True, subject="test:1"):
    request = ChatRequest("m", (ChatMessage("user", "Hi"),), sampling=Sampling(max_tokens=16))
    caller = Caller(user, "test", for_the_house=for_the_house)
    return admit(caller, endpoint.deployment.model, request, subject=subject, prompt_tokens=10, only=[endpoint])


def ended(hold, **fields):
    (deployment,) = hold.prices
    values = {"counted": COUNTED, "deployment": deployment, "purpose": "test"} | fields
    return close(hold.subject, Ending(Outcome.DONE, "m", **values))


def broken(sql, *values):
    """What the audit says after a forbidden statement."""
    with triggers.suspended(connection), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return audit()


def test_the_house_pays_for_a_test_of_the_teams_key_at_its_price(alice, endpoint):
    hold = admitted(alice, endpoint).hold
    # 10 counted + 20 for an unknown chat template, at 400; 16 output tokens at 2,000
    assert (hold.wallet_id, hold.amount) == (OPERATIONS, 30 * 400 + 16 * 2000)
    assert audit() == []

    record = ended(hold, reported=UsageReported(12, 3))

    assert (record.user, record.purpose, record.charge) == (None, "test", 12 * 400 + 3 * 2000)
    transfer = Transfer.objects.get()
    assert (transfer.debit_id, transfer.credit.kind, transfer.amount) == (OPERATIONS, "usage", 10_800)
    assert not Account.objects.exclude(posted=0, held=0).exists()
    assert not Account.objects.filter(kind="wallet").exists()
    assert audit() == []


@pytest.mark.parametrize("priced", [{"input": None}, {"source": "demo"}])
def test_a_team_key_without_a_price_is_tested_for_nothing(alice, priced):
    deployment = make_model("unpriced", **priced).deployments.get()
    endpoint = Endpoint(deployment, save_key(deployment=deployment, plain="sk-team-0123456789-team"))

    record = ended(admitted(alice, endpoint).hold, reported=UsageReported(12, 3))

    assert (record.charge, record.price, record.completion_tokens) == (0, None, 3)
    assert audit() == []
    with pytest.raises(NotPriced):
        admitted(alice, endpoint, for_the_house=False, subject="test:2")


def test_a_members_own_key_is_tested_on_their_wallet_for_nothing(alice, model):
    deployment = model.deployments.get()
    endpoint = Endpoint(deployment, save_key(deployment=deployment, plain="sk-own-0123456789-mine", owner=alice))

    record = ended(admitted(alice, endpoint, for_the_house=False).hold, reported=UsageReported(12, 3))

    assert (record.user, record.own_key, record.charge) == (alice, True, 0)
    assert record.hold.wallet == wallet_of(alice)
    assert audit() == []


def test_without_credits_only_the_house_pays_for_the_teams_key(alice, endpoint):
    with pytest.raises(InsufficientCredits):
        admitted(alice, endpoint, for_the_house=False)
    assert admitted(alice, endpoint).hold.amount == 44_000


def test_a_test_that_said_nothing_costs_nothing(alice, endpoint):
    record = ended(admitted(alice, endpoint).hold, counted=Tokens())
    assert (record.charge, Hold.objects.get().state, Transfer.objects.count()) == (0, "voided", 0)
    assert audit() == []


def test_a_test_closes_once(alice, endpoint):
    hold = admitted(alice, endpoint).hold
    assert ended(hold)
    assert ended(hold) is None
    assert Transfer.objects.count() == 1


def test_nothing_can_be_promised_on_a_house_account(db):
    assert not run(RESERVE, wallet=OPERATIONS, amount=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.filter(pk=OPERATIONS).update(held=1)


def test_the_audit_finds_what_a_house_account_keeps_or_pays_beside_tests(alice, endpoint):
    hold = admitted(alice, endpoint).hold
    ended(hold)
    assert audit() == []

    said = broken("UPDATE billing_account SET posted = 5 WHERE kind = 'operations'")
    assert said == ["House account Operations: keeps posted 5 and held 0 instead of nothing."]
    Account.objects.filter(kind="operations").update(posted=0)

    Hold.objects.create(wallet_id=house_id("usage"), subject="test:2", amount=0)
    Hold.objects.create(wallet_id=OPERATIONS, subject="generation:2", amount=0)
    assert sorted(audit()) == [f"Hold {one}: the house pays for tests only." for one in ("generation:2", "test:2")]


def test_the_audit_finds_a_person_on_what_the_house_paid(alice, endpoint):
    ended(admitted(alice, endpoint).hold)
    pk = alice.pk.hex if connection.vendor == "sqlite" else alice.pk
    said = broken("UPDATE billing_usagerecord SET user_id = %s", pk)
    assert said == ["Usage test:1 names a person, but the house paid."]


def test_the_audit_finds_a_charge_that_another_account_paid(alice, endpoint):
    ended(admitted(alice, endpoint).hold)
    pk = house_id("write_off")
    said = broken("UPDATE billing_transfer SET debit_id = %s", pk.hex if connection.vendor == "sqlite" else pk)
    assert said == ["Charge charge:test:1 was not paid by its hold’s account to usage."]
