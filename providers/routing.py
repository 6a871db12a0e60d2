"""One request's way through its candidates: tries them in order until one begins to answer, and remembers what it
tried and why it went on."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from random import SystemRandom
from typing import Any, ParamSpec, TypeVar

from providers import dialects, patience
from providers.client import get_client
from providers.endpoints import Candidate, target_of
from providers.errors import Busy, InvalidRequest, UpstreamError, UpstreamRejected, UpstreamUnavailable
from providers.models import UpstreamKey
from providers.threads import in_thread
from providers.types import ChatRequest, CreditsRemaining, Event, UsageReported

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

MOST_ATTEMPTS = 4
# No further attempt begins this long after the first: whoever waits would rather know.
PATIENCE_SECONDS = 90.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
# A note about a key waits this long for the database, and no answer waits longer for it.
NOTE_SECONDS = 2.0
# What a provider says of a key, and of a moment: both leave the other keys of the same place worth a try.
ABOUT_THE_KEY, ABOUT_THE_MOMENT = {401, 402, 403, 406}, {408, 409, 425}
_lots = SystemRandom()
NOBODY = "No deployment serves this model now. Choose another model."
NO_CREDIT = "The account at the provider is out of credit. An administrator has to top it up."
OWN_NO_CREDIT = "Your own account at the provider is out of credit. Top it up there, and try again."
# What is otherwise said of the site's key, to whoever brought the key.
OF_AN_OWN_KEY = {
    401: "The provider does not accept your own key. Save another one under Settings → Provider keys.",
    402: OWN_NO_CREDIT,
    403: "The provider does not allow your own key to do that. Choose another model, or save another key.",
    406: OWN_NO_CREDIT,
}
OURS = "Something went wrong here, and not at the provider."


@dataclass(slots=True)
class Attempt:
    """One try, as it is kept with the usage record. `problem` is for everybody, `excerpt` for admins; no secret.

    `result` is "ok", "stopped", "internal" or the error's code; `status` the upstream's HTTP status, `key` its last
    four characters.
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
        until = time.monotonic() + PATIENCE_SECONDS
        last: UpstreamError | InvalidRequest = UpstreamUnavailable(NOBODY, sent=False)
        left = list(self.candidates)
        while left and len(self.attempts) < MOST_ATTEMPTS and time.monotonic() < until:
            candidate = left.pop(self._next_of(left))
            if not await _may_be_asked(candidate):
                words = OWN_NO_CREDIT if candidate.endpoint.own_key else NO_CREDIT
                last = last if self.attempts else UpstreamUnavailable(words, sent=False)
                continue
            await _pause(len(self.attempts))
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
            if not left and len(self.attempts) == 1 and _may_pass(last):
                left = [candidate]
        raise last

    def _next_of(self, left: Sequence[Candidate]) -> int:
        """The place in `left`. The last try is for a deployment that was not asked yet, if there is one."""
        if len(self.attempts) < MOST_ATTEMPTS - 1:
            return 0
        asked = {attempt["deployment"] for attempt in self.attempts}
        others = (place for place, each in enumerate(left) if str(each.endpoint.deployment.pk) not in asked)
        return next(others, 0)

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
                await _noted(patience.note_success)(endpoint, credits)
        except (UpstreamError, InvalidRequest) as error:
            if endpoint.own_key and isinstance(error, UpstreamError):
                error.message = OF_AN_OWN_KEY.get(error.upstream_status or 0, error.message)
            attempt.result, attempt.problem = error.code, error.message[:300]
            if isinstance(error, UpstreamError):
                attempt.status, attempt.excerpt = error.upstream_status, error.excerpt
                await _noted(patience.note_failure)(endpoint, error)
            raise
        except Exception:
            attempt.result, attempt.problem = "internal", OURS
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


def _noted(note: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R | None]]:
    """A note about a key, on a thread. None: it could not be made, which costs nobody the answer."""

    async def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            async with asyncio.timeout(NOTE_SECONDS):
                return await in_thread(note)(*args, **kwargs)
        except Exception as error:
            log.warning("How a provider answered could not be noted (%s): %s", note.__name__, type(error).__name__)
            return None

    return call


async def _may_be_asked(candidate: Candidate) -> bool:
    """A key without credit is asked now and then, by one request alone."""
    key = candidate.endpoint.key
    if key is None or key.state != UpstreamKey.State.BROKE:
        return True
    return bool(await _noted(patience.take_chance)(key))


def _worth_trying(left: list[Candidate], failed: Candidate, error: UpstreamError | InvalidRequest) -> list[Candidate]:
    """What is refused for itself, and not for its key or the moment, is refused at that deployment with every key."""
    refused = isinstance(error, InvalidRequest) or (
        isinstance(error, UpstreamRejected) and error.upstream_status not in ABOUT_THE_KEY | ABOUT_THE_MOMENT
    )
    if not refused:
        return left
    return [candidate for candidate in left if candidate.endpoint.deployment.pk != failed.endpoint.deployment.pk]


def _may_pass(error: UpstreamError | InvalidRequest) -> bool:
    """Whether the only place is worth a second try at once: it stumbled, and did not ask for a pause."""
    if not isinstance(error, UpstreamUnavailable) or isinstance(error, Busy):
        return False
    return error.upstream_status != 429 and error.retry_after is None


async def _pause(failures: int) -> None:
    """A little longer each time, and never all at the same moment. The first try waits for nothing."""
    if failures:
        await asyncio.sleep(_lots.uniform(0.5, 1) * min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE))


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
