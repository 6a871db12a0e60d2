"""`manage.py grant_credits EMAIL AMOUNT --reason TEXT`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from billing.models import Account
from billing.money import plain, to_nano
from billing.services import grant


class Command(BaseCommand):
    help = "Give credits to a person. AMOUNT is a decimal number of credits, such as 10 or 0.0105."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("amount")
        parser.add_argument("--reason", required=True, help="Why; kept with the grant for good.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError(f"Nobody here has the address {options['email']}.")
        grant(user=user, amount=_amount(options["amount"]), reason=_reason(options["reason"]))
        wallet = Account.objects.get(user=user)
        self.stdout.write(f"Granted. {user.email} has {plain(wallet.available)} credits available.")


def _amount(text: str) -> int:
    try:
        amount = to_nano(text)
    except ValueError as error:
        raise CommandError(f"AMOUNT: {error}") from error
    if amount <= 0:
        raise CommandError("AMOUNT must be more than 0.")
    return amount


def _reason(text: str) -> str:
    if not text.strip():
        raise CommandError("--reason must say why.")
    if len(text.strip()) > 300:
        raise CommandError("--reason takes at most 300 characters.")
    return text.strip()
