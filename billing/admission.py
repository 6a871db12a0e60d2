"""The one door to an upstream call: no hold, no call."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from billing.errors import ContextTooLong, InsufficientCredits, NotPriced
from billing.models import Hold, Price
from billing.pricing import FREE, Rates, affordable, ceiling
from billing.services import current_prices, operations, wallet_of
from billing.statements import RESERVE, run
from providers import dialects
from providers.endpoints import Candidate, Endpoint, nowhere, places, to_try
from providers.errors import InvalidRequest, ModelNotFound, UpstreamUnavailable
from providers.models import Model
from providers.types import ChatRequest


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what for. The house pays for tests of the team's keys, which need no price."""

    user: User
    purpose: str = "chat"
    for_the_house: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """An open hold, and where the request may go."""

    hold: Hold
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A candidate with what it costs."""

    candidate: Candidate
    rates: Rates


@transaction.atomic
def admit(
    caller: Caller,
    model: Model,
    request: ChatRequest,
    *,
    subject: str,
    prompt_tokens: int,
    only: Sequence[Endpoint] | None = None,
) -> Admission:
    """Promise the most this request can cost, or raise why not: rights, then funds. Joins the caller's transaction.

    `prompt_tokens` is `providers.tokens.count_prompt` of the messages: counted before the transaction, since it takes
    its time. `subject` is "generation:<id>" or "request:<id>"; one subject is admitted once. `only` are the endpoints
    to use, also resting ones, where somebody looks at just those.
    """
    if only is None:
        priced = _to_try(_allowed(caller, model))
    else:
        priced = _priced(list(only), model, free_without_price=caller.for_the_house)
    offers = _fitting(priced, request, prompt_tokens)
    n = request.sampling.n
    margin = prompt_tokens + _template_margin(request)
    amount, dearest = max(
        ((ceiling(offer.rates, prompt=margin, completion=offer.candidate.max_tokens * n), offer) for offer in offers),
        key=itemgetter(0),
    )
    wallet = operations() if caller.for_the_house else wallet_of(caller.user)
    if not caller.for_the_house and not run(RESERVE, wallet=wallet.pk, amount=amount):
        wallet.refresh_from_db()
        tokens = affordable(dearest.rates, prompt=margin, available=wallet.available) // n
        raise InsufficientCredits(available=wallet.available, required=amount, affordable=tokens)
    hold = Hold.objects.create(
        wallet=wallet,
        subject=subject,
        amount=amount,
        prices={str(offer.candidate.endpoint.deployment.pk): offer.rates.as_json() for offer in offers},
        prompt_tokens=prompt_tokens,
        most_completion_tokens=max(offer.candidate.max_tokens * n for offer in offers),
        own_key=offers[0].candidate.endpoint.own_key,
    )
    return Admission(hold, tuple(offer.candidate for offer in offers))


def _allowed(caller: Caller, model: Model) -> list[tuple[Endpoint, Rates]]:
    """Where `model` can be asked now for no more than its first place costs, unless an admin allows that.

    The first place is the first that is set up and priced, also while its keys are out of use: that one of them was
    refused is no reason to pay more from then on.
    """
    if not Model.objects.usable_by(caller.user).filter(pk=model.pk).exists():
        raise ModelNotFound(f"{model.name} is not offered any more. Choose another model.", param="model")
    listed, now = places([model], caller.user).get(model.pk, []), timezone.now()
    if not any(endpoint.is_in_use(now) for endpoint in listed):
        raise nowhere(model, listed)
    priced = _priced(listed, model)
    usable = [(endpoint, rates) for endpoint, rates in priced if endpoint.is_in_use(now)]
    if not usable:
        raise NotPriced(model.name)
    shown = priced[0][1]
    allowed = [(endpoint, rates) for endpoint, rates in usable if model.dearer_fallback or rates.are_at_most(shown)]
    if not allowed:
        raise UpstreamUnavailable(
            f"Not sent: {model.name} can be reached only where it costs more just now, and that is not allowed. "
            "Ask an admin, or choose another model."
        )
    return allowed


def _priced(listed: list[Endpoint], model: Model, *, free_without_price: bool = False) -> list[tuple[Endpoint, Rates]]:
    """The endpoints that have a price, in order. Raises NotPriced when none has."""
    prices = current_prices([endpoint.deployment.pk for endpoint in listed])
    rates = [(endpoint, _rate(endpoint, prices.get(endpoint.deployment.pk))) for endpoint in listed]
    found = [(endpoint, rate or FREE) for endpoint, rate in rates if rate or free_without_price]
    if not found:
        raise NotPriced(model.name)
    return found


def _rate(endpoint: Endpoint, price: Price | None) -> Rates | None:
    if endpoint.own_key:
        return FREE
    # A demo price stands where no document names one: good for the simulated upstream, never for a real key.
    if price is None or (price.source == Price.Source.DEMO and not endpoint.simulated):
        return None
    return Rates(str(price.pk), price.input, price.output, price.cached_input, price.reasoning)


def _to_try(allowed: list[tuple[Endpoint, Rates]]) -> list[tuple[Endpoint, Rates]]:
    """What to try now, in order."""
    rates_of = {endpoint.deployment.pk: rates for endpoint, rates in allowed}
    return [(endpoint, rates_of[endpoint.deployment.pk]) for endpoint in to_try([each for each, _ in allowed])]


def _fitting(priced: list[tuple[Endpoint, Rates]], request: ChatRequest, prompt: int) -> list[Offer]:
    """The endpoints that can take this request, with the most output that can be asked of each."""
    lacking = {endpoint.deployment.pk: _lacking(endpoint, request) for endpoint, _ in priced}
    able = [(endpoint, rates) for endpoint, rates in priced if not lacking[endpoint.deployment.pk]]
    if not able:
        name = lacking[priced[0][0].deployment.pk][0]
        raise InvalidRequest(f"This model has no {name}: leave it out, or choose another model.", param=name)
    fitting = [
        Offer(Candidate(endpoint, most), rates)
        for endpoint, rates in able
        if (most := _effective_max_output(endpoint, request, prompt)) > 0
    ]
    if not fitting:
        raise ContextTooLong(prompt=prompt, context=max(endpoint.deployment.context_window for endpoint, _ in able))
    return fitting


def _lacking(endpoint: Endpoint, request: ChatRequest) -> list[str]:
    """What was asked for and this deployment would have to refuse."""
    if endpoint.deployment.drops_unsupported:
        return []
    return dialects.drop_unsupported(dialects.get(endpoint.deployment.dialect).Request, request)[1]


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
