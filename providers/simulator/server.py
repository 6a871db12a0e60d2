"""The HTTP server of the simulated upstream: four services, one journal, on the loopback only."""

import asyncio
import functools
import logging
from typing import Any

from aiohttp import web

from .deepinfra import DeepInfra
from .eigenai import EigenAI
from .faults import Faults
from .journal import Journal, Record
from .segmind import Segmind
from .service import FAULTS, RECORD, Service, parse
from .thinking import Thinking
from .wire import Refused

JOURNAL = web.AppKey("journal", Journal)
CONTROL = "/__simulator__/"
LARGEST_BODY = 16 * 1024**2
SIGN_OF_LIFE = "This is the simulated upstream: a test peer, and no model.\n"


def make_app() -> web.Application:
    app = web.Application(middlewares=[journaled], client_max_size=LARGEST_BODY)
    app[JOURNAL], app[FAULTS] = Journal(), Faults()
    app.router.add_get(CONTROL + "requests", _show_journal)
    app.router.add_delete(CONTROL + "requests", _clear_journal)
    app.router.add_get(CONTROL + "faults", _show_faults)
    app.router.add_post(CONTROL + "faults", _order_fault)
    app.router.add_delete(CONTROL + "faults", _clear_faults)
    app.router.add_get("/", _live)
    app.router.add_get("/v1/models", Service(Thinking()).list_models)
    for face in (EigenAI(), Thinking(), Segmind(), DeepInfra()):
        for path in face.paths:
            app.router.add_post(path, Service(face).handle)
    # A client that hangs up is noticed below, by name; the server's own notes about it would only be noise.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return app


@web.middleware
async def journaled(request: web.Request, handler: Any) -> web.StreamResponse:
    if request.path.startswith(CONTROL):
        return await _refusing(request, functools.partial(_from_no_page, handler=handler))
    record = request[RECORD] = Record(
        method=request.method, path=request.path, headers=sorted(request.headers), key=_sent_key(request)
    )
    request.app[JOURNAL].add(record)
    try:
        response = await _refusing(request, functools.partial(_keeping_body, handler=handler))
        record.end(response.status)
        return response
    except (asyncio.CancelledError, ConnectionError):
        record.hung_up()
        raise


async def _refusing(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turn every refusal into the JSON error that the services answer with."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except Refused as refused:
        return _refusal(refused)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _refusal(Refused(error.status, f"{error.reason}: {request.method} {request.path}", headers=headers))


async def _from_no_page(request: web.Request, handler: Any) -> web.StreamResponse:
    """A page of another site, open in somebody's browser, has no business here."""
    if "Origin" in request.headers:
        raise Refused(403, "The simulated upstream is not controlled from a web page.")
    response: web.StreamResponse = await handler(request)
    return response


async def _keeping_body(request: web.Request, handler: Any) -> web.StreamResponse:
    request.app[JOURNAL].keep_body(request[RECORD], await request.read())
    response: web.StreamResponse = await handler(request)
    return response


def _refusal(refused: Refused) -> web.Response:
    return web.Response(
        status=refused.status, body=refused.body(), content_type="application/json", headers=refused.headers
    )


def _sent_key(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("Authorization", "").partition(" ")[2].strip()


async def _live(request: web.Request) -> web.Response:
    return web.Response(text=SIGN_OF_LIFE)


async def _show_journal(request: web.Request) -> web.Response:
    return web.json_response(request.app[JOURNAL].as_list())


async def _clear_journal(request: web.Request) -> web.Response:
    request.app[JOURNAL].clear()
    return web.Response(status=204)


async def _show_faults(request: web.Request) -> web.Response:
    return web.json_response(request.app[FAULTS].as_list())


async def _order_fault(request: web.Request) -> web.Response:
    fault = request.app[FAULTS].add(parse(await request.read()))
    return web.json_response(fault.as_dict(), status=201)


async def _clear_faults(request: web.Request) -> web.Response:
    request.app[FAULTS].clear()
    return web.Response(status=204)
