"""What an upstream's refusals mean, and that no key leaves in them."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from providers import dialects
from providers.errors import UpstreamRejected, UpstreamUnavailable

ALL = ["eigenai", "thinking", "segmind", "deepinfra", "openai"]
BODY = b'{"error": {"message": "upstream text", "code": "some_code"}}'


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("status", "failure"),
    [(status, UpstreamRejected) for status in (400, 401, 402, 403, 404, 405, 406, 413, 422)]
    + [(status, UpstreamUnavailable) for status in (429, 500, 502, 503, 504, 529)],
)
def test_each_status_has_its_meaning_and_a_message_of_our_own(name, status, failure):
    error = dialects.get(name).decode_error(status, BODY, None)
    assert type(error) is failure
    assert (error.upstream_status, error.retry_after) == (status, None)
    assert "upstream text" in error.excerpt
    assert "upstream text" not in error.message
    assert error.message.startswith("The ")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("20", 20), ("0.5", 0.5), ("-3", 0), ("1e9", 86_400), ("nan", None), ("inf", None), ("soon", None), ("", None)],
)
def test_retry_after_is_read_in_seconds(value, seconds):
    assert dialects.get("deepinfra").decode_error(429, b"", value).retry_after == seconds


def test_retry_after_is_read_as_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < dialects.get("deepinfra").decode_error(503, b"", date).retry_after <= 100
    assert dialects.get("deepinfra").decode_error(503, b"", "Wed, 21 Oct 2015 07:28:00 -0000").retry_after is None


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-Ab3dEf6hIj9",
        "SG_4f3a2b1c9d8e7f60",
        "gsk_abcdefghijkl",
        "b23a3fb60cde42ce8f24bb980b4dee87",
        "Q2xhdWRlIGlzIGhhcHB5",
        "4f3a2b1c-9d8e-7f60-1234-56789abcdef0",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["Incorrect API key provided: {}.", "Authorization: Bearer {}", '{{"api_key": "{}"}}', "key {} is not known"],
)
def test_what_looks_like_a_key_is_redacted(text, secret):
    excerpt = dialects.get("openai").decode_error(401, text.format(secret).encode(), None).excerpt
    assert "[redacted]" in excerpt
    assert not any(part in excerpt for part in (secret, secret[:10], secret[-10:]))


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("Authorization: Bearer hunter", "[redacted]"),
        ("bad Bearer hunter", "bad [redacted]"),
        ("no route to http://me:pass@host/v1", "no route to http://[redacted]host/v1"),
        ("no " + "Ab/Cd+Ef-Gh_" * 4, "no [redacted]"),
    ],
)
def test_keys_of_no_known_form_are_redacted_by_where_they_stand(text, excerpt):
    assert dialects.get("openai").decode_error(401, text.encode(), None).excerpt == excerpt


def test_ordinary_words_are_not_redacted():
    text = "context_length_exceeded for deepseek-v31-terminus: 131072 tokens at most, 140000 asked for."
    assert dialects.get("openai").decode_error(400, text.encode(), None).excerpt == text


def test_an_excerpt_is_short_and_printable():
    excerpt = dialects.get("openai").decode_error(500, b"a\n\x00\xff b" * 1000, None).excerpt
    assert len(excerpt) == 500
    assert excerpt.isprintable() or "\ufffd" in excerpt
    assert "\n" not in excerpt
