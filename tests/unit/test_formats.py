"""Numbers as people read them."""

import pytest

from conversations.templatetags import formats


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (834_567, "0.00083"),
        (995_000, "0.001"),
        (12_345_678, "0.012"),
        (500_000_000, "0.5"),
        (3_400_000_000, "3.40"),
        (1_234_567_890_123, "1,234.57"),
    ],
)
def test_a_charge_is_shown_to_the_digits_that_matter(nano, shown):
    assert formats.credits(nano) == shown


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (10_000_000_000, "10.00"),
        (9_999_170_000, "9.9991"),
        (9_997_000_000, "9.9970"),
        (99_999, "0.00"),
        (1_234_500_000_000, "1,234.50"),
    ],
)
def test_a_balance_is_never_rounded_up(nano, shown):
    assert formats.balance(nano) == shown


@pytest.mark.parametrize(("nano", "shown"), [(400_000_000, "0.40"), (2_000_000_000, "2.00"), (125_000, "0.000125")])
def test_a_price_is_exact(nano, shown):
    assert formats.price(nano) == shown


@pytest.mark.parametrize(("tokens", "shown"), [(128_000, "128K"), (16_384, "16K"), (900, "900"), (1_000_000, "1,000K")])
def test_a_context_is_shown_in_thousands(tokens, shown):
    assert formats.context_size(tokens) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.2, "1 s"), (12.4, "12 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s")])
def test_a_duration_is_whole_seconds(seconds, shown):
    assert formats.duration(seconds) == shown
