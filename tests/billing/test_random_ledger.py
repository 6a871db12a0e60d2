"""Whatever is admitted, closed, given and priced in whatever order, the ledger agrees with a small one in memory."""

import os
from itertools import count

import pytest
from django.db import transaction
from hypothesis import HealthCheck
from hypothesis import settings as plan
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from billing.admission import Caller, admit
from billing.audit import audit
from billing.errors import InsufficientCredits, KeyReused
from billing.models import Account, Hold, Transfer, UsageRecord
from billing.pricing import Tokens
from billing.services import grant, set_price
from billing.settlement import Ending, close
from providers.types import ChatMessage, ChatRequest, Sampling, UsageReported
from tests.billing import ledger_model
from tests.factories import make_model, make_user

RUNS = int(os.environ.get("SOAK_LEDGERS", "36"))
STEPS = 50
PEOPLE = ("alice", "bob")
CONTEXT, MOST = 10_000, 1_000
TEMPLATE = 20  # tokens that the margin for the chat template comes to with one message
# Everyday figures, the finest, the dearest, and nothing at all.
rates = st.sampled_from([0, 1, 333_333, 500_000, 400_000_000, 2_000_000_000, 10**12])
prices = st.builds(ledger_model.Price, rates, rates, st.none() | rates, st.none() | rates)
believable = st.integers(0, MOST)
# The last one is the most that a dialect lets through.
anything = believable | st.sampled_from([-(10**9), -1, MOST + 1, 10**9])


@st.composite
def good_reports(draw):
    prompt, completion = draw(st.integers(1, MOST)), draw(st.integers(1, MOST))
    return prompt, completion, draw(st.integers(0, completion)), draw(st.integers(0, prompt))


reports = st.none() | st.tuples(anything, anything, anything, anything) | good_reports()


@st.composite
def endings(draw):
    """An outcome, our count of completion and reasoning, and what the upstream reports."""
    completion = draw(st.sampled_from([0, 1]) | st.integers(1, 2 * MOST))
    counted = (completion, draw(st.integers(0, completion)))
    return draw(st.sampled_from(UsageRecord.Outcome)), counted, draw(reports)


class LedgerMachine(RuleBasedStateMachine):
    """Two people, one model; each run in a transaction that is rolled back."""

    open_holds, closed_holds, grants = Bundle("open_holds"), Bundle("closed_holds"), Bundle("grants")

    def __init__(self):
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.users = {name: make_user(f"{name}@example.org") for name in PEOPLE}
        self.model = make_model(
            dialect="deepinfra",  # it knows n
            base_url="https://api.deepinfra.com",
            input=400_000_000,
            output=2_000_000_000,
            context_window=CONTEXT,
            max_output=MOST,
        )
        self.deployment = self.model.deployments.get()
        self.price = ledger_model.Price(400_000_000, 2_000_000_000, None, None)
        self.ledger = ledger_model.Ledger(granted=dict.fromkeys(PEOPLE, 0))
        self.numbers = count()

    def teardown(self):
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @rule(target=grants, owner=st.sampled_from(PEOPLE), amount=st.integers(1, 10**7) | st.integers(10**9, 10**13))
    def give(self, owner, amount):
        key = f"grant:{next(self.numbers)}"
        grant(user=self.users[owner], amount=amount, reason="To try it", key=key)
        self.ledger.granted[owner] += amount
        return key, owner, amount

    @rule(given=grants)
    def give_again(self, given):
        key, owner, amount = given
        grant(user=self.users[owner], amount=amount, reason="To try it", key=key)

    @rule(given=grants)
    def give_another_amount_with_a_key_that_was_used(self, given):
        key, owner, amount = given
        with pytest.raises(KeyReused):
            grant(user=self.users[owner], amount=amount + 1, reason="To try it", key=key)

    @rule(price=prices)
    def change_the_price(self, price):
        figures = {name: getattr(price, name) for name in ("input", "output", "cached_input", "reasoning")}
        set_price(deployment=self.deployment, **figures)
        self.price = price

    @rule(
        target=open_holds,
        owner=st.sampled_from(PEOPLE),
        prompt=st.integers(1, CONTEXT - 1),
        asked=st.integers(1, 2 * MOST),
        n=st.sampled_from([1, 1, 2]),
        topped_up=st.booleans(),
    )
    def ask(self, owner, prompt, asked, n, topped_up):
        most = min(asked, MOST, CONTEXT - prompt) * n
        amount = self.price.at_most(prompt + TEMPLATE, most)
        subject = f"request:{next(self.numbers)}"
        request = ChatRequest(self.model.name, (ChatMessage("user", "Hi"),), sampling=Sampling(max_tokens=asked, n=n))
        if topped_up and (missing := amount - self.ledger.available(owner)) > 0:
            self.give(owner, missing)  # it just suffices
        caller, available = Caller(self.users[owner]), self.ledger.available(owner)
        if amount > available:
            with pytest.raises(InsufficientCredits) as refused:
                admit(caller, self.model, request, subject=subject, prompt_tokens=prompt)
            assert (refused.value.available, refused.value.required) == (available, amount)
            return multiple()
        assert admit(caller, self.model, request, subject=subject, prompt_tokens=prompt).hold.amount == amount
        self.ledger.holds[subject] = ledger_model.Hold(owner, amount, self.price, prompt, most)
        return subject

    @rule(target=closed_holds, subject=consumes(open_holds), ending=endings())
    def end(self, subject, ending):
        assert self._close(subject, ending)
        self.ledger.holds[subject].close(*ending[1:])
        return subject

    @rule(target=closed_holds, subject=consumes(open_holds), first=endings(), second=endings())
    def end_twice_at_once(self, subject, first, second):
        """The engine and the sweep both come to close it: who is second finds it closed."""
        self.end(subject, first)
        assert self._close(subject, second) is None
        return subject

    @rule(subject=closed_holds, ending=endings())
    def end_again(self, subject, ending):
        assert self._close(subject, ending) is None

    def _close(self, subject, ending):
        outcome, (completion, reasoning), reported = ending
        usage = reported and UsageReported(*reported)
        counted = Tokens(completion=completion, reasoning=reasoning)
        return close(subject, Ending(outcome, self.model.name, counted, usage, deployment=self.deployment.pk))

    @invariant()
    def every_wallet_is_as_it_should_be(self):
        rows = {row.user_id: row for row in Account.objects.filter(kind="wallet")}
        for name, user in self.users.items():
            row = rows.get(user.pk, Account())
            assert (row.posted, row.held) == (self.ledger.posted(name), self.ledger.held(name))
            assert row.available >= 0

    @invariant()
    def every_hold_is_closed_once_for_what_it_costs(self):
        holds = self.ledger.holds
        assert {(row.subject, row.amount, row.state, row.settled) for row in Hold.objects.all()} == {
            (subject, hold.amount, hold.state, hold.charge) for subject, hold in holds.items()
        }
        recorded = UsageRecord.objects.values_list("subject", "charge")
        assert sorted(recorded) == sorted((s, hold.charge) for s, hold in holds.items() if hold.state != "open")
        charged = Transfer.objects.filter(kind=Transfer.Kind.CHARGE).values_list("subject", "amount")
        assert sorted(charged) == sorted((s, hold.charge) for s, hold in holds.items() if hold.charge)

    @invariant()
    def the_audit_finds_nothing(self):
        assert audit() == []


@pytest.mark.django_db
def test_the_ledger_agrees_with_a_small_one_in_memory(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    run_state_machine_as_test(
        LedgerMachine,
        settings=plan(max_examples=RUNS, stateful_step_count=STEPS, deadline=None, suppress_health_check=HealthCheck),
    )
