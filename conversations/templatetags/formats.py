"""Numbers as people read them: credits, tokens, prices, durations. The exact value belongs in the title."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from django import template

from billing.money import plain, to_credits

register = template.Library()


@register.filter
def credits(nano: int) -> str:
    """A charge to the first two digits that matter: 0.00083, 0.012, 3.4; nothing is 0."""
    exact = to_credits(nano)
    if not exact:
        return "0"
    places = max(2, 1 - exact.adjusted())
    rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return _trimmed(rounded, at_least=2 if exact >= 1 else 0)


@register.filter
def balance(nano: int) -> str:
    """What is left, never rounded up: two decimals or four, so that every answer shows."""
    four = f"{to_credits(nano).quantize(Decimal('0.0001'), ROUND_DOWN):,f}"
    return four.removesuffix("00")


def _trimmed(number: Decimal, at_least: int) -> str:
    whole, _, decimals = f"{number:,f}".partition(".")
    decimals = decimals.rstrip("0").ljust(at_least, "0")
    return f"{whole}.{decimals}" if decimals else whole


@register.filter
def exact_credits(nano: int) -> str:
    """Every digit the ledger has."""
    return f"{plain(nano)} credits"


@register.filter
def price(nano: int) -> str:
    """Credits per million tokens, exact, with at least two decimals: 0.40."""
    return _trimmed(to_credits(nano), at_least=2)


@register.filter
def count(number: int) -> str:
    """1,234."""
    return f"{number:,}"


@register.filter
def context_size(tokens: int) -> str:
    """How much a model reads: 128K, 16K, 900."""
    return f"{tokens // 1000:,}K" if tokens >= 1000 else str(tokens)


@register.filter
def duration(seconds: float) -> str:
    """12 s, 2 min 5 s; less than a second is 1 s."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
