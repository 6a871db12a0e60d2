"""A streamed answer: tokens at their pace, until its end or its failure."""

import asyncio
import itertools
from collections.abc import Iterator

from aiohttp import web

from .face import Answer, Body, Face, Wanted
from .failures import break_off
from .journal import Record
from .steering import Steering
from .wire import comment, event
from .writer import Writer, open_response

Step = tuple[bytes, int]
COMMENT_EVERY = 5
STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


class Pace:
    """Lets tokens through at the speed asked for, measured from the first one, so that lateness never adds up."""

    def __init__(self, speed: float) -> None:
        self.speed, self.count = speed, 0
        self.clock = asyncio.get_running_loop().time
        self.start = self.clock()

    async def next(self) -> None:
        ahead = self.start + self.count / self.speed - self.clock() if self.speed else 0
        self.count += 1
        await asyncio.sleep(max(ahead, 0))


async def stream(
    request: web.Request, face: Face, wanted: Wanted, answer: Answer, steering: Steering, record: Record
) -> web.StreamResponse:
    response = await open_response(request, steering, STREAM_HEADERS)
    out = Writer(response, steering)
    if steering.comments:
        await out.write(comment(steering.newline))
        await out.flush()
    await asyncio.sleep(steering.delay)
    pace, breaks_after = Pace(steering.speed), steering.breaks_after
    for data, tokens in steps(face, wanted, answer):
        if breaks_after is not None and record.tokens_sent >= breaks_after:
            await out.flush()
            await break_off(request, out, data, steering)
            if not steering.go_on:
                return response
            breaks_after = None
        if tokens:
            await pace.next()
            if steering.comments and record.tokens_sent % COMMENT_EVERY == 0:
                await out.write(comment(steering.newline))
        await out.write(event(data, steering.newline))
        record.sent(tokens)
    await _finish(out, face, wanted, answer, steering)
    return response


def steps(face: Face, wanted: Wanted, answer: Answer) -> Iterator[Step]:
    """The chunks of all choices in turn; a choice's last chunk carries its reason to finish."""
    lanes = [_lane(face, wanted, answer, index) for index in range(len(answer.choices))]
    for row in itertools.zip_longest(*lanes):
        yield from (step for step in row if step is not None)


def _lane(face: Face, wanted: Wanted, answer: Answer, index: int) -> Iterator[Step]:
    choice = answer.choices[index]
    for delta, tokens in face.deltas(choice, wanted):
        yield face.chunk(answer, [_choice(index, delta, None)]), tokens
    yield face.chunk(answer, [_choice(index, {}, choice.finish_reason)]), 0


def _choice(index: int, delta: Body, finish_reason: str | None) -> Body:
    return {"index": index, "delta": delta, "finish_reason": finish_reason}


async def _finish(out: Writer, face: Face, wanted: Wanted, answer: Answer, steering: Steering) -> None:
    usage = steering.reported(face.usage(answer)) if wanted.include_usage else None
    if usage is not None:
        await out.write(event(face.chunk(answer, [], usage=usage), steering.newline))
    if not steering.no_done:
        await out.write(event(b"[DONE]", steering.newline))
    await out.end()


async def replay(request: web.Request, recorded: bytes, steering: Steering) -> web.StreamResponse:
    """A document's own stream, byte for byte."""
    response = await open_response(request, steering, STREAM_HEADERS)
    out = Writer(response, steering)
    await asyncio.sleep(steering.delay)
    for piece in recorded.split(b"\n\n")[:-1]:
        await out.write(piece + b"\n\n")
    await out.end()
    return response
