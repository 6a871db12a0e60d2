"""What tokens cost. Integers only, no ORM: nanocredits, and nanocredits per million tokens."""

from dataclasses import asdict, dataclass
from typing import Any

from billing.money import MILLION, divide_half_even


@dataclass(frozen=True, slots=True)
class Rates:
    """A price version as it stood when it was promised. None: cached input or reasoning costs what the rest costs."""

    version: str
    input: int
    output: int
    cached_input: int | None = None
    reasoning: int | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def are_at_most(self, other: "Rates") -> bool:
        """Whether nothing costs more than it does there."""
        return all(mine <= theirs for mine, theirs in zip(self.all_four(), other.all_four(), strict=True))

    def all_four(self) -> tuple[int, int, int, int]:
        """Input, output, cached input, reasoning, as they are charged."""
        cached = self.input if self.cached_input is None else self.cached_input
        return self.input, self.output, cached, self.output if self.reasoning is None else self.reasoning


FREE = Rates(version="", input=0, output=0)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Counts of one answer: `reasoning` is part of `completion`, `cached` is part of `prompt`."""

    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    cached: int = 0


def charge(rates: Rates, tokens: Tokens) -> int:
    """Nanocredits for these tokens, rounded half to even once."""
    cached_rate = rates.input if rates.cached_input is None else rates.cached_input
    reasoning_rate = rates.output if rates.reasoning is None else rates.reasoning
    total = (
        (tokens.prompt - tokens.cached) * rates.input
        + tokens.cached * cached_rate
        + (tokens.completion - tokens.reasoning) * rates.output
        + tokens.reasoning * reasoning_rate
    )
    return divide_half_even(total, MILLION)


def ceiling(rates: Rates, *, prompt: int, completion: int) -> int:
    """The most that `prompt` and at most `completion` tokens can cost: no discount, the dearest rate, rounded up."""
    dearest_input = max(rates.input, rates.cached_input or 0)
    dearest_output = max(rates.output, rates.reasoning or 0)
    return -(-(prompt * dearest_input + completion * dearest_output) // MILLION)


def affordable(rates: Rates, *, prompt: int, available: int) -> int:
    """How many output tokens `available` nanocredits cover after the prompt; 0 when none."""
    left = available * MILLION - prompt * max(rates.input, rates.cached_input or 0)
    dearest_output = max(rates.output, rates.reasoning or 0)
    return max(0, left // dearest_output) if dearest_output else 0
