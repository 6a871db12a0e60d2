"""Which deployment and key serve a model now, and one request's way through them."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from accounts.models import User
from providers import dialects, vault
from providers.client import Target, get_client
from providers.errors import UpstreamError, UpstreamUnavailable
from providers.models import Deployment, Model, UpstreamKey
from providers.services import mark_key
from providers.threads import in_thread
from providers.types import ChatRequest, Event

# What a provider's answer says of the key itself; 402 and 406 are Segmind's and others' "no credit".
KEY_VERDICTS = {401: UpstreamKey.State.REFUSED, 402: UpstreamKey.State.BROKE, 406: UpstreamKey.State.BROKE}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A deployment with the key it is called with; without a key it is the simulated upstream."""

    deployment: Deployment
    key: UpstreamKey | None

    @property
    def simulated(self) -> bool:
        return self.key is None

    @property
    def own_key(self) -> bool:
        """Whether the member who asks pays the provider directly."""
        return self.key is not None and self.key.owner_id is not None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An admitted endpoint and the most output tokens that may be asked of it."""

    endpoint: Endpoint
    max_tokens: int

    def as_json(self) -> dict[str, Any]:
        """For a row: ids only."""
        key = self.endpoint.key
        return {
            "deployment": str(self.endpoint.deployment.pk),
            "key": key and str(key.pk),
            "max_tokens": self.max_tokens,
        }


def candidates_from(route: list[dict[str, Any]]) -> list[Candidate]:
    """The candidates of `Candidate.as_json`, in two queries; one whose deployment or key is gone by now is left out."""
    deployments = Deployment.objects.select_related("model").in_bulk([row["deployment"] for row in route])
    keys = UpstreamKey.objects.select_related("deployment").in_bulk([row["key"] for row in route if row["key"]])
    found = []
    for row in route:
        deployment = deployments.get(UUID(row["deployment"]))
        key = keys.get(UUID(row["key"])) if row["key"] else None
        if deployment and (key or not row["key"]):
            found.append(Candidate(Endpoint(deployment, key), row["max_tokens"]))
    return found


def endpoints_for(model: Model, user: User) -> list[Endpoint]:
    """Where `model` can be asked now for `user`, in order. Empty: nowhere."""
    return endpoints([model], user).get(model.pk, [])


def endpoints(models: Iterable[Model], user: User) -> dict[UUID, list[Endpoint]]:
    """The same for several models, in two queries."""
    deployments = list(Deployment.objects.filter(model__in=list(models), enabled=True).select_related("model"))
    keys = UpstreamKey.objects.filter(Q(owner=None) | Q(owner=user), deployment__in=deployments).order_by("created")
    by_deployment: dict[UUID, list[UpstreamKey]] = defaultdict(list)
    for key in keys.select_related("deployment"):
        by_deployment[key.deployment_id].append(key)
    found: dict[UUID, list[Endpoint]] = defaultdict(list)
    for deployment in deployments:
        found[deployment.model_id] += _endpoint(deployment, by_deployment[deployment.pk])
    return {model: _of_one_kind(listed) for model, listed in found.items()}


def _endpoint(deployment: Deployment, keys: list[UpstreamKey]) -> list[Endpoint]:
    # A member's own key never gives way to the team's: whoever brought one meant it, also when it is refused.
    keys = [key for key in keys if key.owner_id] or keys
    usable = [key for key in keys if key.state == UpstreamKey.State.GOOD and key.host == vault.host_of(deployment)]
    if usable:
        return [Endpoint(deployment, usable[0])]
    simulate = deployment.documented and not keys and settings.SIMULATOR_URL
    return [Endpoint(deployment, None)] if simulate else []


def _of_one_kind(listed: list[Endpoint]) -> list[Endpoint]:
    """A member's own keys alone, else the team's alone: failing over never changes who pays, or ends at a simulator."""
    own = [endpoint for endpoint in listed if endpoint.own_key]
    return own or [endpoint for endpoint in listed if not endpoint.simulated] or listed


class Route:
    """One request on its way: tries the candidates in order until one begins to answer, and remembers what it tried."""

    def __init__(self, candidates: Sequence[Candidate], request: ChatRequest) -> None:
        self.candidates = candidates
        self.request = request
        self.attempts: list[dict[str, Any]] = []
        self.serving: Candidate | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """The answer's events. Fails over only while nothing has been emitted; raises the last UpstreamError."""
        last: UpstreamError = UpstreamUnavailable("No deployment serves this model now. Choose another model.")
        for candidate in self.candidates:
            self.serving = candidate
            emitted = False
            try:
                async with aclosing(self._stream(candidate)) as events:
                    async for event in events:
                        emitted = True
                        yield event
            except UpstreamError as error:
                await self._note(candidate, error)
                if emitted:
                    raise
                last = error
            else:
                self.attempts.append(_attempt(candidate, "ok"))
                return
        raise last

    def _stream(self, candidate: Candidate) -> AsyncGenerator[Event, None]:
        dialect = dialects.get(candidate.endpoint.deployment.dialect)
        request = self.request
        if any(parameter.name == "max_tokens" for parameter in dialect.parameters()):
            request = replace(request, sampling=replace(request.sampling, max_tokens=candidate.max_tokens))
        return get_client().stream(target_of(candidate.endpoint), request)

    async def _note(self, candidate: Candidate, error: UpstreamError) -> None:
        self.attempts.append(_attempt(candidate, error.code, error.upstream_status, error.excerpt))
        verdict = KEY_VERDICTS.get(error.upstream_status or 0)
        if verdict and candidate.endpoint.key:
            await in_thread(mark_key)(key=candidate.endpoint.key, state=verdict)


def _attempt(candidate: Candidate, result: str, status: int | None = None, excerpt: str = "") -> dict[str, Any]:
    deployment = str(candidate.endpoint.deployment.pk)
    return {"deployment": deployment, "result": result, "status": status, "excerpt": excerpt}


def target_of(endpoint: Endpoint) -> Target:
    """Where and with what to call. The simulated upstream's address comes from the settings, never from a row."""
    deployment = endpoint.deployment
    key = vault.open_key(endpoint.key) if endpoint.key else "simulated"
    base_url = deployment.base_url if endpoint.key else settings.SIMULATOR_URL
    if not endpoint.key and deployment.dialect == "openai":
        base_url += "/v1"
    return Target(
        dialect=deployment.dialect,
        base_url=base_url,
        upstream_model=deployment.upstream_model,
        key=key,
        connect_timeout=deployment.connect_timeout,
        first_token_timeout=deployment.first_token_timeout,
        silence_timeout=deployment.silence_timeout,
    )
