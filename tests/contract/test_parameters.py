"""The schemas as people read them: the parameter table, and the JSON schema of a body."""

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from providers import dialects
from providers.dialects import Parameter, json_schema
from tests.contract import documents

MODEL = Parameter("model", "string", "", required=True)
MESSAGES = Parameter("messages", "array", "", required=True)
HELLO = json.loads(documents.DEEPINFRA_REQUEST)
STREAM = Parameter("stream", "boolean", "", default=False)
# What the documents say, in their order, with their types, defaults, ranges and choices. Where a document gives no
# bound, ours stands: an answer is at least one token and at most a million, nucleus sampling is a probability.
DOCUMENTED = {
    "eigenai": [
        MODEL,
        MESSAGES,
        Parameter("max_tokens", "integer", "", default=4096, minimum=1, maximum=1_000_000),
        Parameter("chat_template_kwargs", "object", ""),
        Parameter("chat_template_kwargs.thinking", "boolean", ""),
        Parameter("reasoning_effort", "string", "", choices=("low", "medium", "high")),
        Parameter("separate_reasoning", "boolean", ""),
        Parameter("temperature", "number", "", default=0.7, minimum=0, maximum=2),
        Parameter("top_p", "number", "", exclusive_minimum=0, maximum=1),
        Parameter("top_k", "integer", "", minimum=1, exclusive_maximum=2**31),
        STREAM,
    ],
    "thinking": [
        MODEL,
        MESSAGES,
        Parameter("thinking", "object", ""),
        Parameter("thinking.type", "string", "", choices=("enabled", "disabled")),
        Parameter("thinking.budget_tokens", "integer", "", minimum=128, maximum=8192),
        Parameter("temperature", "number", "", default=1, minimum=0, maximum=2),
        Parameter("max_tokens", "integer", "", minimum=1, maximum=1_000_000),
        STREAM,
    ],
    "segmind": [MESSAGES],
    "deepinfra": [
        MODEL,
        MESSAGES,
        STREAM,
        Parameter("temperature", "number", "", default=1, minimum=0, maximum=2),
        Parameter("top_p", "number", "", default=1, exclusive_minimum=0, maximum=1),
        Parameter("min_p", "number", "", default=0, minimum=0, maximum=1),
        Parameter("top_k", "integer", "", default=0, minimum=0, exclusive_maximum=1000),
        Parameter("max_tokens", "integer", "", minimum=0, maximum=1_000_000),
        Parameter("stop", "array", "", max_items=16),
        Parameter("n", "integer", "", default=1, minimum=1, maximum=4),
        Parameter("presence_penalty", "number", "", default=0, minimum=-2, maximum=2),
        Parameter("frequency_penalty", "number", "", default=0, minimum=-2, maximum=2),
        Parameter("tools", "array", ""),
        Parameter("tool_choice", "string", "", choices=("none", "auto")),
        Parameter("response_format", "object", ""),
        Parameter("response_format.type", "string", "", choices=("text", "json_object")),
        Parameter("repetition_penalty", "number", "", default=1, minimum=0.01, maximum=5),
        Parameter("user", "string", ""),
        Parameter("seed", "integer", "", minimum=0, exclusive_maximum=2**63),
    ],
}
# Not documented, and needed: how a stream is asked for its token counts.
ASKING = [
    Parameter("stream_options", "object", ""),
    Parameter("stream_options.include_usage", "boolean", "", default=False),
]


def table(name: str) -> list[Parameter]:
    """The parameters of a dialect, without what is said about them."""
    return [replace(parameter, description="") for parameter in dialects.get(name).parameters()]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_documented_parameter_has_its_type_its_default_and_its_range(name):
    assert table(name) == DOCUMENTED[name] + (ASKING if name == "deepinfra" else [])


@pytest.mark.parametrize("name", ["eigenai", "segmind"])
def test_a_documented_message_is_a_role_and_a_content(name):
    message = json_schema(dialects.get(name).Request)["$defs"]["PlainMessage"]
    assert message["required"] == ["role", "content"]
    assert list(message["properties"]) == ["role", "content"]
    assert message["properties"]["role"]["enum"] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("eigenai", json.loads(documents.EIGENAI_REQUEST)),
        ("thinking", json.loads(documents.THINKING_REQUEST)),
        ("segmind", json.loads(documents.SEGMIND_REQUEST)),
        ("deepinfra", json.loads(documents.DEEPINFRA_CONVERSATION_REQUEST)),
        ("deepinfra", json.loads(documents.DEEPINFRA_STREAM_REQUEST)),
        ("deepinfra", HELLO | {"stop": "END"}),
        ("deepinfra", HELLO | {"stop": ["END"] * 16}),
        ("openai", HELLO | {"stop": "END", "tool_choice": "required"}),
        ("openai", HELLO | {"tool_choice": {"type": "function", "function": {"name": "look"}}}),
    ],
)
def test_the_json_schema_takes_what_the_documents_show(name, body):
    listed = Draft202012Validator(json_schema(dialects.get(name).Request))
    assert listed.is_valid(body)
    for field, wrong in [("messages", "Hello!"), ("temperature", 3), ("stop", ["END"] * 17), ("tool_choice", 5)]:
        if field in listed.schema["properties"]:
            assert not listed.is_valid(body | {field: wrong}), field


def test_a_parameter_is_described_in_the_words_of_its_document():
    described = {parameter.name: parameter.description for parameter in dialects.get("thinking").parameters()}
    assert described["thinking.budget_tokens"] == "Maximum tokens for thinking"
    assert described["max_tokens"] == "Maximum number of tokens to generate"


def test_every_parameter_is_described_and_no_absent_default_is_shown():
    parameters = [parameter for name in dialects.DIALECTS for parameter in dialects.get(name).parameters()]
    assert [parameter.name for parameter in parameters if not parameter.description] == []
    assert "default" not in json_schema(dialects.get("thinking").Request)["properties"]["max_tokens"]
