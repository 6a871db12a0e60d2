"""The one door to an upstream call: no hold, no call."""

from dataclasses import dataclass

from django.db import transaction

from accounts.models import User
from billing.errors import ContextTooLong, InsufficientCredits, NotPriced
from billing.models import Hold, Price
from billing.pricing import FREE, Rates, affordable, ceiling
from billing.services import current_prices, wallet_of
from billing.statements import RESERVE, run
from providers import dialects
from providers.errors import ModelNotFound, UpstreamUnavailable
from providers.models import Model
from providers.routing import Candidate, Endpoint, endpoints_for
from providers.types import ChatRequest


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what for."""

    user: User
    purpose: str = "chat"


@dataclass(frozen=True, slots=True)
class Admission:
    """An open hold, and where the request may go."""

    hold: Hold
    candidates: tuple[Candidate, ...]


@transaction.atomic
def admit(caller: Caller, model: Model, request: ChatRequest, *, subject: str, prompt_tokens: int) -> Admission:
    """Promise the most this request can cost, or raise why not: rights, then funds. Joins the caller's transaction.

    `prompt_tokens` is `providers.tokens.count_prompt` of the messages: counted before the transaction, since it takes
    its time. `subject` is "generation:<id>" or "request:<id>"; one subject is admitted once.
    """
    endpoints = _allowed_endpoints(caller, model)
    candidates = _fitting(endpoints, request, prompt_tokens)
    rates = _rates(candidates, model)
    n = request.sampling.n
    margin = prompt_tokens + _template_margin(request)
    most = max(candidate.max_tokens * n for candidate in candidates)
    amount, dearest = max(
        (ceiling(rate, prompt=margin, completion=candidate.max_tokens * n), index)
        for index, (candidate, rate) in enumerate(zip(candidates, rates, strict=True))
    )
    wallet = wallet_of(caller.user)
    if not run(RESERVE, wallet=wallet.pk, amount=amount):
        wallet.refresh_from_db()
        tokens = affordable(rates[dearest], prompt=margin, available=wallet.available) // n
        raise InsufficientCredits(available=wallet.available, required=amount, affordable=tokens)
    hold = Hold.objects.create(
        wallet=wallet,
        subject=subject,
        amount=amount,
        prices={
            str(candidate.endpoint.deployment.pk): rate.as_json()
            for candidate, rate in zip(candidates, rates, strict=True)
        },
        prompt_tokens=prompt_tokens,
        most_completion_tokens=most,
        own_key=candidates[0].endpoint.own_key,
    )
    return Admission(hold, candidates)


def _allowed_endpoints(caller: Caller, model: Model) -> list[Endpoint]:
    if not model.enabled:
        raise ModelNotFound(f"{model.name} is not offered any more. Choose another model.", param="model")
    found = endpoints_for(model, caller.user)
    if not found:
        raise UpstreamUnavailable(
            f"Not sent: {model.name} cannot be reached, because no working key is saved for it. "
            "Ask an admin, or choose another model."
        )
    return found


def _fitting(endpoints: list[Endpoint], request: ChatRequest, prompt: int) -> tuple[Candidate, ...]:
    fitting = tuple(
        Candidate(endpoint, most)
        for endpoint in endpoints
        if (most := _effective_max_output(endpoint, request, prompt)) > 0
    )
    if not fitting:
        raise ContextTooLong(prompt=prompt, context=max(e.deployment.context_window for e in endpoints))
    return fitting


def _effective_max_output(endpoint: Endpoint, request: ChatRequest, prompt: int) -> int:
    """The least of what was asked (or is documented as default), what the deployment gives, what the context leaves."""
    deployment = endpoint.deployment
    asked = request.sampling.max_tokens or _documented_default(deployment.dialect) or deployment.max_output
    return min(asked, deployment.max_output, deployment.context_window - prompt)


def _documented_default(dialect: str) -> int | None:
    defaults = (p.default for p in dialects.get(dialect).parameters() if p.name == "max_tokens")
    return next((int(default) for default in defaults if default), None)


def _template_margin(request: ChatRequest) -> int:
    """Tokens that an upstream's chat template may add to what we count."""
    return 16 + 4 * len(request.messages)


def _rates(candidates: tuple[Candidate, ...], model: Model) -> list[Rates]:
    prices = current_prices([candidate.endpoint.deployment.pk for candidate in candidates])
    return [_rate(candidate.endpoint, prices.get(candidate.endpoint.deployment.pk), model) for candidate in candidates]


def _rate(endpoint: Endpoint, price: Price | None, model: Model) -> Rates:
    if endpoint.own_key:
        return FREE
    # A demo price stands where no document names one: good for the simulated upstream, never for a real key.
    if price is None or (price.source == Price.Source.DEMO and not endpoint.simulated):
        raise NotPriced(model.name)
    return Rates(str(price.pk), price.input, price.output, price.cached_input, price.reasoning)
