"""What is left on an account at an upstream: told by Segmind, and believed only where it can be."""

from decimal import Decimal

import httpx
import pytest

from providers import dialects

HEADER = "x-remaining-credits"


@pytest.mark.parametrize("value", ["0", "12", "12.5", "0.000000001", "999999999999.999999999999999999", " 7 "])
@pytest.mark.parametrize("name", [HEADER, "X-Remaining-Credits"])
def test_segmind_tells_what_is_left(name, value):
    assert dialects.get("segmind").remaining_credits({"server": "x", name: value}) == Decimal(value.strip())


def test_the_headers_of_a_real_answer_are_read():
    headers = httpx.Headers({"X-Remaining-Credits": "3.25"})
    assert dialects.get("segmind").remaining_credits(headers) == Decimal("3.25")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "-1",
            "+1",
            "-0",
            "nan",
            "NaN",
            "inf",
            "-Infinity",
            "1e309",
            "1e-5",
            "1E5",
            "soon",
            "1,5",
            "1.",
            ".5",
        ),
        *("1_000", "0x10", "1 2", "12 credits", "1\n2", "\u0661", "9" * 13, "0." + "1" * 19, "9" * 10_000, "1;2"),
    ],
)
def test_what_is_no_plain_number_of_credits_is_nothing(value):
    assert dialects.get("segmind").remaining_credits({HEADER: value}) is None


def test_a_header_that_is_missing_tells_nothing():
    assert dialects.get("segmind").remaining_credits({"x-remaining": "1"}) is None


@pytest.mark.parametrize("name", ["deepinfra", "eigenai", "openai", "thinking"])
def test_no_other_dialect_tells(name):
    assert dialects.get(name).remaining_credits({HEADER: "12"}) is None
