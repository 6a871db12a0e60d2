"""Receipts: how a charge came about, in lines that add up to it exactly, and in words.

They are worked out from the usage record, its hold and its price, and from nothing else: no query, no clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from billing.models import UsageRecord
from billing.money import MILLION, divide_half_even, plain
from billing.pricing import Rates

Outcome = UsageRecord.Outcome

PURPOSES = {"chat": "Answer", "title": "Title", "test": "Key test", "api": "API request"}
SOURCES = {"counted": "counted here", "reported": "reported by upstream"}
ENDED_EARLY = {
    Outcome.STOPPED: "It was stopped before its end.",
    Outcome.FAILED: "The upstream failed in the middle.",
    Outcome.INTERRUPTED: "The site was stopped in the middle.",
}
PAID_EARLY = {
    Outcome.STOPPED: "The charge is for the prompt and for what had arrived.",
    Outcome.FAILED: "The charge is for the prompt and for what had arrived.",
    Outcome.INTERRUPTED: "The charge is for the prompt and for what had been saved.",
}
CAPPED = "More than was held"
UNEXPLAINED = "Not explained by these prices"
EMPTY = {
    Outcome.DONE: "Not one token came, so nothing is charged.",
    Outcome.STOPPED: "It was stopped before the first token, so nothing is charged.",
    Outcome.FAILED: "It failed before the first token, so nothing is charged.",
    Outcome.INTERRUPTED: "The site was stopped before a token was saved, so nothing is charged.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """`tokens` at `rate` (nanocredits per million) come to `amount`, in millionths of a nanocredit.

    A correction (rounding, or the hold as the most) has an amount only.
    """

    label: str
    amount: int
    tokens: int | None = None
    rate: int | None = None

    @property
    def credits(self) -> str:
        """The exact amount with nine decimals, or more where it is finer than a nanocredit."""
        return exact(self.amount)

    @property
    def price(self) -> str:
        """The rate in credits per million tokens; nothing for a correction."""
        return "" if self.rate is None else rate_words(self.rate)


@dataclass(frozen=True, slots=True)
class Receipt:
    """`words` is the calculation in one line. The lines' amounts add up to `charge` (nanocredits), always."""

    words: str
    lines: list[Line]
    sentences: list[str]
    charge: int

    @property
    def total(self) -> str:
        return exact(self.charge * MILLION)


def receipt(record: UsageRecord) -> Receipt:
    """The receipt of a record, which should come with its `hold` and `price`: they are read here."""
    rates = _rates(record)
    terms = _terms(record, rates) if rates else []
    lines = [*terms, *_corrections(record, terms)]
    return Receipt(_words(record, rates, terms), lines, list(_sentences(record, rates, lines)), record.charge)


def rate_words(rate: int) -> str:
    """Credits per million tokens, exact, with at least two decimals: 0.40."""
    whole, _, decimals = plain(rate).partition(".")
    return f"{int(whole):,}.{decimals.ljust(2, '0')}"


def exact(amount: int) -> str:
    """Millionths of a nanocredit as credits: 0.001101600."""
    whole, rest = divmod(abs(amount), 10**15)
    decimals = f"{rest:015d}".rstrip("0").ljust(9, "0")
    return f"{'−' if amount < 0 else ''}{whole:,}.{decimals}"


def is_empty(record: UsageRecord) -> bool:
    return record.prompt_tokens == record.completion_tokens == 0


def _rates(record: UsageRecord) -> Rates | None:
    """What was promised when the hold was placed; None when there was no price, or none was asked."""
    promised = record.hold.prices.get(str(record.deployment_id))
    if promised:
        return Rates(**promised) if promised.get("version") else None
    price = record.price
    return Rates(str(price.pk), price.input, price.output, price.cached_input, price.reasoning) if price else None


def _terms(record: UsageRecord, rates: Rates) -> list[Line]:
    """Tokens of each kind at what they cost. A kind without a price of its own is part of the whole."""
    cached = 0 if rates.cached_input is None else record.cached_tokens
    reasoning = 0 if rates.reasoning is None else record.reasoning_tokens
    kinds = [
        ("in", record.prompt_tokens - cached, rates.input),
        ("cached in", cached, rates.cached_input or 0),
        ("out", record.completion_tokens - reasoning, rates.output),
        ("reasoning", reasoning, rates.reasoning or 0),
    ]
    return [Line(label, tokens * rate, tokens, rate) for label, tokens, rate in kinds if tokens]


def _corrections(record: UsageRecord, terms: list[Line]) -> Iterator[Line]:
    """What lies between the sum of the terms and the charge."""
    total = sum(line.amount for line in terms)
    rounded = divide_half_even(total, MILLION)
    if rounded * MILLION != total:
        yield Line("Rounded to a nanocredit", rounded * MILLION - total)
    if record.charge != rounded:
        yield Line(CAPPED if _is_capped(record, rounded) else UNEXPLAINED, (record.charge - rounded) * MILLION)


def _is_capped(record: UsageRecord, rounded: int) -> bool:
    return record.charge == record.hold.amount < rounded


def _words(record: UsageRecord, rates: Rates | None, terms: list[Line]) -> str:
    if is_empty(record):
        return "no tokens; nothing is charged" if not record.charge else "no tokens"
    said = [f"{_calculation(record, terms)}{_parts(record, rates)}"]
    if record.own_key:
        said.append("your own key: nothing is charged here")
    elif not rates:
        said.append("without a price")
    elif record.price:
        said.append(f"price of {record.price.effective_from.astimezone(UTC):%Y-%m-%d}")
    return "; ".join([*said, SOURCES[record.source]])


def _calculation(record: UsageRecord, terms: list[Line]) -> str:
    if terms:
        return " + ".join(f"{term.tokens:,} {term.label} × {term.price}" for term in terms) + " per million"
    return f"{record.prompt_tokens:,} in + {record.completion_tokens:,} out"


def _parts(record: UsageRecord, rates: Rates | None) -> str:
    """Cached and reasoning tokens that cost what the rest costs, and so stand in no term of their own."""
    cached = record.cached_tokens if not rates or rates.cached_input is None else 0
    reasoning = record.reasoning_tokens if not rates or rates.reasoning is None else 0
    parts = [f"{tokens:,} {kind}" for tokens, kind in ((cached, "cached"), (reasoning, "reasoning")) if tokens]
    return f", of which {' and '.join(parts)}" if parts else ""


def _sentences(record: UsageRecord, rates: Rates | None, lines: list[Line]) -> Iterator[str]:
    yield from _who_paid(record)
    yield from _how_it_ended(record)
    if record.simulated:
        yield "The simulated upstream answered" + (", at the model’s price." if record.charge else ".")
    if not is_empty(record):
        yield from _why_these_figures(record, rates)
    labels = [line.label for line in lines]
    if CAPPED in labels:
        yield f"The tokens come to more than was held, {plain(record.hold.amount)} credits: nobody pays more than that."
    if UNEXPLAINED in labels:
        yield "The prices on record do not explain this charge. Show this receipt to an admin."


def _who_paid(record: UsageRecord) -> Iterator[str]:
    if record.purpose == "test":
        yield (
            "A test of a key, asked with one tiny request."
            if record.user_id
            else "A test of the team’s key: the house pays."
        )
    if record.own_key:
        yield "Your own key: nothing is charged here, and your provider bills you."
        if record.upstream_cost is not None:
            yield f"The provider reports a cost of {record.upstream_cost.normalize():f}."


def _how_it_ended(record: UsageRecord) -> Iterator[str]:
    outcome = Outcome(record.outcome)
    if is_empty(record):
        if not record.charge:
            yield EMPTY[outcome]
    elif outcome != Outcome.DONE:
        yield f"{ENDED_EARLY[outcome]} {PAID_EARLY[outcome]}" if record.charge else ENDED_EARLY[outcome]


def _why_these_figures(record: UsageRecord, rates: Rates | None) -> Iterator[str]:
    if record.source == "counted":
        yield "No usable count came from the upstream, so the tokens are counted here."
    if record.own_key or record.charge:
        return
    yield "The price is 0.00, so nothing is charged." if rates else "There was no price, so nothing is charged."
