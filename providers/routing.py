"""One request's way through its candidates: tries them in order until one begins to answer, and remembers what it
tried and why it went on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from random import SystemRandom
from typing import Any

from providers import dialects, patience
from providers.client import get_client
from providers.endpoints import Candidate, target_of
from providers.errors import InvalidRequest, UpstreamError, UpstreamRejected, UpstreamUnavailable
from providers.threads import in_thread
from providers.types import ChatRequest, CreditsRemaining, Event, UsageReported

MOST_ATTEMPTS = 4
# No further attempt begins this long after the first: whoever waits would rather know.
PATIENCE_SECONDS = 90.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
_lots = SystemRandom()
NOBODY = "No deployment serves this model now. Choose another model."


@dataclass(slots=True)
class Attempt:
    """One try, as it is kept with the usage record. `problem` is for everybody, `excerpt` for admins; no secret.

    `result` is "ok", "stopped" or the error's code, `status` the upstream's HTTP status, `key` its last four.
    """

    deployment: str
    key: str
    own_key: bool
    result: str = "stopped"
    status: int | None = None
    problem: str = ""
    excerpt: str = ""
    first_token_ms: int | None = None
    duration_ms: int = 0
    dropped: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Route:
    """One request on its way."""

    def __init__(self, candidates: Sequence[Candidate], request: ChatRequest) -> None:
        self.candidates = candidates
        self.request = request
        self.attempts: list[dict[str, Any]] = []
        self.serving: Candidate | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """The answer's events. Fails over only while nothing has been emitted; raises the last error."""
        begun = time.monotonic()
        last: UpstreamError | InvalidRequest = UpstreamUnavailable(NOBODY, sent=False)
        left = list(self.candidates)
        while left and len(self.attempts) < MOST_ATTEMPTS and time.monotonic() - begun < PATIENCE_SECONDS:
            await _pause(len(self.attempts))
            candidate = left.pop(0)
            emitted = False
            try:
                async with aclosing(self._attempt(candidate)) as events:
                    async for event in events:
                        emitted = True
                        yield event
                return
            except (UpstreamError, InvalidRequest) as error:
                if emitted:
                    raise
                last = error
            left = _worth_trying(left, candidate, last)
        raise last

    async def _attempt(self, candidate: Candidate) -> AsyncGenerator[Event, None]:
        endpoint = candidate.endpoint
        mask = f"…{endpoint.key.last_four}" if endpoint.key else ""
        attempt = Attempt(str(endpoint.deployment.pk), mask, endpoint.own_key)
        self.serving, begun, credits = candidate, time.monotonic(), None
        try:
            request = self._request_for(candidate, attempt)
            async with aclosing(get_client().stream(target_of(endpoint), request)) as events:
                async for event in events:
                    if isinstance(event, CreditsRemaining):
                        credits = event.amount
                        continue
                    if attempt.first_token_ms is None and not isinstance(event, UsageReported):
                        attempt.first_token_ms = _since(begun)
                    yield event
            attempt.result = "ok"
            if patience.has_news(endpoint, credits):
                await in_thread(patience.note_success)(endpoint, credits)
        except (UpstreamError, InvalidRequest) as error:
            attempt.result, attempt.problem = error.code, error.message[:300]
            if isinstance(error, UpstreamError):
                attempt.status, attempt.excerpt = error.upstream_status, error.excerpt
                await in_thread(patience.note_failure)(endpoint, error)
            raise
        finally:
            attempt.duration_ms = _since(begun)
            self.attempts.append(attempt.as_json())

    def _request_for(self, candidate: Candidate, attempt: Attempt) -> ChatRequest:
        deployment = candidate.endpoint.deployment
        dialect, request = dialects.get(deployment.dialect), self.request
        if deployment.drops_unsupported:
            request, attempt.dropped = dialects.drop_unsupported(dialect.Request, request)
        if "max_tokens" in dialect.Request.model_fields:
            request = replace(request, sampling=replace(request.sampling, max_tokens=candidate.max_tokens))
        return request


def _worth_trying(left: list[Candidate], failed: Candidate, error: UpstreamError | InvalidRequest) -> list[Candidate]:
    """What is refused for itself and not for its key is refused at that deployment with every key."""
    about_the_key = isinstance(error, UpstreamRejected) and error.upstream_status in (401, 402, 403, 406)
    about_the_request = isinstance(error, InvalidRequest) or (isinstance(error, UpstreamRejected) and not about_the_key)
    if not about_the_request:
        return left
    return [candidate for candidate in left if candidate.endpoint.deployment.pk != failed.endpoint.deployment.pk]


async def _pause(failures: int) -> None:
    """A little longer each time, and never all at the same moment. The first try waits for nothing."""
    if failures:
        await asyncio.sleep(_lots.uniform(0.5, 1) * min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE))


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
