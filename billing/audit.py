"""Checks every invariant of the ledger against its rows, in SQL, and says in words what is broken."""

from collections.abc import Iterator

from django.db import connection
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from billing import triggers
from billing.models import Account, Hold, Transfer, UsageRecord

CREDITING = [Transfer.Kind.GRANT, Transfer.Kind.TOP_UP, Transfer.Kind.REDEMPTION, Transfer.Kind.ADJUSTMENT]


def audit() -> list[str]:
    """One sentence per broken invariant; empty when the ledger is sound."""
    checks = (_balances, _holds, _charges, _usage, _house, _sources, _refunds, _append_only)
    return [problem for check in checks for problem in check()]


def _total(side: str) -> Coalesce:
    rows = Transfer.objects.filter(**{side: OuterRef("pk")}).order_by().values(side)
    return Coalesce(Subquery(rows.annotate(total=Sum("amount")).values("total")), 0)


def _balances() -> Iterator[str]:
    wallets = Account.objects.filter(kind=Account.Kind.WALLET)
    summed = wallets.annotate(sum_in=_total("credit"), sum_out=_total("debit"))
    for wallet in summed.exclude(posted=F("sum_in") - F("sum_out")):
        yield f"Wallet {wallet.pk}: posted is {wallet.posted}, its transfers add up to another amount."
    for account in wallets.filter(Q(held__lt=0) | Q(posted__lt=F("held"))):
        yield f"Wallet {account.pk}: posted {account.posted} does not cover held {account.held}."


def _holds() -> Iterator[str]:
    rows = Hold.objects.filter(wallet=OuterRef("pk"), state=Hold.State.OPEN).order_by().values("wallet")
    promised = Coalesce(Subquery(rows.annotate(total=Sum("amount")).values("total")), 0)
    wallets = Account.objects.filter(kind=Account.Kind.WALLET).annotate(promised=promised)
    for wallet in wallets.exclude(held=F("promised")):
        yield f"Wallet {wallet.pk}: held is {wallet.held}, its open holds add up to another amount."
    for hold in Hold.objects.filter(Q(settled__lt=0) | Q(settled__gt=F("amount"))):
        yield f"Hold {hold.subject}: settled {hold.settled} is outside 0 … {hold.amount}."


def _charges() -> Iterator[str]:
    charges = Transfer.objects.filter(kind=Transfer.Kind.CHARGE, subject=OuterRef("subject")).order_by()
    paid = Coalesce(Subquery(charges.values("subject").annotate(total=Sum("amount")).values("total")), 0)
    for hold in Hold.objects.annotate(paid=paid).exclude(settled=F("paid")):
        yield f"Hold {hold.subject}: settled {hold.settled}, but its charge says another amount."
    orphans = Transfer.objects.filter(kind=Transfer.Kind.CHARGE).exclude(subject__in=Hold.objects.values("subject"))
    for transfer in orphans:
        yield f"Charge {transfer.key} belongs to no hold."
    wallet = Subquery(Hold.objects.filter(subject=OuterRef("subject")).values("wallet")[:1])
    for transfer in (
        Transfer.objects.filter(kind=Transfer.Kind.CHARGE)
        .annotate(wallet=wallet)
        .exclude(debit=F("wallet"), credit__kind=Account.Kind.USAGE)
    ):
        yield f"Charge {transfer.key} was not paid by its hold’s account to usage."


def _usage() -> Iterator[str]:
    closed = Hold.objects.exclude(state=Hold.State.OPEN)
    for hold in closed.filter(usage=None):
        yield f"Hold {hold.subject} is closed without a usage record."
    for record in UsageRecord.objects.exclude(charge=F("hold__settled")):
        yield f"Usage {record.subject}: charge {record.charge} is not what its hold settled."
    for record in UsageRecord.objects.filter(hold__state=Hold.State.OPEN):
        yield f"Usage {record.subject} was written while its hold is open."


def _house() -> Iterator[str]:
    """House accounts cache no balance, and of them only `operations` pays: for tests, which are no person's usage."""
    for account in Account.objects.exclude(kind=Account.Kind.WALLET).exclude(posted=0, held=0):
        yield f"House account {account}: keeps posted {account.posted} and held {account.held} instead of nothing."
    tests = Q(wallet__kind=Account.Kind.OPERATIONS, subject__startswith="test:")
    for hold in Hold.objects.exclude(Q(wallet__kind=Account.Kind.WALLET) | tests):
        yield f"Hold {hold.subject}: the house pays for tests only."
    for record in UsageRecord.objects.exclude(user=None).filter(hold__wallet__user=None):
        yield f"Usage {record.subject} names a person, but the house paid."


def _sources() -> Iterator[str]:
    strange = Transfer.objects.filter(credit__kind=Account.Kind.WALLET).exclude(
        kind__in=[*CREDITING, Transfer.Kind.REFUND]
    )
    for transfer in strange:
        yield f"Transfer {transfer.key} of kind {transfer.kind} credits a wallet."
    for transfer in Transfer.objects.filter(kind__in=CREDITING, reason=""):
        yield f"Transfer {transfer.key} credits a wallet without a reason."
    for row in Transfer.objects.order_by().values("key").annotate(times=Count("pk")).filter(times__gt=1):
        yield f"Key {row['key']} stands for {row['times']} transfers."


def _refunds() -> Iterator[str]:
    refunds = Transfer.objects.filter(kind=Transfer.Kind.REFUND, subject=OuterRef("subject")).order_by()
    given_back = Coalesce(Subquery(refunds.values("subject").annotate(total=Sum("amount")).values("total")), 0)
    charges = Transfer.objects.filter(kind=Transfer.Kind.CHARGE).annotate(given_back=given_back)
    for transfer in charges.filter(given_back__gt=F("amount")):
        yield f"Charge {transfer.key}: more was refunded than charged."


def _append_only() -> Iterator[str]:
    for name in sorted(triggers.missing(connection)):
        yield f"Trigger {name} is missing: run manage.py migrate."
