"""What an upstream says when it fails reaches nobody as it came (SS-9)."""

import base64
import json
import traceback
from urllib.parse import quote

import pytest

from providers.errors import UpstreamRejected, UpstreamUnavailable

from .test_client_failures import failure
from .upstream import CANARY, status

PYTHON = """Traceback (most recent call last):
  File "/srv/inner/app.py", line 7, in serve
    connect("postgres://inner:secret@10.0.0.9/models")
OperationalError: inner"""
JAVASCRIPT = "TypeError: inner\n    at serve (/srv/inner/app.js:7:3)\n    at main (/srv/inner/main.js:1:1)"
JAVA = "java.lang.IllegalStateException: inner\n\tat com.inner.Server.serve(Server.java:7)"
GO = "panic: inner\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/inner/main.go:7 +0x1d"
PAGE = f"<!DOCTYPE html><html><h1>Server error in inner</h1><pre>{PYTHON}</pre></html>"
STACKS = {"python": PYTHON, "javascript": JAVASCRIPT, "java": JAVA, "go": GO}


def told_by(error, caplog):
    return "".join(traceback.format_exception(error)) + f"{error!r} {error.excerpt} {error.__dict__} {caplog.text}"


@pytest.mark.parametrize("code", [401, 404, 500, 503])
@pytest.mark.parametrize("page", [PAGE, f"\n  {PAGE}", "<?xml version='1.0'?><inner/>"])
async def test_an_error_page_is_only_said_to_be_one(code, page, caplog):
    caplog.set_level("DEBUG")
    error, _ = await failure(status(code, page.encode(), "Content-Type: text/html"))

    assert error.upstream_status == code
    assert error.excerpt == "(a web page)"
    assert "inner" not in told_by(error, caplog)


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "in JSON"])
@pytest.mark.parametrize("language", STACKS)
async def test_a_stack_trace_is_only_said_to_be_one(language, as_json, caplog):
    caplog.set_level("DEBUG")
    text = json.dumps({"error": {"message": STACKS[language]}}) if as_json else STACKS[language]
    error, _ = await failure(status(500, text.encode()))

    assert (type(error), error.upstream_status) == (UpstreamUnavailable, 500)
    assert error.message == "The provider had a failure of its own. Try again in a moment."
    assert error.excerpt == "(a program's stack trace)"
    assert "inner" not in told_by(error, caplog)


async def test_what_explains_a_refusal_is_kept_for_admins():
    body = b'{"error": {"message": "max_tokens is too large at 9000 (limit 4096)"}}'
    error, _ = await failure(status(400, body))

    assert error.excerpt == body.decode()
    assert "4096" not in error.message


@pytest.mark.parametrize(
    "spelling",
    [
        CANARY,
        f"Bearer {CANARY}",
        CANARY[:14],
        json.dumps(CANARY).replace("/", "\\/"),
        quote(CANARY, safe=""),
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(f"Bearer {CANARY}".encode()).decode(),
    ],
    ids=["plain", "as a header", "its beginning", "as JSON", "URL-encoded", "base64", "base64 of the header"],
)
async def test_a_refusal_that_echoes_the_key_does_not_tell_it(spelling, caplog):
    caplog.set_level("DEBUG")
    error, _ = await failure(status(401, f"Sorry: {spelling} is unknown".encode(), f"X-Echo: {CANARY}"))

    told = told_by(error, caplog)
    assert (type(error), error.upstream_status) == (UpstreamRejected, 401)
    assert "[redacted]" in error.excerpt
    assert CANARY[:10] not in told
    assert spelling[:10] not in told
    assert CANARY[-10:] not in told
