"""One documented service at work: from a request to its answer."""

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .answer import compose
from .checks import last_question
from .documented import Recording
from .face import Body, Face
from .failures import instead_of
from .faults import Faults
from .journal import Record
from .readers import BEFORE_HEADERS
from .steering import Steering, steer
from .stream import replay, stream
from .wire import Refused, to_json
from .writer import send_whole

FAULTS = web.AppKey("faults", Faults)
RECORD = web.RequestKey("record", Record)
SINCE = 1735689600  # any moment will do


class Service:
    """One documented service, ready to answer."""

    def __init__(self, face: Face) -> None:
        self.face = face

    async def handle(self, request: web.Request) -> web.StreamResponse:
        key = self.face.key(request.headers)
        self.face.check_key(key)
        body = parse(await request.read())
        wanted = self.face.read(request.path, body)
        steering = _steering(request, key, last_question(wanted.messages))
        answer = compose(wanted, steering, _echo(request, body), context=self.face.context)
        if steering.breaks_after != BEFORE_HEADERS:
            if recording := self._recording(body, steering):
                return await _replay(request, recording, steering)
            if wanted.stream:
                return await stream(request, self.face, wanted, answer, steering, request[RECORD])
        whole = self.face.whole(answer, wanted, steering.reported(self.face.usage(answer)))
        headers = functools.partial(self.face.headers, key, answer)
        return await _at_once(request, whole, steering, answer.completion_tokens, headers)

    def _recording(self, body: Body, steering: Steering) -> Recording | None:
        if not steering.story:
            return None
        return next((recording for recording in self.face.recordings if recording.answers(body)), None)

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        key = self.face.key(request.headers)
        self.face.check_key(key)
        models = [
            {"id": name, "object": "model", "created": SINCE, "owned_by": "simulated-upstream"}
            for name in sorted(self.face.models)
        ]
        return await _at_once(request, to_json({"object": "list", "data": models}), _steering(request, key))


def parse(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object.")
    return body


def _steering(request: web.Request, key: str, text: str = "") -> Steering:
    return steer(request.app[FAULTS].take(request.path, key), request.headers, text, key)


async def _at_once(
    request: web.Request,
    body: bytes,
    steering: Steering,
    tokens: int = 0,
    headers: Callable[[], dict[str, str]] = dict,
) -> web.StreamResponse:
    """A whole answer takes as long as its tokens would have taken; only one that is given costs credits."""
    breaks_after = steering.breaks_after
    breaks = breaks_after is not None and breaks_after <= tokens
    made = max(0, breaks_after) if breaks_after is not None and breaks else tokens
    await asyncio.sleep(steering.delay + (made / steering.speed if steering.speed else 0))
    if breaks:
        return await instead_of(request, body, steering)
    request[RECORD].sent(tokens)
    return await send_whole(request, body, steering, headers=headers())


async def _replay(request: web.Request, recording: Recording, steering: Steering) -> web.StreamResponse:
    send = replay if recording.is_stream else send_whole
    return await send(request, recording.answer, steering)


def _echo(request: web.Request, body: Body) -> dict[str, Any]:
    return {"method": request.method, "path": request.path, "headers": sorted(request.headers), "body": body}
