"""The one door to an upstream call: no hold, no call."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from uuid import UUID

from django.db import transaction

from accounts.models import User
from billing.errors import ContextTooLong, InsufficientCredits, NotPriced
from billing.models import Hold, Price
from billing.offers import Priced, offers, priced
from billing.pricing import FREE, Rates, affordable, ceiling
from billing.services import current_prices, operations, wallet_of
from billing.statements import RESERVE, run
from providers import dialects
from providers.endpoints import Candidate, Endpoint, places, to_try
from providers.errors import InvalidRequest, ModelNotFound
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
    choice = _to_try(_offered(caller, model)) if only is None else _only(caller, model, only)
    fitting = _fitting(choice, request, prompt_tokens)
    n = request.sampling.n
    margin = prompt_tokens + _template_margin(request)
    amount, dearest = max(
        ((ceiling(offer.rates, prompt=margin, completion=offer.candidate.max_tokens * n), offer) for offer in fitting),
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
        prices={str(offer.candidate.endpoint.deployment.pk): offer.rates.as_json() for offer in fitting},
        prompt_tokens=prompt_tokens,
        most_completion_tokens=max(offer.candidate.max_tokens * n for offer in fitting),
        own_key=fitting[0].candidate.endpoint.own_key,
    )
    return Admission(hold, tuple(offer.candidate for offer in fitting))


def _offered(caller: Caller, model: Model) -> list[Priced]:
    if not Model.objects.usable_by(caller.user).filter(pk=model.pk).exists():
        raise ModelNotFound(f"{model.name} is not offered any more. Choose another model.", param="model")
    listed = places([model], caller.user).get(model.pk, [])
    return offers(model, listed, _prices(listed))


def _prices(listed: Sequence[Endpoint]) -> dict[UUID, Price]:
    return current_prices([endpoint.deployment.pk for endpoint in listed])


def _only(caller: Caller, model: Model, listed: Sequence[Endpoint]) -> list[Priced]:
    """Just these, as they are; the house tests also what has no price yet."""
    found = priced(listed, _prices(listed))
    if not found and caller.for_the_house:
        return [(endpoint, FREE) for endpoint in listed]
    if not found:
        raise NotPriced(model.name)
    return found


def _to_try(allowed: list[Priced]) -> list[Priced]:
    """What to try now, in order."""
    rates_of = {endpoint.deployment.pk: rates for endpoint, rates in allowed}
    return [(endpoint, rates_of[endpoint.deployment.pk]) for endpoint in to_try([each for each, _ in allowed])]


def _fitting(choice: list[Priced], request: ChatRequest, prompt: int) -> list[Offer]:
    """The endpoints that can take this request, with the most output that can be asked of each."""
    lacking = {endpoint.deployment.pk: _lacking(endpoint, request) for endpoint, _ in choice}
    able = [(endpoint, rates) for endpoint, rates in choice if not lacking[endpoint.deployment.pk]]
    if not able:
        name = lacking[choice[0][0].deployment.pk][0]
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
