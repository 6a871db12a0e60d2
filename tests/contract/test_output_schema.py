"""What a page says that an answer looks like is what answers look like: the documents' and ours."""

import json
from copy import deepcopy
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from providers import dialects
from providers.dialects import json_schema
from providers.types import ContentDelta, Finished, ReasoningDelta, ToolCallDelta, UsageReported
from tests.contract import documents
from tests.contract.stories import ALL, STREAMING

CALLING = ["deepinfra", "openai"]
NAMED = {"id": "1", "created": 1700000000, "model": "m"}
PLAIN = [ContentDelta(0, "Hi"), Finished(0, "stop"), UsageReported(1, 2)]
THOUGHT = [ReasoningDelta(0, "Hm"), ContentDelta(0, "Süß"), Finished(0, "length"), UsageReported(9, 8, reasoning=7)]
TWO = [
    ContentDelta(1, "B"),
    ContentDelta(0, "A"),
    Finished(1, "content_filter"),
    Finished(0, "stop"),
    UsageReported(1, 2),
]
PRICED = [ContentDelta(0, "Hi"), Finished(0, "stop"), UsageReported(1, 2, 1, 1, Decimal("0.0000268"))]
CALLED = [
    ToolCallDelta(0, 0, "call_1", "look", '{"a"'),
    ToolCallDelta(0, 0, "", "", ":1}"),
    Finished(0, "tool_calls"),
    UsageReported(1, 2),
]
CHUNKS = [line[6:] for line in documents.DEEPINFRA_STREAM.split("\n") if line.startswith("data: {")]
RICH = [ReasoningDelta(0, "Hm"), *PRICED]
NO_REASONING = "without choices.0.message.reasoning_content"
NO_COST = "without usage.estimated_cost"
NO_REASONING_TOKENS = "without usage.reasoning_tokens"
NO_TEXT = "choices.0.message.content = null"


def fits(schema, body):
    """Whether a body is as the schema says; its model and its JSON schema have to agree."""
    listed = Draft202012Validator(json_schema(schema)).is_valid(body)
    try:
        schema.model_validate(body)
    except ValidationError:
        assert not listed, body
        return False
    assert listed, body
    return True


def damages(body):
    """Copies of a body, each with one thing wrong: a field dropped, of another type, null, or unheard of."""
    for *way, key in _paths(body):
        name = ".".join(map(str, (*way, key)))
        for value in ([], {}, "x", -1, None, True, 0.5):
            owner, copy = _copied(body, way)
            if type(owner[key]) is not type(value):
                owner[key] = value
                yield f"{name} = {json.dumps(value)}", copy
        owner, copy = _copied(body, way)
        if isinstance(owner, dict):
            del owner[key]
            yield f"without {name}", copy
        owner, copy = _copied(body, (*way, key))
        if isinstance(owner, dict):
            owner["unheard_of"] = 1
            yield f"more in {name}", copy


def _paths(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield *path, key
        yield from _paths(part, (*path, key))


def _copied(body, way):
    """What a copy of the body holds at the end of the way, and the copy."""
    owner = copy = deepcopy(body)
    for key in way:
        owner = owner[key]
    return owner, copy


def forgiven(schema, body):
    """The damages that are none to the schema."""
    return {damage for damage, copy in damages(body) if fits(schema, copy)}


@pytest.mark.parametrize(
    ("name", "text", "free"),
    [
        ("thinking", documents.THINKING_ANSWER, {NO_REASONING}),
        ("deepinfra", documents.DEEPINFRA_ANSWER, {NO_TEXT, NO_COST}),
        ("deepinfra", documents.DEEPINFRA_CONVERSATION_ANSWER, {NO_TEXT, NO_COST}),
    ],
)
def test_the_documented_answers_fit_and_nothing_that_is_damaged_does(name, text, free):
    schema, body = dialects.get(name).Answer, json.loads(text)
    assert fits(schema, body)
    assert forgiven(schema, body) == free


@pytest.mark.parametrize("text", CHUNKS)
def test_the_documented_chunks_fit_and_nothing_that_is_damaged_does(text):
    schema, body = dialects.get("deepinfra").Chunk, json.loads(text)
    assert fits(schema, body)
    last = {"choices.0.finish_reason = null"}
    free = {"without choices.0.delta.role", "without choices.0.delta.content"}
    assert forgiven(schema, body) == (free if body["choices"][0]["delta"] else last)


@pytest.mark.parametrize("told", [PLAIN, THOUGHT, TWO, PRICED, RICH])
@pytest.mark.parametrize("name", ALL)
def test_every_answer_of_ours_fits(name, told):
    assert fits(dialects.get(name).Answer, dialects.get(name).encode_answer(told, **NAMED))


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("eigenai", {NO_REASONING, NO_REASONING_TOKENS, NO_COST}),
        ("segmind", {NO_REASONING, NO_REASONING_TOKENS, NO_COST}),
        ("thinking", {NO_REASONING}),
        ("deepinfra", {NO_REASONING, NO_REASONING_TOKENS, NO_COST, NO_TEXT}),
        ("openai", {NO_COST, NO_TEXT}),
    ],
)
def test_an_answer_of_ours_that_is_damaged_does_not_fit(name, free):
    schema, body = dialects.get(name).Answer, dialects.get(name).encode_answer(RICH, **NAMED)
    assert forgiven(schema, body) == free


@pytest.mark.parametrize("name", CALLING)
def test_an_answer_of_calls_fits(name):
    dialect = dialects.get(name)
    body = dialect.encode_answer(CALLED, **NAMED)
    assert body["choices"][0]["message"]["content"] is None
    assert fits(dialect.Answer, body)
    body["choices"][0]["message"]["tool_calls"] = []
    assert not fits(dialect.Answer, body)


@pytest.mark.parametrize("name", ["eigenai", "segmind", "thinking"])
def test_where_no_tool_can_be_given_no_call_is_promised(name):
    assert not fits(dialects.get(name).Answer, dialects.get(name).encode_answer(CALLED, **NAMED))


text = st.text(max_size=10)
indexes = st.integers(0, 127)
counts = st.integers(0, 10**9)
COMMON = [
    st.builds(ContentDelta, indexes, text),
    st.builds(ReasoningDelta, indexes, text),
    st.builds(Finished, indexes, st.sampled_from(["stop", "length", "tool_calls", "content_filter"])),
    st.builds(UsageReported, counts, counts, counts, counts, st.none() | st.decimals(0, 10**9, places=9)),
]
CALLS = st.builds(ToolCallDelta, indexes, indexes, text, text, text)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", STREAMING)
def test_every_chunk_of_ours_fits(name, data):
    dialect = dialects.get(name)
    event = data.draw(st.one_of(*COMMON, *([CALLS] if name in CALLING else [])))
    start, body = dialect.encode_start(**NAMED), dialect.encode_event(event, **NAMED)
    assert [chunk for chunk in (start, body) if chunk and not fits(dialect.Chunk, chunk)] == []


@pytest.mark.parametrize("name", ALL)
def test_every_field_of_an_answer_is_described(name):
    dialect = dialects.get(name)
    for schema in filter(None, (dialect.Answer, dialect.Chunk)):
        root = json_schema(schema)
        owners = {"": root, **root["$defs"]}
        fields = {(owner, name): field for owner, node in owners.items() for name, field in node["properties"].items()}
        plain = {place: field for place, field in fields.items() if "$ref" not in field}
        assert [place for place, field in plain.items() if "description" not in field] == []
        assert root["description"]
