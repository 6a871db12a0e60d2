"""Usage records for tests, written as rows, each with a hold that promised what was charged."""

from datetime import UTC, datetime, timedelta

from billing.models import Hold, Price, UsageRecord
from billing.services import wallet_of

NOW = datetime(2025, 11, 20, 14, 3, tzinfo=UTC)


def use(payer, **fields):
    """One record of 1,204 tokens in and 310 out at the first price there is; each one a minute older than the last."""
    price = Price.objects.earliest("effective_from")
    number = Hold.objects.count()
    subject = f"generation:{number}"
    rates = {name: getattr(price, name) for name in ("input", "output", "cached_input", "reasoning")}
    promised = {str(price.deployment_id): {"version": str(price.pk)} | rates}
    charge = fields.get("charge", 1_101_600)
    hold = Hold.objects.create(
        wallet=wallet_of(payer), subject=subject, amount=charge, settled=charge, state="settled", prices=promised
    )
    values = {
        "user": payer,
        "subject": subject,
        "model_name": "deepseek-v31-terminus",
        "purpose": "chat",
        "price": price,
        "deployment_id": price.deployment_id,
        "prompt_tokens": 1204,
        "completion_tokens": 310,
        "charge": 1_101_600,
        "outcome": "done",
        "created": NOW - timedelta(minutes=number),
    }
    return UsageRecord.objects.create(hold=hold, **values | fields)
