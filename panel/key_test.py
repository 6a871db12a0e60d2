"""A test of a provider key: one tiny request, admitted, held and recorded as every other, and what it said in words."""

import asyncio
import copy
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from asgiref.sync import async_to_sync
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts.ids import new_id
from accounts.models import User
from billing.admission import Admission, Caller, admit
from billing.models import Hold, UsageRecord
from billing.money import plain
from billing.pricing import Tokens
from billing.settlement import Ending, close
from providers import dialects, tokens, vault
from providers.endpoints import Endpoint
from providers.errors import ChatsiteError, UpstreamError
from providers.models import Deployment, UpstreamKey
from providers.redaction import without_key
from providers.routing import Route
from providers.types import ChatMessage, ChatRequest, ContentDelta, Event, ReasoningDelta, Sampling, UsageReported

log = logging.getLogger(__name__)

PURPOSE = "test"
QUESTION = (ChatMessage("user", "Reply with the word: pong."),)
MOST_TOKENS = 16
TEST_SECONDS = 20.0
FIRST_TOKEN_SECONDS, SILENCE_SECONDS = 15, 10  # before that, so that a silent host is told from a slow one
PAUSE = timedelta(seconds=5)
LOST_AFTER = timedelta(minutes=2)
LONGEST_SAYING = 60

REASONS = {
    401: "Refused by the provider: the key is not valid (401). Save a new one.",
    402: "The provider says that no credit is left on this key (402). Add credit there, then test again.",
    403: "The provider does not allow this key to use this model (403). Check the key’s rights there.",
    404: "The provider does not know this model or address (404). An admin has to correct the deployment.",
    406: "The provider says that no credit is left on this key (406). Add credit there, then test again.",
    429: "The provider is taking no more requests with this key for now (429). Wait a little, then test again.",
}
ASKS_FOR_A_KEY = "The server asks for a key (401). Tick “Needs key”, save, and add one."
NO_PRICE = "The model has no price yet, so members cannot use this key: add one under Prices."
Status = UsageRecord.Outcome


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test said, in `words`, and what it cost, in `note`. Without a `record` nothing was sent.

    Times in milliseconds, `first_token_ms` None when nothing came; `charge` in nanocredits.
    """

    ok: bool
    words: str
    note: str = ""
    first_token_ms: int | None = None
    charge: int = 0
    record: UsageRecord | None = None


class NotNow(ChatsiteError):
    """A test that is not begun."""

    status = 429
    code = "not_now"


def run_test(*, endpoint: Endpoint, by: User) -> Outcome:
    """Ask the endpoint for one word, at most 20 s long, as a request would: what stumbles is asked twice.

    A member's own key is tested on the member's wallet, for nothing; for a team key the house pays.
    """
    return run_tests(endpoints=[endpoint], by=by)[0]


def run_tests(*, endpoints: Sequence[Endpoint], by: User) -> list[Outcome]:
    """The same for several, at the same time. Whatever happens, what was begun is closed and recorded."""
    begun: list[Trial | Outcome] = []
    try:
        for endpoint in endpoints:
            begun.append(_begin(endpoint, by))
        async_to_sync(_run)([trial for trial in begun if isinstance(trial, Trial)])
    finally:
        ended = [trial.end() if isinstance(trial, Trial) else trial for trial in begun]
    return ended


def end_lost_tests() -> int:
    """Close the tests whose process is gone: nobody pays for them. How many there were."""
    lost = Hold.objects.filter(
        state=Hold.State.OPEN, subject__startswith="test:", created__lt=timezone.now() - LOST_AFTER
    )
    return sum(_end_lost(hold) for hold in lost)


def _end_lost(hold: Hold) -> bool:
    deployment = Deployment.objects.select_related("model").get(pk=UUID(next(iter(hold.prices))))
    ending = Ending(Status.INTERRUPTED, deployment.model.name, Tokens(), deployment=deployment.pk, purpose=PURPOSE)
    return close(hold.subject, ending) is not None


class Trial:
    """One admitted test on its way."""

    def __init__(self, admission: Admission, endpoint: Endpoint, request: ChatRequest) -> None:
        self._subject = admission.hold.subject
        self._endpoint = endpoint
        self._route = Route(admission.candidates, request)
        self._text = self._reasoning = ""
        self._reported: UsageReported | None = None
        self._status = Status.FAILED
        self._error: ChatsiteError | None = None
        self._began = self._ended = time.monotonic()

    async def run(self) -> None:
        try:
            async with asyncio.timeout(TEST_SECONDS), aclosing(self._route.events()) as events:
                async for event in events:
                    self._take(event)
            self._status = Status.DONE
        except TimeoutError:
            self._error = ChatsiteError(f"No whole answer came within {TEST_SECONDS:.0f} s.")
        except ChatsiteError as problem:
            self._error = problem
        except asyncio.CancelledError:
            self._status = Status.STOPPED
            raise
        except Exception:
            log.exception("%s failed", self._subject)
            self._error = ChatsiteError("Something went wrong here, not at the provider. The log says what.")
        finally:
            self._ended = time.monotonic()

    def _take(self, event: Event) -> None:
        match event:
            case ContentDelta(0, text):
                self._text += text
            case ReasoningDelta(0, text):
                self._reasoning += text
            case UsageReported():
                self._reported = event

    def end(self) -> Outcome:
        """Close the hold and say what came out."""
        record = close(self._subject, self._ending())
        ok = self._error is None and self._status == Status.DONE
        return Outcome(
            ok=ok,
            words=self._answer() if ok else self._problem(),
            note=self._note(record),
            first_token_ms=self._first_token_ms(),
            charge=record.charge if record else 0,
            record=record,
        )

    def _ending(self) -> Ending:
        deployment, reasoning = self._endpoint.deployment, tokens.count(self._reasoning)
        return Ending(
            outcome=self._status,
            model_name=deployment.model.name,
            counted=Tokens(completion=reasoning + tokens.count(self._text), reasoning=reasoning),
            reported=self._reported,
            deployment=deployment.pk,
            simulated=self._endpoint.simulated,
            attempts=self._route.attempts,
            first_token_ms=self._first_token_ms(),
            duration_ms=round((self._ended - self._began) * 1000),
            purpose=PURPOSE,
        )

    @property
    def _key(self) -> str:
        """What was sent: an answer may repeat it, and what it says goes into pages and the admin's history."""
        return vault.open_key(self._endpoint.key) if self._endpoint.key else ""

    def _first_token_ms(self) -> int | None:
        return self._route.attempts[-1]["first_token_ms"] if self._route.attempts else None

    def _answer(self) -> str:
        said = without_key(" ".join(self._text.split()), self._key)
        answered = f"Answered in {self._ended - self._began:.1f} s"
        if said:
            return f"{answered}: “{said[:LONGEST_SAYING]}{'…' if len(said) > LONGEST_SAYING else ''}”"
        so_far = "all that was asked for went into its thinking" if self._reasoning else "without a word"
        return f"{answered}, {so_far}. The key works."

    def _problem(self) -> str:
        error = self._error
        if isinstance(error, UpstreamError) and error.upstream_status == 401 and not self._endpoint.key:
            return ASKS_FOR_A_KEY
        if isinstance(error, UpstreamError) and error.upstream_status in REASONS:
            return REASONS[error.upstream_status]
        return error.message if error else "The test was cut off. Test again."

    def _note(self, record: UsageRecord | None) -> str:
        if self._endpoint.own_key:
            return "Your own key: it cost no credits here."
        if record and record.price_id is None and self._endpoint.key:
            return NO_PRICE
        return f"It cost the house {plain(record.charge)} credits." if record and record.charge else "It cost nothing."


async def _run(trials: list[Trial]) -> None:
    async with asyncio.TaskGroup() as group:
        for trial in trials:
            group.create_task(trial.run())


def _begin(endpoint: Endpoint, by: User) -> "Trial | Outcome":
    """An admitted test, or why there is none."""
    if endpoint.own_key and endpoint.key and endpoint.key.owner_id != by.pk:
        raise PermissionDenied("A member's own key is tested by that member alone.")
    request = _request_for(endpoint.deployment)
    counted = tokens.count_prompt(QUESTION)
    try:
        with transaction.atomic():
            taken = _taken(endpoint, by)
            subject = f"{_subjects(taken)}{new_id()}"
            caller = Caller(by, PURPOSE, for_the_house=not taken.own_key)
            model = taken.deployment.model
            admission = admit(caller, model, request, subject=subject, prompt_tokens=counted, only=[taken])
    except ChatsiteError as problem:
        return Outcome(ok=False, words=problem.message)
    return Trial(admission, taken, request)


def _taken(endpoint: Endpoint, by: User) -> Endpoint:
    """The endpoint as it stands now, for one test at a time. Raises NotNow.

    The row's lock lets two admissions of the same key follow each other; on SQLite, so does the transaction.
    """
    rows = UpstreamKey.objects.select_related("deployment__model").select_for_update(of=("self",))
    key = rows.filter(pk=endpoint.key.pk).first() if endpoint.key else None
    if endpoint.key and not key:
        raise NotNow("This key was removed in the meantime.")
    deployment = key.deployment if key else Deployment.objects.select_for_update().get(pk=endpoint.deployment.pk)
    taken = Endpoint(_in_a_hurry(deployment), key)
    if key and key.host != vault.host_of(deployment):
        raise NotNow(f"This key was saved for {key.host}, and the model is served elsewhere now. Save the key again.")
    payer = {"user": by} if taken.own_key else {"user": None}
    now, subjects, tested = timezone.now(), _subjects(taken), "key" if key else "deployment"
    running = Hold.objects.filter(state=Hold.State.OPEN, subject__startswith=subjects, created__gt=now - LOST_AFTER)
    if running.exists():
        raise NotNow(f"This {tested} is being tested at this moment. Wait for that answer.")
    if UsageRecord.objects.filter(**payer, created__gt=now - PAUSE, subject__startswith=subjects).exists():
        raise NotNow(f"This {tested} was tested just now. Wait {PAUSE.seconds} s, then test again.")
    if key and key.state == UpstreamKey.State.BROKE:
        _wake(key)
    return taken


def _wake(key: UpstreamKey) -> None:
    """A key without credit is asked once after each pause: this test is that once, whoever else would have been."""
    key.rest, key.resting_until = "", None
    key.save(update_fields=["rest", "resting_until"])


def _subjects(endpoint: Endpoint) -> str:
    """What the subjects of this key's tests begin with."""
    return f"test:{endpoint.key.pk if endpoint.key else endpoint.deployment.pk}:"


def _in_a_hurry(deployment: Deployment) -> Deployment:
    """The same, with less patience; not to be saved."""
    hurried = copy.copy(deployment)
    hurried.first_token_timeout = min(deployment.first_token_timeout, FIRST_TOKEN_SECONDS)
    hurried.silence_timeout = min(deployment.silence_timeout, SILENCE_SECONDS)
    return hurried


def _request_for(deployment: Deployment) -> ChatRequest:
    """One word, and where the dialect can say so, no more than a few tokens."""
    asked = ChatRequest(deployment.model.name, QUESTION, sampling=Sampling(max_tokens=MOST_TOKENS))
    return dialects.drop_unsupported(dialects.get(deployment.dialect).Request, asked)[0]
