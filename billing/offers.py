"""Where a model may be asked and at what price: one rule for what is shown and for what is charged."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.utils import timezone

from billing.errors import NotPriced
from billing.models import Price
from billing.pricing import FREE, Rates
from providers.endpoints import Endpoint, nowhere
from providers.errors import UpstreamUnavailable
from providers.models import Model

Priced = tuple[Endpoint, Rates]


def offers(model: Model, listed: Sequence[Endpoint], prices: Mapping[UUID, Price]) -> list[Priced]:
    """The endpoints of `places` that may be asked now, in order, for no more than the first place costs.

    An admin may allow dearer ones. The first place is the first that is set up and priced, also while its keys are out
    of use: that one of them was refused is no reason to pay more from then on. Raises a ChatsiteError that says why
    there is none.
    """
    now = timezone.now()
    if not any(endpoint.is_in_use(now) for endpoint in listed):
        raise nowhere(model, listed)
    found = priced(listed, prices)
    usable = [(endpoint, rates) for endpoint, rates in found if endpoint.is_in_use(now)]
    if not usable:
        raise NotPriced(model.name)
    first = found[0][1]
    allowed = [(endpoint, rates) for endpoint, rates in usable if model.dearer_fallback or rates.are_at_most(first)]
    if not allowed:
        raise UpstreamUnavailable(
            f"Not sent: {model.name} can be reached only where it costs more just now, and that is not allowed. "
            "Ask an admin, or choose another model."
        )
    return allowed


def priced(listed: Sequence[Endpoint], prices: Mapping[UUID, Price]) -> list[Priced]:
    """The endpoints that have a price, in order."""
    rates = [(endpoint, rates_at(endpoint, prices.get(endpoint.deployment.pk))) for endpoint in listed]
    return [(endpoint, rate) for endpoint, rate in rates if rate]


def rates_at(endpoint: Endpoint, price: Price | None) -> Rates | None:
    """What an endpoint costs; None while it has no price."""
    if endpoint.own_key:
        return FREE
    # A demo price stands where no document names one: good for the simulated upstream, never for a real key.
    if price is None or (price.source == Price.Source.DEMO and not endpoint.simulated):
        return None
    return Rates(str(price.pk), price.input, price.output, price.cached_input, price.reasoning)
