"""Credits as integers: 1 credit is 10⁹ nanocredits. Nothing here knows a database."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

NANO = 10**9
MILLION = 10**6
# JSON numbers are exact up to 2⁵³; every amount stays below.
LIMIT = 9 * 10**15


def to_nano(credits: str | Decimal) -> int:
    """Nanocredits of a decimal number of credits; ValueError for what is not one, is too fine or too large."""
    try:
        exact = Decimal(credits) * NANO
        whole = int(exact)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ValueError(f"“{credits}” is not a number of credits. Write it like 10 or 0.0105.") from error
    if whole != exact:
        raise ValueError(f"{credits} credits is finer than a nanocredit: use at most nine decimals.")
    if abs(whole) >= LIMIT:
        raise ValueError(f"{credits} credits is more than one account can hold ({LIMIT // NANO:,}).")
    return whole


def to_credits(nano: int) -> Decimal:
    """The exact decimal number of credits, without trailing zeros."""
    return Decimal(nano).scaleb(-9).normalize() + 0


def plain(nano: int) -> str:
    """Credits as people write them: exact, plain digits, no exponent."""
    return f"{to_credits(nano):f}"


def divide_half_even(numerator: int, denominator: int) -> int:
    """Integer division, rounded half to even."""
    return int((Decimal(numerator) / denominator).to_integral_value(ROUND_HALF_EVEN))
