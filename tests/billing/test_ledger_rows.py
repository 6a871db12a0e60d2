"""Each invariant that the database holds, tested by violating it."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing import triggers
from billing.errors import KeyReused
from billing.models import Account, Hold, Price, Transfer, house_id
from billing.services import current_price, grant, set_price, wallet_of

pytestmark = pytest.mark.django_db


def refused():
    return pytest.raises((IntegrityError, DatabaseError))


def test_a_grant_credits_the_wallet_and_says_why(alice):
    grant(user=alice, amount=10_500_000, reason="To try it")
    transfer = Transfer.objects.get()
    assert (transfer.kind, transfer.amount, transfer.reason) == ("grant", 10_500_000, "To try it")
    assert wallet_of(alice).available == 10_500_000


def test_a_replayed_key_gives_once_and_a_changed_one_is_an_error(alice):
    first = grant(user=alice, amount=5, reason="Once", key="k")
    assert grant(user=alice, amount=5, reason="Once", key="k") == first
    assert wallet_of(alice).posted == 5
    with pytest.raises(KeyReused):
        grant(user=alice, amount=6, reason="Once", key="k")


def test_a_wallet_is_made_once_with_the_starting_credits(alice, settings):
    settings.STARTING_CREDITS = "2.5"
    assert wallet_of(alice).posted == 2_500_000_000
    assert wallet_of(alice).posted == 2_500_000_000
    assert Transfer.objects.count() == 1


@pytest.mark.parametrize("values", [{"held": 1}, {"held": -1}, {"posted": -1}, {"posted": 9 * 10**15}])
def test_a_wallet_never_promises_what_it_has_not(alice, values):
    wallet = wallet_of(alice)
    with refused(), transaction.atomic():
        Account.objects.filter(pk=wallet.pk).update(**values)


def test_a_wallet_has_one_owner_and_a_house_account_none(alice):
    with refused(), transaction.atomic():
        Account.objects.create(kind="wallet")
    with refused(), transaction.atomic():
        Account.objects.create(kind="usage", user=alice)
    with refused(), transaction.atomic():
        Account.objects.create(kind="usage")  # there is one already


@pytest.mark.parametrize("amount", [0, -1, 9 * 10**15])
def test_a_transfer_moves_a_positive_amount(alice, amount):
    with refused(), transaction.atomic():
        Transfer.objects.create(
            kind="grant", debit_id=house_id("grants"), credit=wallet_of(alice), amount=amount, subject="s", key="k"
        )


def test_a_transfer_has_two_sides(alice):
    wallet = wallet_of(alice)
    with refused(), transaction.atomic():
        Transfer.objects.create(kind="grant", debit=wallet, credit=wallet, amount=1, subject="s", key="k")


@pytest.mark.parametrize(
    "values", [{"settled": 11}, {"settled": -1}, {"amount": -1}, {"state": "voided", "settled": 1}]
)
def test_a_hold_settles_within_its_amount(alice, values):
    hold = Hold.objects.create(wallet=wallet_of(alice), subject="request:1", amount=10)
    with refused(), transaction.atomic():
        Hold.objects.filter(pk=hold.pk).update(**values)


def test_a_price_is_never_negative(model):
    deployment = model.deployments.get()
    for values in ({"input": -1, "output": 0}, {"input": 0, "output": -1}, {"input": 0, "output": 0, "reasoning": -1}):
        with refused(), transaction.atomic():
            Price.objects.create(deployment=deployment, **values)


def test_a_new_price_is_a_new_version(model):
    deployment = model.deployments.get()
    newer = set_price(deployment=deployment, input=1, output=2)
    assert current_price(deployment) == newer
    assert Price.objects.count() == 2


def rows(alice, model):
    grant(user=alice, amount=5, reason="Once", key="k")
    return {"billing_transfer": Transfer.objects.get(), "billing_price": Price.objects.get()}


@pytest.mark.parametrize("table", ["billing_transfer", "billing_price"])
def test_ledger_rows_never_change(alice, model, table):
    row = rows(alice, model)[table]
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        type(row).objects.filter(pk=row.pk).update(id=house_id("elsewhere"))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        type(row).objects.filter(pk=row.pk).delete()


def test_a_ledger_table_cannot_be_truncated(alice, model):
    if connection.vendor != "postgresql":
        assert triggers.verbs(connection.vendor) == ("update", "delete")  # SQLite has no TRUNCATE
        return
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE billing_transfer CASCADE")
