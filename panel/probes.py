"""Signs of life from deployments that nobody has used just now, so that the pages know how they are. Free of charge."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urljoin
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from providers import health
from providers.client import Target, get_client
from providers.dialects import openai
from providers.endpoints import Endpoint, endpoints, target_of
from providers.errors import Busy, UpstreamError
from providers.models import Deployment, Observation, Resting, UpstreamKey
from providers.patience import mark_key

# All of them at once, so that the whole round ends in time for a stop (`chatsite.schedule.STOP_LIMIT`).
PROBE_SECONDS = 4.0
FRESH_FOR = timedelta(seconds=55)  # a little less than a minute: a round a minute must not miss by a hair
REFUSED = 401
# A server that has no list of models is none the worse for it.
NO_SUCH_PAGE = {404, 405, 501}
Place = tuple[str, str]  # an address, and the key that is sent there, if any


@dataclass(frozen=True, slots=True)
class Sign:
    """What a probe found: how long it took, or what was wrong, in words."""

    latency_ms: int | None = None
    problem: str = ""
    status: int | None = None


def probe_all() -> int:
    """Probe what could serve somebody and was not heard of for a minute; how many deployments that were.

    Blocks for at most about five seconds. Not for a thread that has a running event loop.
    """
    targets, due = _targets(_due())
    signs = asyncio.run(_signs(targets)) if targets else {}
    with transaction.atomic():
        for place, sign in signs.items():
            for endpoint in due[place]:
                _note(endpoint, sign)
    return sum(map(len, due.values()))


def _due() -> list[Endpoint]:
    """One endpoint of each such deployment: with the team's key, without any, or simulated."""
    recent = Observation.objects.filter(deployment=OuterRef("pk"), at__gt=timezone.now() - FRESH_FOR)
    unheard = Deployment.objects.filter(~Exists(recent), enabled=True, model__enabled=True)
    stale = {deployment.pk: deployment.model for deployment in unheard.select_related("model")}
    found: dict[UUID, Endpoint] = {}
    for listed in endpoints(set(stale.values()), None).values():
        for endpoint in listed:
            if endpoint.deployment.pk in stale and _may_be_asked(endpoint):
                found.setdefault(endpoint.deployment.pk, endpoint)
    return list(found.values())


def _may_be_asked(endpoint: Endpoint) -> bool:
    """Whoever asked for a pause is left alone."""
    row = endpoint.patience
    return row is None or row.rest != Resting.Rest.ASKED or not row.is_resting(timezone.now())


def _targets(due: Iterable[Endpoint]) -> tuple[dict[Place, Target], dict[Place, list[Endpoint]]]:
    """Where to ask, and for which endpoints: a host that serves several models is asked once."""
    targets: dict[Place, Target] = {}
    asked_for: dict[Place, list[Endpoint]] = defaultdict(list)
    for endpoint in due:
        try:
            target = target_of(endpoint)
        except UpstreamError as error:
            _note(endpoint, Sign(problem=error.message))
            continue
        with_key = target.dialect == openai.NAME
        place = (target.base_url, target.key) if with_key else (urljoin(target.base_url, "/"), "")
        targets.setdefault(place, target)
        asked_for[place].append(endpoint)
    return targets, asked_for


async def _signs(targets: Mapping[Place, Target]) -> dict[Place, Sign]:
    """What each place says; without those whose question we had no connection for."""
    try:
        signs = await asyncio.gather(*(_sign(target) for target in targets.values()))
    finally:
        await get_client().aclose()  # made for this loop, which ends here
    return {place: sign for place, sign in zip(targets, signs, strict=True) if sign}


async def _sign(target: Target) -> Sign | None:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            seconds = await get_client().probe(target)
    except TimeoutError:
        return Sign(problem=f"There was no sign of life within {PROBE_SECONDS:.0f} s.")
    except Busy:
        return None
    except UpstreamError as error:
        if error.upstream_status in NO_SUCH_PAGE:
            return Sign()
        return Sign(problem=error.message, status=error.upstream_status)
    return Sign(latency_ms=round(seconds * 1000))


def _note(endpoint: Endpoint, sign: Sign) -> None:
    """Keep it. A refused key is marked; a good sign says nothing of a key, so it puts none back in use."""
    health.observe_probe(endpoint.deployment, latency_ms=sign.latency_ms, problem=sign.problem)
    if endpoint.key and sign.status == REFUSED:
        mark_key(key=endpoint.key, state=UpstreamKey.State.REFUSED, problem=sign.problem)
