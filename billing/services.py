"""Every change of the ledger that is not a hold: wallets, transfers, grants, prices."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.ids import new_id
from accounts.models import User
from billing.errors import KeyReused
from billing.models import Account, Price, Transfer, house_id
from billing.money import to_nano
from billing.statements import CREDIT, run
from providers.models import Deployment


@transaction.atomic
def wallet_of(user: User) -> Account:
    """The wallet of `user`, made on first use with the starting credits."""
    wallet, created = Account.objects.get_or_create(kind=Account.Kind.WALLET, user=user)
    starting = to_nano(settings.STARTING_CREDITS)
    if created and starting:
        _credit(wallet, kind=Transfer.Kind.GRANT, amount=starting, key=f"starting:{user.pk}", reason="Starting credits")
        wallet.refresh_from_db()
    return wallet


def operations() -> Account:
    """The house account that pays for tests. It caches nothing, so nothing is reserved on it."""
    return Account.objects.get(pk=house_id(Account.Kind.OPERATIONS))


@transaction.atomic
def grant(*, user: User, amount: int, reason: str, actor: User | None = None, key: str | None = None) -> Transfer:
    """Give `amount` nanocredits to `user`. The same `key` gives once; with other parameters it is KeyReused."""
    if not reason.strip():
        raise ValueError("A grant needs a reason.")
    return _credit(
        wallet_of(user),
        kind=Transfer.Kind.GRANT,
        amount=amount,
        key=key or f"grant:{new_id()}",
        reason=reason.strip(),
        actor=actor,
    )


def _credit(wallet: Account, *, kind: str, amount: int, key: str, reason: str, actor: User | None = None) -> Transfer:
    wanted: dict[str, Any] = {
        "kind": kind,
        "debit_id": house_id(Account.Kind.GRANTS),
        "credit_id": wallet.pk,
        "amount": amount,
        "subject": f"wallet:{wallet.pk}",
        "reason": reason,
        "actor_id": actor and actor.pk,
    }
    posting, created = post(key=key, wanted=wanted)
    if created:
        run(CREDIT, wallet=wallet.pk, amount=amount)
    return posting


def post(*, key: str, wanted: dict[str, Any]) -> tuple[Transfer, bool]:
    """Write one transfer. A replayed key returns the first row and False; with other parameters it is KeyReused."""
    posting, created = Transfer.objects.get_or_create(key=key, defaults=wanted)
    if not created and any(getattr(posting, field) != value for field, value in wanted.items()):
        raise KeyReused(key)
    return posting, created


@transaction.atomic
def set_price(
    *,
    deployment: Deployment,
    input: int,
    output: int,
    cached_input: int | None = None,
    reasoning: int | None = None,
    source: str = Price.Source.ADMIN,
    reason: str = "",
    actor: User | None = None,
    effective_from: datetime | None = None,
) -> Price:
    """A new price version, in nanocredits per million tokens. Earlier versions stay as they are.

    None in force before now: a moment that is over is a ValueError, so that nothing is priced again.
    """
    # One at a time for each deployment; the moment is taken when it is our turn.
    Deployment.objects.select_for_update(no_key=True).values_list("pk").get(pk=deployment.pk)
    now = timezone.now()
    if effective_from and effective_from < now:
        raise ValueError("A price cannot begin in the past.")
    return Price.objects.create(
        deployment=deployment,
        input=input,
        output=output,
        cached_input=cached_input,
        reasoning=reasoning,
        source=source,
        reason=reason,
        actor=actor,
        effective_from=effective_from or now,
    )


def current_prices(deployments: list[UUID]) -> dict[UUID, Price]:
    """The price in force now for each of these deployments that has one. One query."""
    prices = Price.objects.filter(Q(deployment_id__in=deployments), effective_from__lte=timezone.now())
    newest_last = prices.order_by("effective_from", "id")
    return {price.deployment_id: price for price in newest_last}


def current_price(deployment: Deployment) -> Price | None:
    """The price in force now, if any."""
    return current_prices([deployment.pk]).get(deployment.pk)
