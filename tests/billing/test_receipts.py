"""Receipts: exact figures in words, and lines that add up to the charge whatever the record says."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.models import Account, Hold, Price, UsageRecord
from billing.money import LIMIT, MILLION
from billing.pricing import Rates, Tokens, charge
from billing.receipts import CAPPED, UNEXPLAINED, exact, receipt

PLACE = UUID("019a0000-0000-7000-8000-000000000001")
RATES = {"input": 400_000_000, "output": 2_000_000_000, "cached_input": None, "reasoning": None}
FREE = {"version": "", "input": 0, "output": 0, "cached_input": None, "reasoning": None}
CHARGED = 1204 * 400 + 310 * 2000


def record(*, promised=RATES, held=LIMIT - 1, dated=True, **fields):
    """A usage record as rows in memory: receipts ask no database."""
    rates = {"version": str(uuid4())} | promised if promised else None
    price = Price(effective_from=datetime(2026, 11, 1, 23, 30, tzinfo=UTC), deployment_id=PLACE, **RATES)
    hold = Hold(wallet=Account(kind="wallet"), amount=held, prices={str(PLACE): rates} if rates else {})
    values = {
        "user_id": uuid4(),
        "purpose": "chat",
        "deployment_id": PLACE,
        "price": price if dated else None,
        "prompt_tokens": 1204,
        "completion_tokens": 310,
        "charge": CHARGED,
        "source": "reported",
        "outcome": "done",
    }
    return UsageRecord(hold=hold, **values | fields)


def lines(found):
    return [(line.label, line.tokens, line.price, line.credits) for line in receipt(found).lines]


def test_a_receipt_calculates_in_words_and_in_lines_with_every_digit():
    found = record(reasoning_tokens=180)
    assert receipt(found).words == (
        "1,204 in × 0.40 + 310 out × 2.00 per million, of which 180 reasoning; "
        "price of 2026-11-01; reported by upstream"
    )
    assert lines(found) == [("in", 1204, "0.40", "0.000481600"), ("out", 310, "2.00", "0.000620000")]
    assert receipt(found).total == "0.001101600"
    assert receipt(found).sentences == []


def test_cached_input_and_reasoning_stand_alone_where_they_have_a_price_of_their_own():
    own = {"input": 400_000_000, "output": 2_000_000_000, "cached_input": 10_500_000, "reasoning": 3_000_000_000}
    found = record(promised=own, cached_tokens=204, reasoning_tokens=100, charge=400_000 + 2_142 + 420_000 + 300_000)
    assert receipt(found).words == (
        "1,000 in × 0.40 + 204 cached in × 0.0105 + 210 out × 2.00 + 100 reasoning × 3.00 per million; "
        "price of 2026-11-01; reported by upstream"
    )
    assert [line[3] for line in lines(found)] == ["0.000400000", "0.000002142", "0.000420000", "0.000300000"]


def test_cached_input_and_reasoning_without_a_price_of_their_own_are_named_as_parts():
    words = receipt(record(cached_tokens=204, reasoning_tokens=100)).words
    assert words.startswith("1,204 in × 0.40 + 310 out × 2.00 per million, of which 204 cached and 100 reasoning;")


def test_a_price_of_nothing_for_reasoning_is_a_price_of_its_own():
    found = record(promised=RATES | {"reasoning": 0}, reasoning_tokens=110, charge=481_600 + 400_000)
    assert lines(found)[1:] == [("out", 200, "2.00", "0.000400000"), ("reasoning", 110, "0.00", "0.000000000")]


def test_what_was_promised_counts_and_not_the_price_of_the_row():
    dearer = RATES | {"input": 1_000_000_000}
    assert lines(record(promised=dearer, charge=1_204_000 + 620_000))[0][2] == "1.00"


def test_without_a_promise_on_the_hold_the_recorded_version_is_shown():
    assert receipt(record(promised=None)).words.startswith("1,204 in × 0.40 + 310 out × 2.00 per million;")


SAID = [
    ({"source": "counted"}, ["No usable count came from the upstream, so the tokens are counted here."]),
    (
        {"own_key": True, "promised": FREE, "charge": 0, "upstream_cost": Decimal("0.000123000000")},
        [
            "Your own key: nothing is charged here, and your provider bills you.",
            "The provider reports a cost of 0.000123.",
        ],
    ),
    ({"simulated": True}, ["The simulated upstream answered, at the model’s price."]),
    (
        {"simulated": True, "promised": RATES | {"input": 0, "output": 0}, "charge": 0},
        ["The simulated upstream answered.", "The price is 0.00, so nothing is charged."],
    ),
    ({"promised": FREE, "charge": 0}, ["There was no price, so nothing is charged."]),
    (
        {"purpose": "test", "own_key": True, "promised": FREE, "charge": 0},
        [
            "A test of a key, asked with one tiny request.",
            "Your own key: nothing is charged here, and your provider bills you.",
        ],
    ),
    ({"purpose": "test", "user_id": None}, ["A test of the team’s key: the house pays."]),
    (
        {"outcome": "stopped"},
        ["It was stopped before its end. The charge is for the prompt and for what had arrived."],
    ),
    (
        {"outcome": "failed"},
        ["The upstream failed in the middle. The charge is for the prompt and for what had arrived."],
    ),
    (
        {"outcome": "interrupted"},
        ["The site was stopped in the middle. The charge is for the prompt and for what had been saved."],
    ),
    (
        {"outcome": "stopped", "own_key": True, "promised": FREE, "charge": 0},
        [
            "Your own key: nothing is charged here, and your provider bills you.",
            "It was stopped before its end.",
        ],
    ),
]


@pytest.mark.parametrize(("fields", "sentences"), SAID)
def test_a_receipt_says_why(fields, sentences):
    assert receipt(record(**fields)).sentences == sentences


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("done", "Not one token came, so nothing is charged."),
        ("stopped", "It was stopped before the first token, so nothing is charged."),
        ("failed", "It failed before the first token, so nothing is charged."),
        ("interrupted", "The site was stopped before a token was saved, so nothing is charged."),
    ],
)
def test_what_brought_no_token_is_free_and_says_so(outcome, sentence):
    empty = receipt(record(prompt_tokens=0, completion_tokens=0, charge=0, outcome=outcome, source="counted"))
    assert (empty.words, empty.lines, empty.total) == ("no tokens; nothing is charged", [], "0.000000000")
    assert empty.sentences == [sentence]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"own_key": True, "promised": FREE, "charge": 0, "reasoning_tokens": 180},
            "1,204 in + 310 out, of which 180 reasoning; your own key: nothing is charged here; reported by upstream",
        ),
        (
            {"promised": FREE, "charge": 0, "source": "counted"},
            "1,204 in + 310 out; without a price; counted here",
        ),
    ],
)
def test_what_has_no_price_is_not_multiplied(fields, words):
    assert receipt(record(**fields)).words == words


def test_a_charge_capped_at_the_hold_shows_what_was_not_charged():
    found = record(held=1_000_000, charge=1_000_000)
    assert lines(found)[-1] == (CAPPED, None, "", "−0.000101600")
    assert "more than was held, 0.001 credits: nobody pays more than that." in receipt(found).sentences[-1]


def test_rounding_is_a_line_of_its_own_finer_than_a_nanocredit():
    fine = RATES | {"input": 333, "output": 500_000}
    found = record(promised=fine, prompt_tokens=1, completion_tokens=1, charge=1)
    assert lines(found) == [
        ("in", 1, "0.000000333", "0.000000000000333"),
        ("out", 1, "0.0005", "0.0000000005"),
        ("Rounded to a nanocredit", None, "", "0.000000000499667"),
    ]


def test_a_charge_that_the_prices_do_not_explain_is_said_to_be_one():
    found = record(charge=CHARGED + 7)
    assert lines(found)[-1] == (UNEXPLAINED, None, "", "0.000000007")
    assert receipt(found).sentences == [
        "The prices on record do not explain this charge. Show this receipt to an admin."
    ]


def test_amounts_have_nine_decimals_and_more_where_they_are_finer():
    assert exact(0) == "0.000000000"
    assert exact(-1) == "−0.000000000000001"
    assert exact((LIMIT - 1) * MILLION) == "8,999,999.999999999"


counts = st.integers(0, 2_000_000)
rates = st.fixed_dictionaries(
    {
        "input": st.integers(0, LIMIT - 1),
        "output": st.integers(0, LIMIT - 1),
        "cached_input": st.none() | st.integers(0, LIMIT - 1),
        "reasoning": st.none() | st.integers(0, LIMIT - 1),
    }
)


@given(
    promised=rates | st.none() | st.just(FREE),
    prompt=counts,
    completion=counts,
    parts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    held=st.integers(0, LIMIT - 1),
    stored=st.none() | st.integers(0, LIMIT - 1),
    outcome=st.sampled_from(UsageRecord.Outcome.values),
    source=st.sampled_from(["reported", "counted"]),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    purpose=st.sampled_from(["chat", "title", "test", "made-up"]),
)
def test_the_lines_of_any_record_add_up_to_its_charge(
    promised, prompt, completion, parts, held, stored, outcome, source, flags, purpose
):
    cached, reasoning = int(prompt * parts[0]), int(completion * parts[1])
    due = (
        charge(Rates("", **promised), Tokens(prompt, completion, reasoning, cached))
        if promised not in (None, FREE)
        else 0
    )
    own_key, simulated, dated = flags
    found = record(
        promised=promised,
        held=held,
        dated=dated,
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
        charge=min(due, held) if stored is None else stored,
        outcome=outcome,
        source=source,
        own_key=own_key,
        simulated=simulated,
        purpose=purpose,
    )
    made = receipt(found)
    assert sum(line.amount for line in made.lines) == found.charge * MILLION
    assert all(line.amount == line.tokens * line.rate for line in made.lines if line.tokens)
    if stored is None and promised is not None:
        assert UNEXPLAINED not in [line.label for line in made.lines]
        assert (CAPPED in [line.label for line in made.lines]) == (due > held)
