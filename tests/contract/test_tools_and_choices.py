"""Tools, several answers, JSON, stops and seeds: the same both ways, asked for and answered."""

import pytest

from providers import dialects
from providers.types import (
    ChatMessage,
    ContentDelta,
    Finished,
    ReasoningDelta,
    Sampling,
    ToolCall,
    ToolCallDelta,
    UsageReported,
)
from tests.contract.stories import ALL, STREAMING, USAGE, chunk, heard, wire

RICH = ["deepinfra", "openai"]
NAMED = {"id": "1", "created": 1700000000, "model": "m"}
LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look something up",
        "parameters": {"type": "object", "properties": {"où": {"type": "string"}}, "required": ["où"]},
        "strict": True,
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"où": "東京"}'}}
OTHER = {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ASKED = [
    {"role": "user", "content": "Where?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL, OTHER]},
    {"role": "tool", "content": "Here", "tool_call_id": "call_1"},
]


def body(**more):
    return {"model": "any", "messages": [{"role": "user", "content": "Hello!"}], **more}


@pytest.mark.parametrize("name", RICH)
def test_tools_are_asked_for_the_same_both_ways(name):
    dialect = dialects.get(name)
    given = body(messages=ASKED, tools=[LOOK], tool_choice="auto")
    request = dialect.read_request(given)
    assert request.messages == (
        ChatMessage("user", "Where?"),
        ChatMessage(
            "assistant",
            tool_calls=(ToolCall("call_1", "look", '{"où": "東京"}'), ToolCall("call_2", "look", "{}")),
        ),
        ChatMessage("tool", "Here", tool_call_id="call_1"),
    )
    assert request.sampling == Sampling(tools=(LOOK,), tool_choice="auto")
    assert dialect.write_request(request, "any") == given


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("deepinfra", "none"),
        ("deepinfra", "auto"),
        ("openai", "none"),
        ("openai", "required"),
        ("openai", {"type": "function", "function": {"name": "look"}}),
    ],
)
def test_the_choice_of_a_tool_is_the_same_both_ways(name, choice):
    request = dialects.get(name).read_request(body(tools=[LOOK], tool_choice=choice))
    assert request.sampling.tool_choice == choice
    assert dialects.get(name).write_request(request, "any")["tool_choice"] == choice


@pytest.mark.parametrize("name", RICH)
def test_a_whole_answer_of_calls_is_the_same_both_ways(name):
    dialect = dialects.get(name)
    message = {"role": "assistant", "content": None, "tool_calls": [CALL, OTHER]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    events = dialect.decode_answer({"choices": [choice], "usage": USAGE})
    assert events == [
        ToolCallDelta(0, 0, "call_1", "look", '{"où": "東京"}'),
        ToolCallDelta(0, 1, "call_2", "look", "{}"),
        Finished(0, "tool_calls"),
        UsageReported(prompt=15, completion=250, reasoning=180),
    ]
    given = dialect.encode_answer(events, **NAMED)["choices"][0]
    assert given["finish_reason"] == "tool_calls"
    assert given["message"].items() >= message.items()


PIECES = [
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}},
    {"index": 0, "function": {"arguments": '{"où": '}},
    {"index": 1, "id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
    {"index": 0, "function": {"arguments": '"東京"}'}},
]
CALLED = [
    ToolCallDelta(0, 0, "call_1", "look", ""),
    ToolCallDelta(0, 0, "", "", '{"où": '),
    ToolCallDelta(0, 1, "call_2", "look", "{}"),
    ToolCallDelta(0, 0, "", "", '"東京"}'),
]


@pytest.mark.parametrize("name", RICH)
def test_calls_come_in_pieces_the_same_both_ways(name):
    dialect = dialects.get(name)
    chunks = [chunk({"tool_calls": [piece]}) for piece in PIECES]
    assert heard(name, wire([*chunks, chunk({}, "tool_calls")])) == [*CALLED, Finished(0, "tool_calls")]
    given = [dialect.encode_event(event, **NAMED)["choices"][0]["delta"]["tool_calls"] for event in CALLED]
    assert given == [[piece] for piece in PIECES]
    whole = dialect.encode_answer([*CALLED, Finished(0, "tool_calls")], **NAMED)
    assert whole["choices"][0]["message"]["tool_calls"] == [CALL, OTHER]


@pytest.mark.parametrize("name", RICH)
def test_an_id_that_every_piece_repeats_is_told_once_for_each_call(name):
    repeated = [piece | {"id": f"call_{piece['index'] + 1}"} for piece in [*PIECES, PIECES[2]]]
    chunks = [chunk({"tool_calls": [piece]}) for piece in repeated]
    assert heard(name, wire([*chunks, chunk({}, "tool_calls")])) == [
        *CALLED,
        ToolCallDelta(0, 1, "", "", "{}"),
        Finished(0, "tool_calls"),
    ]


@pytest.mark.parametrize("name", RICH)
def test_several_pieces_of_several_calls_may_come_in_one_chunk(name):
    stream = wire([chunk({"content": "I look.", "tool_calls": PIECES}), chunk({}, "tool_calls")])
    assert heard(name, stream) == [ContentDelta(0, "I look."), *CALLED, Finished(0, "tool_calls")]


BOTH = [
    ContentDelta(1, "B"),
    ReasoningDelta(0, "a"),
    ContentDelta(1, "b"),
    ContentDelta(0, "A"),
    Finished(1, "length"),
    Finished(0, "stop"),
]


@pytest.mark.parametrize("name", RICH)
def test_several_answers_come_interleaved_the_same_both_ways(name):
    dialect = dialects.get(name)
    request = dialect.read_request(body(n=2))
    assert (request.sampling.n, dialect.write_request(request, "any")["n"]) == (2, 2)
    chunks = [dialect.encode_event(event, **NAMED) for event in BOTH]
    assert [one["choices"][0]["index"] for one in chunks] == [1, 0, 1, 0, 1, 0]
    assert heard(name, wire(chunks)) == BOTH


@pytest.mark.parametrize("name", ALL)
def test_a_whole_answer_holds_a_choice_for_each_index(name):
    choices = dialects.get(name).encode_answer(BOTH, **NAMED)["choices"]
    assert [(one["index"], one["message"]["content"], one["finish_reason"]) for one in choices] == [
        (0, "A", "stop"),
        (1, "Bb", "length"),
    ]
    assert choices[0]["message"]["reasoning_content"] == "a"
    assert dialects.get(name).decode_answer({"choices": choices}) == [
        ReasoningDelta(0, "a"),
        ContentDelta(0, "A"),
        Finished(0, "stop"),
        ContentDelta(1, "Bb"),
        Finished(1, "length"),
    ]


SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": {"type": "object"}}}
OBJECT = {"type": "json_object"}


@pytest.mark.parametrize(
    ("name", "field", "value", "canonical"),
    [(name, "response_format", OBJECT, OBJECT) for name in RICH]
    + [("openai", "response_format", SCHEMA, SCHEMA)]
    + [(name, "stop", "END", ("END",)) for name in RICH]
    + [(name, "stop", ["END", "\n\n"], ("END", "\n\n")) for name in RICH]
    + [(name, "seed", 2**63 - 1, 2**63 - 1) for name in RICH]
    + [(name, "seed", 0, 0) for name in RICH],
)
def test_json_stops_and_seeds_are_the_same_both_ways(name, field, value, canonical):
    given = body(**{field: value})
    request = dialects.get(name).read_request(given)
    assert request.sampling == Sampling(**{field: canonical})
    assert dialects.get(name).write_request(request, "any") == given


@pytest.mark.parametrize("name", ALL)
def test_an_answer_that_comes_whole_is_one_piece_of_text(name):
    message = {"role": "assistant", "content": "Why did the dog? </s>"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    assert dialects.get(name).decode_answer({"choices": [choice]}) == [
        ContentDelta(0, "Why did the dog? </s>"),
        Finished(0, "stop"),
    ]


@pytest.mark.parametrize("name", STREAMING)
def test_a_stream_may_hold_the_whole_answer_in_one_piece(name):
    stream = wire([chunk({"role": "assistant", "content": "Süß 🍰", "reasoning_content": "Hm"}, "stop", usage=USAGE)])
    assert heard(name, stream) == [
        ReasoningDelta(0, "Hm"),
        ContentDelta(0, "Süß 🍰"),
        Finished(0, "stop"),
        UsageReported(prompt=15, completion=250, reasoning=180),
    ]
