"""What an upstream says is left on the key (x-remaining-credits)."""

from decimal import Decimal

import pytest

from providers.errors import UpstreamProtocolError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from providers.types import ContentDelta, CreditsRemaining, Finished, UsageReported

from .test_client_failures import failure
from .upstream import ANSWER, HI, JSON, STORY, all_of, calling, chunked, serving, status, streamed, whole

LEFT = "X-Remaining-Credits: 12.345\r\n"


def told(*answer, left=LEFT):
    return whole(*answer or [ANSWER], head=JSON + left)


async def events_of(script, **changes):
    async with serving(script) as upstream, calling(upstream) as client:
        return await all_of(client.stream(upstream.target(**{"dialect": "segmind", **changes}), HI))


async def test_what_is_left_comes_once_and_before_the_answer():
    assert await events_of(told()) == [
        CreditsRemaining(Decimal("12.345")),
        ContentDelta(0, "Once upon."),
        Finished(0, "stop"),
        UsageReported(3, 2),
    ]


@pytest.mark.parametrize("left", ["", "X-Remaining-Credits: lots\r\n", "X-Remaining-Credits: -1\r\n"])
async def test_what_is_not_told_believably_is_not_given(left):
    assert await events_of(told(left=left)) == [
        ContentDelta(0, "Once upon."),
        Finished(0, "stop"),
        UsageReported(3, 2),
    ]


@pytest.fixture
def thinking_tells(monkeypatch):
    """A dialect that streams and tells; none that we know does both."""
    monkeypatch.setattr("providers.dialects.thinking.remaining_credits", lambda headers: Decimal(headers["x-left"]))
    return streamed(end=False).replace(b"\r\n\r\n", b"\r\nX-Left: 7\r\n\r\n")


async def test_a_stream_tells_it_once_and_with_its_first_event(thinking_tells):
    comment = chunked(b": still thinking\n\n", end=False)
    pieces = [act for piece in STORY for act in (0.02, chunked(piece, end=False))]

    events = await events_of([thinking_tells, comment, *pieces, b"0\r\n\r\n"], dialect="thinking")

    assert events == [
        CreditsRemaining(Decimal(7)),
        ContentDelta(0, "Once "),
        ContentDelta(0, "upon."),
        Finished(0, "stop"),
        UsageReported(3, 2),
    ]


async def test_nothing_is_given_of_an_answer_that_never_begins_but_its_error_tells(thinking_tells):
    """Or a caller who tries the next deployment while nothing has come would not do so any more."""
    script = [thinking_tells, chunked(b": still thinking\n\n", end=False), "hang"]
    async with serving(script) as upstream, calling(upstream) as client:
        stream = client.stream(upstream.target(first_token_timeout=0.2), HI)
        with pytest.raises(UpstreamTimeout) as problem:
            await anext(stream)

    assert problem.value.credits == Decimal(7)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(401, UpstreamRejected), (406, UpstreamRejected), (429, UpstreamUnavailable), (500, UpstreamUnavailable)],
)
async def test_a_refusal_tells_it_too(code, kind):
    refusal = status(code, b'{"error": "no"}', "X-Remaining-Credits: 0", "Content-Type: application/json")
    error, _ = await failure(refusal, dialect="segmind")

    assert (type(error), error.upstream_status, error.credits) == (kind, code, Decimal(0))


async def test_an_answer_that_is_none_tells_it_too():
    error, _ = await failure(told(b"?"), dialect="segmind")

    assert (type(error), error.credits) == (UpstreamProtocolError, Decimal("12.345"))


async def test_an_error_without_an_answer_tells_nothing_of_it():
    error, _ = await failure("close", dialect="segmind")

    assert (type(error), error.credits) == (UpstreamUnavailable, None)
