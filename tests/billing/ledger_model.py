"""The ledger once more, small and in memory, written from the rules in words and not from the code."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Nanocredits per million tokens."""

    input: int
    output: int
    cached_input: int | None
    reasoning: int | None

    def of(self, prompt, completion, reasoning, cached):
        """Exact, with its fractions of a nanocredit."""
        cached_input = self.input if self.cached_input is None else self.cached_input
        thought = self.output if self.reasoning is None else self.reasoning
        in_full = (prompt - cached) * self.input + (completion - reasoning) * self.output
        return Fraction(in_full + cached * cached_input + reasoning * thought, MILLION)

    def at_most(self, prompt, completion):
        dearest = (max(self.input, self.cached_input or 0), max(self.output, self.reasoning or 0))
        return ceil(Fraction(prompt * dearest[0] + completion * dearest[1], MILLION))


@dataclass
class Hold:
    owner: str
    amount: int
    price: Price
    prompt: int
    most: int
    state: str = "open"
    charge: int = 0

    def close(self, counted, reported):
        """`counted` is (completion, reasoning), `reported` (prompt, completion, reasoning, cached) or None."""
        if counted[0] == 0:
            self.state = "voided"
            return
        self.state = "settled"
        used = reported if reported and self._can_be_true(*reported) else self._own_count(*counted)
        self.charge = min(round(self.price.of(*used)), self.amount)

    def _can_be_true(self, prompt, completion, reasoning, cached):
        consistent = prompt > 0 and 0 <= cached <= prompt and 0 <= reasoning <= completion
        asked_for = 0 < completion <= self.most
        return consistent and asked_for and round(self.price.of(prompt, completion, reasoning, cached)) <= self.amount

    def _own_count(self, completion, reasoning):
        completion = min(completion, self.most)
        return self.prompt, completion, min(reasoning, completion), 0


@dataclass
class Ledger:
    granted: dict[str, int] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)

    def posted(self, owner):
        return self.granted[owner] - sum(hold.charge for hold in self.holds.values() if hold.owner == owner)

    def held(self, owner):
        return sum(hold.amount for hold in self.holds.values() if hold.owner == owner and hold.state == "open")

    def available(self, owner):
        return self.posted(owner) - self.held(owner)
