"""The HTTP server of the simulated upstream: four services, one journal, on the loopback only."""

import asyncio
import json
import logging
from typing import Any

from aiohttp import web

from . import failures
from .answer import compose
from .checks import last_question
from .deepinfra import DeepInfra
from .eigenai import EigenAI
from .face import Body, Face
from .journal import Journal, Record
from .segmind import Segmind
from .steering import Steering, steer
from .stream import replay, stream
from .thinking import Thinking
from .wire import Refused

JOURNAL = web.AppKey("journal", Journal)
RECORD = web.RequestKey("record", Record)
JOURNAL_PATH = "/__simulator__/requests"
LARGEST_BODY = 16 * 1024**2


def make_app() -> web.Application:
    app = web.Application(middlewares=[journaled], client_max_size=LARGEST_BODY)
    app[JOURNAL] = Journal()
    app.router.add_get(JOURNAL_PATH, _show_journal)
    app.router.add_delete(JOURNAL_PATH, _clear_journal)
    for face in (EigenAI(), Thinking(), Segmind(), DeepInfra()):
        for path in face.paths:
            app.router.add_post(path, Service(face).handle)
    # A client that hangs up is noticed below, by name; the server's own notes about it would only be noise.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return app


@web.middleware
async def journaled(request: web.Request, handler: Any) -> web.StreamResponse:
    if request.path == JOURNAL_PATH:
        response: web.StreamResponse = await handler(request)
        return response
    record = request[RECORD] = Record(
        method=request.method, path=request.path, headers=sorted(request.headers), key=_sent_key(request)
    )
    request.app[JOURNAL].add(record)
    try:
        response = await _refusing(request, handler)
        record.end(response.status)
        return response
    except (asyncio.CancelledError, ConnectionError):
        record.hung_up()
        raise


async def _refusing(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turn every refusal into the JSON error that the services answer with."""
    try:
        request.app[JOURNAL].keep_body(request[RECORD], await request.read())
        response: web.StreamResponse = await handler(request)
        return response
    except Refused as refused:
        return _refusal(refused)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _refusal(Refused(error.status, f"{error.reason}: {request.method} {request.path}", headers=headers))


class Service:
    """One documented service, ready to answer."""

    def __init__(self, face: Face) -> None:
        self.face = face

    async def handle(self, request: web.Request) -> web.StreamResponse:
        key = self.face.key(request.headers)
        self.face.check_key(key)
        body = _parse(await request.read())
        wanted = self.face.read(request.path, body)
        steering = steer(request.headers, last_question(wanted.messages))
        if steering.fail is not None:
            await asyncio.sleep(steering.delay)
            raise _told_to_fail(steering.fail)
        if steering.story:
            for recording in self.face.recordings:
                if recording.answers(body):
                    return await self._replay(request, recording.answer, recording.is_stream, steering)
        answer = compose(wanted, steering, _echo(request, body), context=self.face.context)
        if wanted.stream:
            return await stream(request, self.face, wanted, answer, steering, request[RECORD])
        usage = steering.reported(self.face.usage(answer))
        whole = self.face.whole(answer, wanted, usage)
        headers = self.face.headers(key, answer)
        return await _answer_at_once(request, whole, headers, answer.completion_tokens, steering)

    async def _replay(
        self, request: web.Request, recorded: bytes, is_stream: bool, steering: Steering
    ) -> web.StreamResponse:
        if is_stream:
            return await replay(request, recorded, steering)
        return web.Response(body=recorded, content_type="application/json")


async def _answer_at_once(
    request: web.Request, body: bytes, headers: dict[str, str], tokens: int, steering: Steering
) -> web.StreamResponse:
    """A whole answer takes as long as its tokens would have taken."""
    breaks_at = steering.fail_after if steering.fail_after is not None and steering.fail_after <= tokens else None
    made = tokens if breaks_at is None else breaks_at
    await asyncio.sleep(steering.delay + (made / steering.speed if steering.speed else 0))
    if breaks_at is not None:
        return await failures.instead_of(request, body, steering)
    request[RECORD].sent(tokens)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _told_to_fail(status: int) -> Refused:
    headers = {"Retry-After": "7"} if status == 429 else {}
    return Refused(status, f"The simulated upstream was told to answer {status}.", headers=headers)


def _parse(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object.")
    return body


def _echo(request: web.Request, body: Body) -> Body:
    return {"method": request.method, "path": request.path, "headers": sorted(request.headers), "body": body}


def _refusal(refused: Refused) -> web.Response:
    return web.Response(
        status=refused.status, body=refused.body(), content_type="application/json", headers=refused.headers
    )


def _sent_key(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("Authorization", "").partition(" ")[2].strip()


async def _show_journal(request: web.Request) -> web.Response:
    return web.json_response(request.app[JOURNAL].as_list())


async def _clear_journal(request: web.Request) -> web.Response:
    request.app[JOURNAL].clear()
    return web.Response(status=204)
