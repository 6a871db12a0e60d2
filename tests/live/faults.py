"""What an upstream can do wrong, and what becomes of it: for the user, in the books, and for the key.

Every row is written out. The orders are those of the simulated upstream, which says STORY when nothing is wrong.
"""

from dataclasses import dataclass

STORY = "Once upon a time there was."

AGAIN = " Try again in a moment, or choose another model."
REFUSED = "The provider refused this request. Change it, or choose another model."
KEY_REFUSED = "The provider does not accept the key of this site. An administrator has to look at it."
BROKE = "The account of this site at the provider is out of credit. An administrator has to top it up."
FORBIDDEN = "The provider does not allow the key of this site to do that. An administrator has to look at it."
UNKNOWN = "The provider does not know this model or address. An administrator has to look at the deployment."
WRONG_KIND = "The provider does not take this kind of request at this address. An administrator has to look at it."
TOO_LARGE = "The provider refused the request as too large. Shorten the conversation and try again."
BUSY = "The provider is taking no more requests at the moment. Wait a little and try again."
ITS_OWN = "The provider had a failure of its own. Try again in a moment."
WAITED = "The provider waited too long for the request. Try again in a moment."
SAME = "The provider was busy with the same request. Try again in a moment."
CLOSED = f"The provider closed the connection without an answer.{AGAIN}"
CUT = f"The provider broke off before the end of the answer.{AGAIN}"
UNREACHABLE = f"The provider cannot be reached.{AGAIN}"
NOT_JSON = f"The provider answered something that is not JSON.{AGAIN}"
WEB_PAGE = f"The provider answered with a web page.{AGAIN}"
COMPRESSED = f"The provider answered in a compressed form that was not asked for.{AGAIN}"
ELSEWHERE = (
    "The provider sent the request elsewhere or gave no answer (status 302). "
    "An administrator has to look at the address of the deployment."
)

NO, LATE, GONE, ODD = "upstream_rejected", "upstream_timeout", "upstream_unavailable", "upstream_protocol_error"


@dataclass(frozen=True)
class Fault:
    """An order, and its end: the words (their beginning), the text that is kept, whether it is paid for, the attempts
    with their statuses, and the key's state and rest. `first` and `silence` are the deployment's patience in seconds.
    """

    order: str
    code: str
    words: str
    attempts: list[tuple[str, int | None]]
    key: tuple[str, str] = ("good", "failed")
    text: str = ""
    paid: bool = False
    first: int = 60
    silence: int = 60
    base_url: str = ""  # instead of the simulated upstream's


BEFORE_THE_FIRST_TOKEN = [
    Fault("fail=400", NO, REFUSED, [(NO, 400)], ("good", "")),
    Fault("fail=401", NO, KEY_REFUSED, [(NO, 401)], ("refused", "")),
    Fault("fail=402", NO, BROKE, [(NO, 402)], ("broke", "failed")),
    Fault("fail=403", NO, FORBIDDEN, [(NO, 403)], ("good", "")),
    Fault("fail=404", NO, UNKNOWN, [(NO, 404)], ("good", "")),
    Fault("fail=405", NO, WRONG_KIND, [(NO, 405)], ("good", "")),
    Fault("fail=406", NO, BROKE, [(NO, 406)], ("broke", "failed")),
    Fault("fail=408", NO, WAITED, [(NO, 408)], ("good", "")),
    Fault("fail=409", NO, SAME, [(NO, 409)], ("good", "")),
    Fault("fail=413", NO, TOO_LARGE, [(NO, 413)], ("good", "")),
    Fault("fail=422", NO, REFUSED, [(NO, 422)], ("good", "")),
    Fault("fail=429", GONE, BUSY, [(GONE, 429)], ("good", "asked")),
    Fault("fail=500", GONE, ITS_OWN, [(GONE, 500), (GONE, 500)]),
    Fault("fail=502", GONE, ITS_OWN, [(GONE, 502), (GONE, 502)]),
    Fault("fail=503", GONE, ITS_OWN, [(GONE, 503), (GONE, 503)]),
    Fault("fail=504", GONE, ITS_OWN, [(GONE, 504), (GONE, 504)]),
    Fault("fail=529", GONE, ITS_OWN, [(GONE, 529), (GONE, 529)]),
    Fault("fail=503 retry_after=9", GONE, ITS_OWN, [(GONE, 503)]),
    Fault("fail=401 leak=1", NO, KEY_REFUSED, [(NO, 401)], ("refused", "")),
    Fault("leak=1", GONE, ITS_OWN, [(GONE, 500), (GONE, 500)]),
    Fault("fail=502 fail_mode=html", GONE, ITS_OWN, [(GONE, 502), (GONE, 502)]),
    Fault("redirect=http://127.0.0.1:1/", ODD, ELSEWHERE, [(ODD, 302)]),
    Fault("fail_mode=reset", GONE, CLOSED, [(GONE, None), (GONE, None)]),
    Fault("fail_mode=reset fail_after=headers", GONE, CLOSED, [(GONE, None), (GONE, None)]),
    Fault("fail_mode=close", GONE, CLOSED, [(GONE, None), (GONE, None)]),
    Fault("fail_mode=close fail_after=headers", GONE, CLOSED, [(GONE, None), (GONE, None)]),
    Fault("fail_mode=end", ODD, NOT_JSON, [(ODD, None)]),
    Fault("fail_mode=end fail_after=headers", ODD, "The provider's answer broke off", [(ODD, None)]),
    Fault("fail_mode=half_event fail_after=headers", ODD, "The provider's answer broke off", [(ODD, None)]),
    Fault("fail_mode=html", ODD, WEB_PAGE, [(ODD, None)]),
    Fault("fail_mode=list", ODD, "The provider's answer is not a JSON object", [(ODD, None)]),
    Fault("fail_mode=null", ODD, NOT_JSON, [(ODD, None)]),
    Fault("fail_mode=list fail_after=headers", ODD, "The provider sent JSON that is not an object", [(ODD, None)]),
    Fault("fail_mode=garbage", ODD, NOT_JSON, [(ODD, None)]),
    Fault("fail_mode=garbage fail_after=headers", ODD, "The provider sent something that is not", [(ODD, None)]),
    Fault("fail_mode=not_sse", ODD, "The provider's answer broke off", [(ODD, None)]),
    Fault("fail=500 fail_after=headers", GONE, ITS_OWN, [(GONE, None), (GONE, None)]),
    Fault("fail=400 fail_after=headers", NO, REFUSED, [(NO, None)], ("good", "")),
    Fault("gzip=1", ODD, COMPRESSED, [(ODD, None)]),
    Fault("refused=1", GONE, UNREACHABLE, [(GONE, None), (GONE, None)], base_url="http://127.0.0.1:1"),
    Fault("forbidden=1", GONE, UNREACHABLE, [(GONE, None), (GONE, None)], base_url="http://127.0.0.1:3"),
]

# An error event in a stream has no status of its own: only its name tells a refusal from a failure.
SAID, AS_A_FAILURE, AS_A_REFUSAL = {"text": "Once upon", "paid": True}, ("good", "failed"), ("good", "")
AFTER_THE_FIRST_TOKEN = [
    Fault("fail=400 fail_after=2", NO, REFUSED, [(NO, None)], AS_A_REFUSAL, **SAID),
    Fault("fail=401 fail_after=2", NO, KEY_REFUSED, [(NO, 401)], ("refused", ""), **SAID),
    Fault("fail=402 fail_after=2", NO, BROKE, [(NO, 402)], ("broke", "failed"), **SAID),
    Fault("fail=403 fail_after=2", NO, FORBIDDEN, [(NO, 403)], AS_A_REFUSAL, **SAID),
    Fault("fail=404 fail_after=2", NO, UNKNOWN, [(NO, 404)], AS_A_REFUSAL, **SAID),
    Fault("fail=405 fail_after=2", NO, REFUSED, [(NO, None)], AS_A_REFUSAL, **SAID),
    Fault("fail=406 fail_after=2", NO, BROKE, [(NO, 402)], ("broke", "failed"), **SAID),
    Fault("fail=408 fail_after=2", GONE, ITS_OWN, [(GONE, None)], AS_A_FAILURE, **SAID),
    Fault("fail=409 fail_after=2", GONE, ITS_OWN, [(GONE, None)], AS_A_FAILURE, **SAID),
    Fault("fail=413 fail_after=2", NO, REFUSED, [(NO, None)], AS_A_REFUSAL, **SAID),
    Fault("fail=422 fail_after=2", NO, REFUSED, [(NO, None)], AS_A_REFUSAL, **SAID),
    Fault("fail=429 fail_after=2", GONE, BUSY, [(GONE, 429)], ("good", "asked"), **SAID),
    Fault("fail=500 fail_after=2", GONE, ITS_OWN, [(GONE, None)], AS_A_FAILURE, **SAID),
    Fault("fail=502 fail_after=2", GONE, ITS_OWN, [(GONE, None)], AS_A_FAILURE, **SAID),
    Fault("fail=503 fail_after=2", GONE, ITS_OWN, [(GONE, None)], AS_A_FAILURE, **SAID),
    Fault("fail=504 fail_after=2", GONE, ITS_OWN, [(GONE, None)], AS_A_FAILURE, **SAID),
    Fault("fail=529 fail_after=2", GONE, ITS_OWN, [(GONE, 529)], AS_A_FAILURE, **SAID),
    Fault("fail=401 leak=1 fail_after=2", NO, KEY_REFUSED, [(NO, 401)], ("refused", ""), **SAID),
    Fault("fail=500 fail_after=2 go_on=1", GONE, ITS_OWN, [(GONE, None)], AS_A_FAILURE, **SAID),
    Fault("fail_mode=reset fail_after=2", ODD, CUT, [(ODD, None)], **SAID),
    Fault("fail_mode=close fail_after=2", ODD, CUT, [(ODD, None)], **SAID),
    Fault("fail_mode=end fail_after=2", ODD, "The provider's answer broke off", [(ODD, None)], **SAID),
    Fault("fail_mode=half_event fail_after=2", ODD, "The provider's answer broke off", [(ODD, None)], **SAID),
    Fault("fail_mode=html fail_after=2", ODD, "The provider's answer broke off", [(ODD, None)], **SAID),
    Fault("fail_mode=list fail_after=2", ODD, "The provider sent JSON that is not", [(ODD, None)], **SAID),
    Fault("fail_mode=garbage fail_after=2", ODD, "The provider sent something that is not", [(ODD, None)], **SAID),
    Fault(
        "fail_mode=bad_utf8 fail_after=2",
        ODD,
        "The provider's answer broke off",
        [(ODD, None)],
        text="Once upon\ufffd a",
        paid=True,
    ),
]

NOT_BEGUN, SILENT = "The provider did not begin to answer", "The provider went silent in the middle of its answer"
SILENCES = [
    Fault("fail_mode=hang", LATE, NOT_BEGUN, [(LATE, None)], first=1),
    Fault("fail_mode=hang fail_after=headers", LATE, NOT_BEGUN, [(LATE, None)], first=1),
    Fault("pause=1", LATE, NOT_BEGUN, [(LATE, None)], first=1),  # a byte a second
    Fault("fail_mode=hang fail_after=2", LATE, SILENT, [(LATE, None)], silence=1, **SAID),
]

HARMLESS = ["no_done=1", "no_usage=1", "bad_usage=1", "crlf=1 comments=1 chunk=7", "chunk=1"]


@dataclass(frozen=True)
class Detour:
    """What the first of two keys does before its first token, how that attempt ended, what becomes of that key, and
    which key answers: `one2` of the same place, or `two1` of the next.
    """

    order: str
    attempt: tuple[str, int | None]
    key: tuple[str, str]
    answers: str


SECONDS = ("good", "failed")
DETOURS = [
    Detour("fail=400", (NO, 400), ("good", ""), "two1"),
    Detour("fail=401", (NO, 401), ("refused", ""), "one2"),
    Detour("fail=402", (NO, 402), ("broke", "failed"), "one2"),
    Detour("fail=403", (NO, 403), ("good", ""), "one2"),
    Detour("fail=404", (NO, 404), ("good", ""), "two1"),
    Detour("fail=405", (NO, 405), ("good", ""), "two1"),
    Detour("fail=406", (NO, 406), ("broke", "failed"), "one2"),
    Detour("fail=408", (NO, 408), ("good", ""), "one2"),
    Detour("fail=409", (NO, 409), ("good", ""), "one2"),
    Detour("fail=413", (NO, 413), ("good", ""), "two1"),
    Detour("fail=422", (NO, 422), ("good", ""), "two1"),
    Detour("fail=429", (GONE, 429), ("good", "asked"), "one2"),
    Detour("fail=500", (GONE, 500), SECONDS, "one2"),
    Detour("fail=502", (GONE, 502), SECONDS, "one2"),
    Detour("fail=503", (GONE, 503), SECONDS, "one2"),
    Detour("fail=504", (GONE, 504), SECONDS, "one2"),
    Detour("fail=529", (GONE, 529), SECONDS, "one2"),
    Detour("fail=401 leak=1", (NO, 401), ("refused", ""), "one2"),
    Detour("redirect=http://127.0.0.1:1/", (ODD, 302), SECONDS, "one2"),
    Detour("fail_mode=hang", (LATE, None), SECONDS, "one2"),
    Detour("fail_mode=hang fail_after=headers", (LATE, None), SECONDS, "one2"),
    Detour("pause=1", (LATE, None), SECONDS, "one2"),
    Detour("fail_mode=reset", (GONE, None), SECONDS, "one2"),
    Detour("fail_mode=reset fail_after=headers", (GONE, None), SECONDS, "one2"),
    Detour("fail_mode=close", (GONE, None), SECONDS, "one2"),
    Detour("fail_mode=close fail_after=headers", (GONE, None), SECONDS, "one2"),
    Detour("fail_mode=end", (ODD, None), SECONDS, "one2"),
    Detour("fail_mode=end fail_after=headers", (ODD, None), SECONDS, "one2"),
    Detour("fail_mode=half_event fail_after=headers", (ODD, None), SECONDS, "one2"),
    Detour("fail_mode=html", (ODD, None), SECONDS, "one2"),
    Detour("fail_mode=list", (ODD, None), SECONDS, "one2"),
    Detour("fail_mode=null", (ODD, None), SECONDS, "one2"),
    Detour("fail_mode=garbage fail_after=headers", (ODD, None), SECONDS, "one2"),
    Detour("fail_mode=not_sse", (ODD, None), SECONDS, "one2"),
    Detour("fail=500 fail_after=headers", (GONE, None), SECONDS, "one2"),
    Detour("fail=400 fail_after=headers", (NO, None), ("good", ""), "two1"),
    Detour("gzip=1", (ODD, None), SECONDS, "one2"),
]
