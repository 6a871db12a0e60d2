"""The form of a chat's parameters, as each dialect's schema makes it."""

import pytest

from conversations.parameters import ParameterForm, fields_of, read_posted, texts_of, texts_posted
from providers.errors import InvalidRequest
from providers.models import Model

EFFORT = ("effort", "reasoning_effort", "Reasoning effort", "choice", "", "one of Low, Medium, High")
BUDGET = (
    "budget_tokens",
    "thinking.budget_tokens",
    "Thinking budget",
    "integer",
    "",
    "a whole number from 128 to 8,192",
)
THINKING = ("thinking", "thinking.type", "Thinking", "switch", "", "a number")
MAX_TOKENS = ("max_tokens", "max_tokens", "Max tokens", "integer", "", "a whole number from 1 to 1,000,000")
MIN_P = ("min_p", "min_p", "Min p", "number", "0", "a number from 0 to 1")
PENALTIES = [
    ("presence_penalty", "presence_penalty", "Presence penalty", "number", "0", "a number from −2 to 2"),
    ("frequency_penalty", "frequency_penalty", "Frequency penalty", "number", "0", "a number from −2 to 2"),
    ("repetition_penalty", "repetition_penalty", "Repetition penalty", "number", "1", "a number from 0.01 to 5"),
]
FORMAT = ("response_format", "response_format.type", "Response format", "choice", "", "one of Text, JSON")
STOP = ("stop", "stop", "Stop sequences", "lines", "", "at most 16 lines of up to 200 characters")
FORMS = {
    "eigenai": [
        ("thinking", "chat_template_kwargs.thinking", "Thinking", "switch", "", "a number"),
        EFFORT,
        ("temperature", "temperature", "Temperature", "number", "0.7", "a number from 0 to 2"),
        ("max_tokens", "max_tokens", "Max tokens", "integer", "4096", "a whole number from 1 to 1,000,000"),
        ("top_p", "top_p", "Top p", "number", "", "a number over 0, up to 1"),
        ("top_k", "top_k", "Top k", "integer", "", "a whole number from 1 to 2,147,483,647"),
    ],
    "thinking": [
        THINKING,
        BUDGET,
        ("temperature", "temperature", "Temperature", "number", "1", "a number from 0 to 2"),
        MAX_TOKENS,
    ],
    "segmind": [],
    "deepinfra": [
        ("temperature", "temperature", "Temperature", "number", "1", "a number from 0 to 2"),
        ("max_tokens", "max_tokens", "Max tokens", "integer", "", "a whole number from 0 to 1,000,000"),
        ("top_p", "top_p", "Top p", "number", "1", "a number over 0, up to 1"),
        ("top_k", "top_k", "Top k", "integer", "0", "a whole number from 0 to 999"),
        MIN_P,
        ("seed", "seed", "Seed", "integer", "", "a whole number from 0 to 9,007,199,254,740,991"),
        *PENALTIES,
        FORMAT,
        STOP,
    ],
    "openai": [
        THINKING,
        BUDGET,
        EFFORT,
        ("temperature", "temperature", "Temperature", "number", "1", "a number from 0 to 2"),
        MAX_TOKENS,
        ("top_p", "top_p", "Top p", "number", "1", "a number from 0 to 1"),
        ("top_k", "top_k", "Top k", "integer", "0", "a whole number from 0 to 2,147,483,647"),
        MIN_P,
        (
            "seed",
            "seed",
            "Seed",
            "integer",
            "",
            "a whole number from −9,007,199,254,740,991 to 9,007,199,254,740,991",
        ),
        *PENALTIES,
        FORMAT,
        STOP,
    ],
}


def fields(dialect, thinks=True):
    return {field.name: field for field in fields_of(Model(dialect=dialect, thinks=thinks))}


@pytest.mark.parametrize("dialect", FORMS)
def test_the_form_of_each_dialect(dialect):
    shown = [(f.name, f.dotted, f.label, f.kind, f.default, f.rule) for f in fields(dialect).values()]
    assert shown == FORMS[dialect]


def test_a_model_that_does_not_think_has_nothing_to_set_about_it():
    assert list(fields("thinking", thinks=False)) == ["temperature", "max_tokens"]
    assert not ParameterForm.of(Model(dialect="openai", thinks=False), {}).can_think


def test_exclusive_bounds_and_what_an_arrow_key_adds():
    infra = fields("deepinfra")
    assert (infra["top_p"].minimum, infra["top_p"].above, infra["top_p"].maximum) == (None, 0, 1)
    assert (infra["top_k"].minimum, infra["top_k"].maximum, infra["top_k"].below) == (0, 999, None)
    steps = [infra[name].step for name in ("temperature", "top_p", "top_k", "repetition_penalty", "presence_penalty")]
    assert steps == ["0.1", "0.01", "1", "0.01", "0.1"]


def test_a_bound_beyond_a_billion_is_not_shown_beside_the_label():
    assert [fields(name)["seed"].range for name in ("deepinfra", "openai")] == ["0 or more", ""]
    assert fields("eigenai")["top_k"].range == "1 or more"
    assert fields("deepinfra")["stop"].range == "up to 16 lines"


def test_what_equals_the_default_does_not_count_as_set():
    params = {"temperature": 0.7, "max_tokens": 4096, "top_p": 0.5, "effort": "high"}
    model = Model(dialect="eigenai", thinks=True)
    assert ParameterForm.of(model, texts_of(params)).set_count == 2
    assert ParameterForm.of(model, texts_of(params | {"thinking": False})).set_count == 1


def test_stored_values_stand_in_the_form_as_they_would_be_typed():
    texts = texts_of({"thinking": False, "temperature": 1.0, "top_p": 0.95, "seed": 7, "stop": ["END", "###"]})
    assert texts == {"thinking": "", "temperature": "1", "top_p": "0.95", "seed": "7", "stop": "END\n###"}
    assert texts_of({}) == {"thinking": "on"}


def test_what_a_form_posts_is_read_as_its_types():
    posted = {
        "temperature": "0.5",
        "top_k": "40",
        "seed": "",
        "stop": "END\r\n\r\n ###\r\n",
        "response_format": "json_object",
        "budget_tokens": "of no use here",
        "thinking": "on",
        "can_think": "1",
    }
    params = read_posted(posted, tuple(fields("deepinfra").values()))
    assert params.as_json() == {
        "temperature": 0.5,
        "top_k": 40,
        "stop": ["END", " ###"],
        "response_format": "json_object",
    }


@pytest.mark.parametrize(
    ("posted", "read"),
    [
        ({"can_think": "1", "thinking": "on", "budget_tokens": "256"}, {"thinking": True, "budget_tokens": 256}),
        ({"can_think": "1", "budget_tokens": "256"}, {"thinking": False}),
        ({}, {}),
    ],
)
def test_thinking_is_off_where_its_box_was_there_and_empty(posted, read):
    assert read_posted(posted, tuple(fields("thinking").values())).as_json() == read
    assert texts_posted(posted).get("thinking") == ("on" if read != {"thinking": False} else None)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("top_k", "4.5", "Top k must be a whole number from 0 to 999."),
        ("top_p", "much", "Top p must be a number over 0, up to 1."),
        ("seed", "9" * 5000, "Seed must be a whole number from 0 to 9,007,199,254,740,991."),
    ],
)
def test_a_text_that_is_no_number_is_refused_at_its_field(name, text, message):
    with pytest.raises(InvalidRequest) as refused:
        read_posted({name: text}, tuple(fields("deepinfra").values()))
    assert (refused.value.param, refused.value.message) == (name, message)


@pytest.mark.parametrize("param", ["stop", "stop[2]", "thinking.budget_tokens", "budget_tokens"])
def test_a_refusal_stands_beside_the_field_that_it_names(param):
    form = ParameterForm.of(Model(dialect="openai", thinks=True), {}, InvalidRequest("Not so.", param=param))
    assert [entry.field.name for entry in form.entries if entry.error == "Not so."] == [
        "stop" if "stop" in param else "budget_tokens"
    ]
    assert form.is_refused
