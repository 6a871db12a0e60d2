"""Errors without the key."""

import pytest

from providers.errors import UpstreamRejected
from providers.redaction import redacted, without_key

KEY = "sk-canary/0123456789+ABCDEF=="


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (f"Incorrect API key provided: {KEY}.", "Incorrect API key provided: [redacted]"),
        (f'{{"key": "{KEY}", "code": 401}}', '{"key": "[redacted]", "code": 401}'),
        (f"{KEY} and again {KEY}", "[redacted] and again [redacted]"),
        ("/v1?key=sk-canary%2F0123456789%2BABCDEF%3D%3D&x=1", "/v1?key=[redacted]"),
        ("Basic c2stY2FuYXJ5LzAxMjM0NTY3ODkrQUJDREVGPT0=", "Basic [redacted]"),
        ("Basic QmVhcmVyIHNrLWNhbmFyeS8wMTIzNDU2Nzg5K0FCQ0RFRj09", "Basic [redacted]"),
        (r'{"key": "sk-canary\/0123456789+ABCDEF=="}', '{"key": "[redacted]"}'),
        ("/v1/sk-canary/0123456789%2BABCDEF%3D%3D?x", "/v1/[redacted]"),
        ("starts with sk-canary/01234", "starts with [redacted]"),
        ("starts with sk-can…", "starts with sk-can…"),
        ("the beginning is gone: …123456789+ABCDEF== it ends", "the beginning is gone: …[redacted] it ends"),
        ("in base64: XXXXXLzAxMjM0NTY3ODkrQ it ends", "in base64: XXXXX[redacted] it ends"),
        ("No key here.", "No key here."),
        ("", ""),
    ],
)
def test_the_key_is_cut_out_however_it_is_spelled(told, left):
    assert without_key(told, KEY) == left


def test_without_a_key_nothing_is_cut_out():
    assert without_key("Any text", "") == "Any text"


@pytest.mark.parametrize(
    "told", ["a&b/c+d-0123456789", "a&amp;b/c+d-0123456789", r"a&b\/c+d-0123456789", "a%26b/c%2Bd-012"]
)
def test_a_key_that_is_escaped_from_its_beginning_on_is_cut_out(told):
    assert without_key(f"The key {told} is wrong.", "a&b/c+d-0123456789") == "The key [redacted] is wrong."


def test_a_short_key_is_cut_out_whole():
    assert without_key("key: k1 k2", "k1") == "key: [redacted] k2"


def test_an_error_keeps_what_is_not_the_key():
    error = UpstreamRejected(f"Not {KEY}!", excerpt=KEY, upstream_status=401, retry_after=7, sent=False, credits=2)

    fresh = redacted(error, KEY)

    assert type(fresh) is UpstreamRejected
    assert (fresh.message, str(fresh), fresh.excerpt) == ("Not [redacted]", "Not [redacted]", "[redacted]")
    assert (fresh.upstream_status, fresh.retry_after, fresh.sent, fresh.credits) == (401, 7, False, 2)
    assert fresh.code == "upstream_rejected"
