"""The one way out: every hold closes here, once, and only what was used is charged."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import fail_points
from billing.models import Account, Hold, Transfer, UsageRecord, house_id
from billing.pricing import FREE, Rates, Tokens, charge
from billing.services import post
from billing.statements import CLOSE_HOLD, RELEASE, run
from providers import health
from providers.types import UsageReported


@dataclass(frozen=True, slots=True)
class Ending:
    """How an admitted request ended.

    `reported` is the upstream's own count, if it gave one; `counted` is ours, of the output so far (completion and
    reasoning: the prompt's count stands on the hold). Times in milliseconds.
    """

    outcome: UsageRecord.Outcome
    model_name: str
    counted: Tokens
    reported: UsageReported | None = None
    deployment: UUID | None = None
    simulated: bool = False
    attempts: list[dict[str, Any]] = field(default_factory=list)
    first_token_ms: int | None = None
    duration_ms: int = 0
    purpose: str = "chat"


@transaction.atomic
def close(subject: str, ending: Ending) -> UsageRecord | None:
    """Close the hold, charge what was used and record it; None when somebody else closed it first.

    Never more than the hold, never twice: the hold leaves `open` by one conditional UPDATE, and only the winner pays.
    """
    hold = Hold.objects.select_related("wallet").get(subject=subject)
    rates = _promised_rates(hold, ending.deployment)
    tokens, source = _billable(hold, rates, ending)
    cost = min(charge(rates, tokens), hold.amount)
    state = Hold.State.SETTLED if tokens != Tokens() else Hold.State.VOIDED
    if not run(CLOSE_HOLD, hold=hold.pk, state=state.value, charge=cost):
        return None
    if hold.wallet.kind == Account.Kind.WALLET:
        run(RELEASE, wallet=hold.wallet_id, amount=hold.amount, charge=cost)
    if cost:
        _post_charge(hold, cost)
    health.observe(ending.attempts)
    fail_points.reached("inside_settle")
    return _record(hold, ending, rates, tokens, source, cost)


def _promised_rates(hold: Hold, deployment: UUID | None) -> Rates:
    promised = hold.prices.get(str(deployment))
    return Rates(**promised) if promised else FREE


def _billable(hold: Hold, rates: Rates, ending: Ending) -> tuple[Tokens, str]:
    """What is paid for: nothing without output, the upstream's count where it can be true, else ours."""
    counted, reported = ending.counted, ending.reported
    if counted.completion == 0:
        return Tokens(), "counted"
    if reported and _plausible(hold, rates, reported):
        exact = Tokens(reported.prompt, reported.completion, reported.reasoning, reported.cached)
        return exact, "reported"
    completion = min(counted.completion, hold.most_completion_tokens)
    return Tokens(hold.prompt_tokens, completion, min(counted.reasoning, completion)), "counted"


def _plausible(hold: Hold, rates: Rates, usage: UsageReported) -> bool:
    # There is an answer here, so nought is no count of it.
    consistent = 0 <= usage.reasoning <= usage.completion > 0 and 0 <= usage.cached <= usage.prompt > 0
    allowed = usage.completion <= hold.most_completion_tokens
    tokens = Tokens(usage.prompt, usage.completion, usage.reasoning, usage.cached)
    return consistent and allowed and (hold.own_key or charge(rates, tokens) <= hold.amount)


def _post_charge(hold: Hold, cost: int) -> None:
    wanted = {
        "kind": Transfer.Kind.CHARGE,
        "debit_id": hold.wallet_id,
        "credit_id": house_id(Account.Kind.USAGE),
        "amount": cost,
        "subject": hold.subject,
    }
    post(key=f"charge:{hold.subject}", wanted=wanted)


def _record(hold: Hold, ending: Ending, rates: Rates, tokens: Tokens, source: str, cost: int) -> UsageRecord:
    reported = ending.reported
    return UsageRecord.objects.create(
        hold=hold,
        user_id=hold.wallet.user_id,
        subject=hold.subject,
        purpose=ending.purpose,
        model_name=ending.model_name,
        deployment_id=ending.deployment,
        price_id=rates.version or None,
        own_key=hold.own_key,
        simulated=ending.simulated,
        attempts=ending.attempts,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        reasoning_tokens=tokens.reasoning,
        cached_tokens=tokens.cached,
        source=source,
        raw_usage=reported and _raw(reported),
        upstream_cost=reported.estimated_cost if reported else None,
        charge=cost,
        first_token_ms=ending.first_token_ms,
        duration_ms=ending.duration_ms,
        outcome=ending.outcome,
    )


def _raw(usage: UsageReported) -> dict[str, int]:
    return {
        "prompt": usage.prompt,
        "completion": usage.completion,
        "reasoning": usage.reasoning,
        "cached": usage.cached,
    }
