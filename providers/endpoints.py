"""Where a model can be asked now: which deployments, with whose keys, in which order."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from random import SystemRandom
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from providers import vault
from providers.client import Target
from providers.errors import UpstreamUnavailable
from providers.models import Deployment, Model, Resting, UpstreamKey

_lots = SystemRandom()
# Sent in the place of a key to the simulated upstream, which wants some key.
STAND_IN = "no-key-is-saved"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A deployment with the key it is called with, if it wants one; without it is the simulated upstream."""

    deployment: Deployment
    key: UpstreamKey | None

    @property
    def simulated(self) -> bool:
        return self.key is None and self.deployment.needs_key

    @property
    def own_key(self) -> bool:
        """Whether the member who asks pays the provider directly."""
        return self.key is not None and self.key.owner_id is not None

    @property
    def patience(self) -> Resting | None:
        """What rests after failures: the key, else the deployment. The simulated upstream never does."""
        return None if self.simulated else self.key or self.deployment

    def is_in_use(self, now: datetime) -> bool:
        """Whether it is worth a call. A key without credit gets another chance when its pause is over."""
        key = self.key
        if key is None:
            return True
        tried_again = key.state == UpstreamKey.State.BROKE and not key.is_resting(now)
        return (key.state == UpstreamKey.State.GOOD or tried_again) and key.host == vault.host_of(self.deployment)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An admitted endpoint and the most output tokens that may be asked of it."""

    endpoint: Endpoint
    max_tokens: int

    def as_json(self) -> dict[str, Any]:
        """For a row: no secret."""
        key = self.endpoint.key
        return {
            "deployment": str(self.endpoint.deployment.pk),
            "key": key and str(key.pk),
            "max_tokens": self.max_tokens,
            "simulated": self.endpoint.simulated,
        }


def candidates_from(route: list[dict[str, Any]]) -> list[Candidate]:
    """The candidates of `Candidate.as_json`, in two queries.

    Left out is one whose deployment or key is gone by now, or which would be simulated and was not, or the reverse.
    """
    deployments = Deployment.objects.select_related("model").in_bulk([row["deployment"] for row in route])
    keys = UpstreamKey.objects.select_related("deployment").in_bulk([row["key"] for row in route if row["key"]])
    found = []
    for row in route:
        deployment = deployments.get(UUID(row["deployment"]))
        key = keys.get(UUID(row["key"])) if row["key"] else None
        if deployment and (key or not row["key"]):
            endpoint = Endpoint(deployment, key)
            if endpoint.simulated == row.get("simulated", endpoint.simulated):
                found.append(Candidate(endpoint, row["max_tokens"]))
    return found


def endpoints_for(model: Model, user: User) -> list[Endpoint]:
    """Where `model` can be asked for `user`, in order, those that rest included. Empty: nowhere."""
    return endpoints([model], user).get(model.pk, [])


def endpoints(models: Iterable[Model], user: User | None) -> dict[UUID, list[Endpoint]]:
    """The same for several models, in two queries; without a user, with the team's keys alone."""
    now = timezone.now()
    listed = places([*models], user)
    return {model: [endpoint for endpoint in found if endpoint.is_in_use(now)] for model, found in listed.items()}


def places(models: Sequence[Model], user: User | None) -> dict[UUID, list[Endpoint]]:
    """Every place that is set up for these models and this person, in order, also with keys that are out of use now.

    A person's own keys alone, else the team's, else the simulated upstream: what is set up decides, not what works,
    so that a key that fails never changes who pays, and never ends at a simulator.
    """
    deployments = Deployment.objects.filter(model__in=models, enabled=True).select_related("model")
    keys = UpstreamKey.objects.filter(Q(owner=None) | Q(owner=user), deployment__model__in=models)
    by_model: dict[UUID, list[UpstreamKey]] = defaultdict(list)
    for key in keys.order_by("created", "pk").select_related("deployment"):
        by_model[key.deployment.model_id].append(key)
    listed: dict[UUID, list[Deployment]] = defaultdict(list)
    for deployment in deployments:
        listed[deployment.model_id].append(deployment)
    return {model: _places(found, by_model[model]) for model, found in listed.items()}


def _places(deployments: list[Deployment], keys: list[UpstreamKey]) -> list[Endpoint]:
    # Also at a place that is switched off: whoever brought a key meant it.
    own = [key for key in keys if key.owner_id and key.deployment.needs_key]
    if own:
        return _with_keys(deployments, own)
    teams = [key for key in keys if not key.owner_id and key.deployment.needs_key]
    found = [
        endpoint
        for each in deployments
        for endpoint in (_with_keys([each], teams) if each.needs_key else [Endpoint(each, None)])
    ]
    if teams or found or not settings.SIMULATOR_URL:
        return found
    return [Endpoint(each, None) for each in deployments if each.documented]


def _with_keys(deployments: list[Deployment], keys: list[UpstreamKey]) -> list[Endpoint]:
    return [Endpoint(each, key) for each in deployments for key in keys if key.deployment_id == each.pk]


def nowhere(model: Model, listed: Sequence[Endpoint]) -> UpstreamUnavailable:
    """Why none of these places, all out of use, can be asked: in words for the person who wanted to."""
    key = next((endpoint.key for endpoint in listed if endpoint.own_key), None)
    where = "under Settings → Provider keys"
    match key and key.state:
        case None:
            why = f"{model.name} cannot be reached, because no working key is saved for it"
            what = "Ask an admin, or choose another model"
        case UpstreamKey.State.REFUSED:
            why, what = (
                f"the provider refuses your own key for {model.name}",
                f"Save another {where}, or remove it there",
            )
        case UpstreamKey.State.BROKE:
            why = f"your own key for {model.name} is out of credit at the provider"
            what = f"Top it up there and save it again {where}, or remove it"
        case _:
            why, what = f"{model.name} is served at another address now", f"Save your own key again {where}"
    return UpstreamUnavailable(f"Not sent: {why}. {what}.", sent=False)


def to_try(listed: Sequence[Endpoint]) -> list[Endpoint]:
    """The endpoints to try now: each deployment's keys share the load, what failed just now comes last.

    What its provider asked to leave alone is left out. Raises UpstreamUnavailable when that leaves nothing.
    """
    now = timezone.now()
    order = list(dict.fromkeys(endpoint.deployment.pk for endpoint in listed))
    shuffled = sorted(listed, key=lambda endpoint: (order.index(endpoint.deployment.pk), _lots.random()))
    awake = [endpoint for endpoint in shuffled if _rest(endpoint, now) == ""]
    failed = [endpoint for endpoint in shuffled if _rest(endpoint, now) == Resting.Rest.FAILED]
    if listed and not awake and not failed:
        raise resting(listed, now)
    return awake + failed


def _rest(endpoint: Endpoint, now: datetime) -> str:
    patience = endpoint.patience
    return patience.rest if patience and patience.is_resting(now) else ""


def resting(listed: Sequence[Endpoint], now: datetime) -> UpstreamUnavailable:
    """The refusal while every endpoint rests, with the seconds until the first may be asked again."""
    ends = [endpoint.patience.resting_until for endpoint in listed if endpoint.patience]
    seconds = max(1, ceil(min((end - now).total_seconds() for end in ends if end)))
    name = listed[0].deployment.model.name
    return UpstreamUnavailable(
        f"Not sent: the provider of {name} asked for a pause. Try again in {seconds} s, or choose another model.",
        retry_after=seconds,
        sent=False,
    )


def target_of(endpoint: Endpoint) -> Target:
    """Where and with what to call. The simulated upstream's address comes from the settings, never from a row.

    Raises UpstreamUnavailable when the key cannot be opened, or belongs to another host by now.
    """
    deployment = endpoint.deployment
    base_url = settings.SIMULATOR_URL if endpoint.simulated else deployment.base_url
    if endpoint.simulated and deployment.dialect == "openai":
        base_url += "/v1"
    return Target(
        dialect=deployment.dialect,
        base_url=base_url,
        upstream_model=deployment.upstream_model,
        key=_key_for(endpoint),
        connect_timeout=deployment.connect_timeout,
        first_token_timeout=deployment.first_token_timeout,
        silence_timeout=deployment.silence_timeout,
    )


def _key_for(endpoint: Endpoint) -> str:
    if endpoint.key is None:
        return STAND_IN if endpoint.simulated else ""
    try:
        return vault.open_key(endpoint.key, endpoint.deployment)
    except ImproperlyConfigured as error:
        # One key that the operator's settings cannot open: the others may still serve.
        problem = UpstreamUnavailable(
            "The saved key cannot be read any more. An administrator has to look at it.", excerpt=str(error), sent=False
        )
    raise problem
