"""Credits as integers, and what tokens cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import divide_half_even, plain, to_nano
from billing.pricing import Rates, Tokens, affordable, ceiling, charge

EIGENAI = Rates("", input=400_000_000, output=2_000_000_000)


def test_a_credit_is_a_billion_nanocredits():
    assert to_nano("0.0105") == 10_500_000
    assert plain(10_500_000) == "0.0105"
    assert plain(20_000_000_000) == "20"
    assert plain(0) == "0"


@pytest.mark.parametrize("text", ["", "ten", "NaN", "Infinity", "1e400", "0.0000000001", "9000001"])
def test_what_is_no_amount_is_refused_in_words(text):
    with pytest.raises(ValueError, match="credits"):
        to_nano(text)


def test_documented_prices_are_charged_without_rounding():
    assert charge(EIGENAI, Tokens(prompt=1204, completion=310)) == 1204 * 400 + 310 * 2000 == 1_101_600


def test_reasoning_stands_inside_completion_and_is_not_billed_twice():
    assert charge(EIGENAI, Tokens(prompt=15, completion=250, reasoning=180)) == 506_000


def test_cached_and_reasoning_tokens_cost_their_own_rates_where_there_are_any():
    rates = Rates("", input=1_000_000, output=2_000_000, cached_input=100_000, reasoning=4_000_000)
    # 60 fresh + 40 cached at a tenth, 30 text + 20 of reasoning at twice the price
    assert charge(rates, Tokens(prompt=100, completion=50, reasoning=20, cached=40)) == 60 + 4 + 60 + 80


def test_rounding_is_half_to_even_and_once_a_request():
    third = Rates("", input=500_000, output=0)
    assert [charge(third, Tokens(prompt=n)) for n in (1, 2, 3, 4, 5)] == [0, 1, 2, 2, 2]
    assert divide_half_even(7, 2) == 4


def test_the_ceiling_takes_the_dearest_rate_and_rounds_up():
    rates = Rates("", input=1, output=1, reasoning=1_000_000)
    assert ceiling(rates, prompt=10, completion=3) == 4


def test_affordable_tokens_are_what_is_left_after_the_prompt():
    assert affordable(EIGENAI, prompt=100, available=1_040_000) == 500
    assert affordable(EIGENAI, prompt=100, available=39_999) == 0


@given(
    prompt=st.integers(0, 10**6),
    completion=st.integers(0, 10**6),
    most=st.integers(0, 10**6),
    rate_in=st.integers(0, 10**10),
    rate_out=st.integers(0, 10**10),
)
def test_no_charge_is_above_its_ceiling(prompt, completion, most, rate_in, rate_out):
    rates = Rates("", input=rate_in, output=rate_out)
    used = Tokens(prompt=prompt, completion=min(completion, most))
    assert charge(rates, used) <= ceiling(rates, prompt=prompt, completion=most)
