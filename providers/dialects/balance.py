"""What is left on an account at an upstream, where the headers of an answer tell it."""

import re
from collections.abc import Mapping
from decimal import Decimal

# Plain digits: no sign, no exponent, nothing that is not a number, and nothing that a database could not hold.
CREDITS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,18})?")


def told_in(name: str, headers: Mapping[str, str]) -> Decimal | None:
    """The credits that the header of this lower-case name holds, or None if it holds no believable number."""
    value = next((value for header, value in headers.items() if header.lower() == name), "").strip()
    return Decimal(value) if CREDITS.fullmatch(value) else None


def remaining_credits(headers: Mapping[str, str]) -> Decimal | None:
    """None: this upstream does not tell."""
    return None
