"""Receipts in templates."""

from django import template

from billing import receipts
from billing.models import UsageRecord

register = template.Library()


@register.filter
def receipt(record: UsageRecord) -> receipts.Receipt:
    """The receipt of a record that came with its `hold` and `price`."""
    return receipts.receipt(record)


@register.filter
def purpose(record: UsageRecord) -> str:
    """What the request was for, in words."""
    return receipts.PURPOSES.get(record.purpose, record.purpose)
