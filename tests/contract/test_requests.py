"""Every documented range, and what happens to requests that an upstream cannot honour."""

from dataclasses import replace

import pytest

from providers import dialects
from providers.dialects import drop_unsupported, unknown_fields
from providers.errors import InvalidRequest
from providers.types import ChatMessage, ChatRequest, Sampling, Thinking, ToolCall

ALL = ["eigenai", "thinking", "segmind", "deepinfra", "openai"]
BODY = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}
ASKED = ChatRequest("any", (ChatMessage("user", "Hello!"),), stream=False)
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "description": None}}}

# (dialect, field, values at and within the documented bounds, values just past them, the range as it is told)
RANGES = [
    ("eigenai", "temperature", [0, 2, 0.7], [-0.01, 2.01], "0 ≤ temperature ≤ 2"),
    ("eigenai", "top_p", [0.01, 1], [0, 1.01], "0 < top_p ≤ 1"),
    ("eigenai", "top_k", [1, 50], [0, -1], "1 ≤ top_k"),
    ("eigenai", "max_tokens", [1, 4096], [0], "1 ≤ max_tokens"),
    ("eigenai", "reasoning_effort", ["low", "medium", "high"], ["max"], "one of low, medium, high"),
    ("thinking", "temperature", [0, 2, 1], [-0.01, 2.01], "0 ≤ temperature ≤ 2"),
    ("thinking", "max_tokens", [1, 8192], [0, -1], "1 ≤ max_tokens"),
    ("deepinfra", "temperature", [0, 2], [-0.01, 2.01], "0 ≤ temperature ≤ 2"),
    ("deepinfra", "top_p", [0.0001, 1], [0, 1.0001], "0 < top_p ≤ 1"),
    ("deepinfra", "min_p", [0, 1], [-0.01, 1.01], "0 ≤ min_p ≤ 1"),
    ("deepinfra", "top_k", [0, 999], [-1, 1000], "0 ≤ top_k < 1000"),
    ("deepinfra", "max_tokens", [0, 1_000_000], [-1, 1_000_001], "0 ≤ max_tokens ≤ 1000000"),
    ("deepinfra", "stop", ["END", ["a"] * 16], [["a"] * 17, 5], "a string that is not empty or a list of at most 16"),
    ("deepinfra", "stop", [" ", ["a", "b"]], ["", [""], [5]], "stop[0] must be a string that is not empty"),
    ("deepinfra", "n", [1, 4], [0, 5], "1 ≤ n ≤ 4"),
    ("deepinfra", "presence_penalty", [-2, 2], [-2.01, 2.01], "-2 ≤ presence_penalty ≤ 2"),
    ("deepinfra", "frequency_penalty", [-2, 2], [-2.01, 2.01], "-2 ≤ frequency_penalty ≤ 2"),
    ("deepinfra", "repetition_penalty", [0.01, 5], [0.009, 5.01], "0.01 ≤ repetition_penalty ≤ 5"),
    ("deepinfra", "seed", [0, 2**63 - 1], [-1, 2**63], "0 ≤ seed < 9223372036854775808"),
    ("deepinfra", "tool_choice", ["none", "auto"], ["required", {}], "one of none, auto"),
    ("openai", "temperature", [0, 2], [-0.01, 2.01], "0 ≤ temperature ≤ 2"),
    ("openai", "max_tokens", [1], [0], "1 ≤ max_tokens"),
    ("openai", "n", [1, 128], [0, 129], "1 ≤ n ≤ 128"),
    ("openai", "tool_choice", ["required", {"type": "function", "function": {"name": "look"}}], ["any", {}], "auto"),
]
ACCEPTED = [(name, field, value) for name, field, values, _, _ in RANGES for value in values]
REFUSED = [(name, field, value, told) for name, field, _, values, told in RANGES for value in values]


@pytest.mark.parametrize(("name", "field", "value"), ACCEPTED)
def test_every_documented_bound_is_accepted_and_written_as_it_came(name, field, value):
    dialect = dialects.get(name)
    tools = {"tools": [LOOK]} if field == "tool_choice" else {}
    written = dialect.write_request(dialect.read_request(BODY | tools | {field: value}), "any")
    assert written.get(field, 1) == value


@pytest.mark.parametrize(("name", "field", "value", "told"), REFUSED)
def test_just_past_a_documented_bound_is_refused_by_name_and_range(name, field, value, told):
    with pytest.raises(InvalidRequest) as raised:
        dialects.get(name).read_request(BODY | {field: value})
    assert raised.value.param.startswith(field)
    assert field in raised.value.message
    assert told in raised.value.message


def test_whole_numbers_may_have_a_point_where_the_document_says_number():
    request = dialects.get("eigenai").read_request(BODY | {"max_tokens": 4096.0, "top_k": 1.0})
    assert request.sampling == Sampling(max_tokens=4096, top_k=1)
    with pytest.raises(InvalidRequest, match="this is the number 0.5"):
        dialects.get("eigenai").read_request(BODY | {"top_k": 0.5})


@pytest.mark.parametrize("name", ["thinking", "openai"])
@pytest.mark.parametrize("budget", [128, 8192])
def test_a_thinking_budget_at_its_bounds_is_accepted(name, budget):
    body = BODY | {"thinking": {"type": "enabled", "budget_tokens": budget}}
    request = dialects.get(name).read_request(body)
    assert request.thinking == Thinking(enabled=True, budget_tokens=budget)
    assert dialects.get(name).write_request(request, "any") == body


@pytest.mark.parametrize("name", ["thinking", "openai"])
@pytest.mark.parametrize(
    ("budget", "shown"),
    [
        (127, "the integer 127"),
        (8193, "the integer 8193"),
        (None, "null"),
        ("128", "a string"),
        (True, "the boolean true"),
        (128.0, "the number 128.0"),
        ([], "a list"),
        ({}, "an object"),
        (10**200, "an integer of many digits"),
    ],
)
def test_a_wrong_thinking_budget_is_told_with_its_path_its_range_and_its_type(name, budget, shown):
    with pytest.raises(InvalidRequest) as raised:
        dialects.get(name).read_request(BODY | {"thinking": {"type": "enabled", "budget_tokens": budget}})
    assert raised.value.param == "thinking.budget_tokens"
    assert raised.value.message == (
        f"thinking.budget_tokens must be an integer, 128 ≤ thinking.budget_tokens ≤ 8192; this is {shown}."
    )


@pytest.mark.parametrize(
    ("name", "change", "param"),
    [
        ("thinking", {"thinking": {"type": None}}, "thinking.type"),
        ("thinking", {"thinking": {"type": "auto"}}, "thinking.type"),
        ("thinking", {"thinking": {"budget": 128}}, "thinking.budget"),
        ("openai", {"thinking": True}, "thinking"),
        ("eigenai", {"chat_template_kwargs": {"thinking": None}}, "chat_template_kwargs.thinking"),
        ("eigenai", {"chat_template_kwargs": {"thinking": 1}}, "chat_template_kwargs.thinking"),
        ("eigenai", {"chat_template_kwargs": {"enable": True}}, "chat_template_kwargs.enable"),
        ("eigenai", {"separate_reasoning": "yes"}, "separate_reasoning"),
        ("eigenai", {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ("segmind", {"messages": []}, "messages"),
        ("segmind", {"messages": "Hello!"}, "messages"),
        ("segmind", {"messages": [{"role": "user"}]}, "messages[0].content"),
        ("segmind", {"messages": [{"content": "x"}]}, "messages[0].role"),
        ("segmind", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ("thinking", {"messages": [{}]}, "messages[0].role"),
        ("openai", {"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ("openai", {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ("openai", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ("openai", {"model": ""}, "model"),
        ("openai", {"messages": [{"role": "user", "content": "\ud800"}]}, "messages"),
        ("deepinfra", {"tools": [{"type": "web"}]}, "tools[0].type"),
        ("deepinfra", {"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ("deepinfra", {"response_format": {"type": "xml"}}, "response_format.type"),
        ("deepinfra", {"temperature": True}, "temperature"),
        ("deepinfra", {"temperature": float("nan")}, "temperature"),
        ("deepinfra", {"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named_by_its_dotted_path(name, change, param):
    with pytest.raises(InvalidRequest) as raised:
        dialects.get(name).read_request(BODY | change)
    assert raised.value.param == param
    assert param in raised.value.message


@pytest.mark.parametrize("field", ["model", "messages"])
def test_what_is_missing_is_named(field):
    with pytest.raises(InvalidRequest, match=f"{field} is required") as raised:
        dialects.get("openai").read_request({name: value for name, value in BODY.items() if name != field})
    assert raised.value.param == field


@pytest.mark.parametrize("name", ALL)
def test_a_null_field_is_an_absent_field(name):
    dialect = dialects.get(name)
    nulls = dict.fromkeys(["temperature", "thinking", "chat_template_kwargs", "stop", "n", "stream", "unheard_of"])
    assert dialect.read_request(BODY | nulls) == dialect.read_request(BODY)


def test_a_body_that_is_no_object_is_refused():
    with pytest.raises(InvalidRequest, match="JSON object"):
        dialects.get("openai").read_request([BODY])


def test_unknown_fields_are_passed_over_and_can_be_listed():
    dialect = dialects.get("openai")
    body = BODY | {"logit_bias": {}, "store": None, "seed": 1}
    assert dialect.read_request(body).sampling == Sampling(seed=1)
    assert unknown_fields(dialect.Request, body) == ["logit_bias"]


def test_messages_as_sdks_send_them_are_understood():
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "x"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "refusal": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "nothing"},
    ]
    request = dialects.get("openai").read_request(BODY | {"messages": messages, "tools": [LOOK]})
    assert request.messages == (
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "a\nb"),
        ChatMessage("assistant", reasoning_content="hm", tool_calls=(ToolCall("1", "look", "{}"),)),
        ChatMessage("tool", "nothing", tool_call_id="1"),
    )
    assert dialects.get("openai").write_request(request, "any") == BODY | {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a\nb"},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "hm",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "nothing", "tool_call_id": "1"},
        ],
        "tools": [LOOK],
    }


def test_the_clients_own_user_is_not_carried_but_a_hash_is_sent_where_it_has_a_place():
    assert dialects.get("deepinfra").read_request(BODY | {"user": "a@example.com"}).user_hash == ""
    sent = {name: dialects.get(name).write_request(replace(ASKED, user_hash="abc"), "any").get("user") for name in ALL}
    assert sent == {"eigenai": None, "thinking": None, "segmind": None, "deepinfra": "abc", "openai": "abc"}


def test_usage_of_a_stream_is_asked_for_where_the_document_allows_it():
    sent = {name: dialects.get(name).write_request(replace(ASKED, stream=True), "any") for name in ALL}
    usage = {"include_usage": True}
    assert {name: body.get("stream_options") for name, body in sent.items()} == {
        "eigenai": None,
        "thinking": usage,
        "segmind": None,
        "deepinfra": usage,
        "openai": usage,
    }
    assert [name for name, body in sent.items() if body.get("stream")] == ["eigenai", "thinking", "deepinfra", "openai"]


def test_newer_words_for_the_token_limit_mean_the_same():
    request = dialects.get("openai").read_request(BODY | {"max_tokens": 5, "max_completion_tokens": 7})
    assert dialects.get("openai").write_request(request, "any") == BODY | {"max_tokens": 7}


@pytest.mark.parametrize(
    ("name", "thinking", "added"),
    [
        ("eigenai", Thinking(True), {"chat_template_kwargs": {"thinking": True}, "separate_reasoning": True}),
        ("eigenai", Thinking(False), {"chat_template_kwargs": {"thinking": False}}),
        ("eigenai", Thinking(effort="low"), {"reasoning_effort": "low", "separate_reasoning": True}),
        ("thinking", Thinking(True, 2048), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("thinking", Thinking(False), {"thinking": {"type": "disabled"}}),
        ("openai", Thinking(effort="high"), {"reasoning_effort": "high"}),
        ("openai", Thinking(True, 128), {"thinking": {"type": "enabled", "budget_tokens": 128}}),
        ("deepinfra", Thinking(False, 2048, "low"), {}),
    ],
)
def test_thinking_in_each_upstreams_words(name, thinking, added):
    assert dialects.get(name).write_request(replace(ASKED, thinking=thinking), "any") == BODY | added


OFF = Sampling(
    temperature=1,
    top_p=1.0,
    min_p=0,
    top_k=0,
    presence_penalty=0,
    frequency_penalty=0.0,
    repetition_penalty=1,
    response_format={"type": "text"},
    tool_choice="auto",
)


def test_what_is_off_is_dropped_where_there_is_no_place_for_it():
    request = replace(ASKED, sampling=OFF, thinking=Thinking(enabled=False))
    assert dialects.get("segmind").write_request(request, "any") == {"messages": BODY["messages"]}
    assert dialects.get("thinking").write_request(request, "any") == BODY | {
        "temperature": 1,
        "thinking": {"type": "disabled"},
    }
    assert dialects.get("eigenai").write_request(request, "any") == BODY | {
        "temperature": 1,
        "top_p": 1,
        "chat_template_kwargs": {"thinking": False},
    }


LACKING = [
    ("segmind", {"temperature": 0.5}, Thinking(), "temperature"),
    ("segmind", {"max_tokens": 9}, Thinking(), "max_tokens"),
    ("segmind", {"stop": ("END",)}, Thinking(), "stop"),
    ("thinking", {"n": 2}, Thinking(), "n"),
    ("thinking", {"top_p": 0.9}, Thinking(), "top_p"),
    ("thinking", {"tools": (LOOK,)}, Thinking(), "tools"),
    ("thinking", {}, Thinking(effort="low"), "reasoning_effort"),
    ("eigenai", {"seed": 7}, Thinking(), "seed"),
    ("eigenai", {}, Thinking(True, 2048), "thinking.budget_tokens"),
    ("deepinfra", {}, Thinking(True), "thinking"),
]


@pytest.mark.parametrize(("name", "sampling", "thinking", "param"), LACKING)
def test_what_an_upstream_lacks_is_refused_by_name(name, sampling, thinking, param):
    with pytest.raises(InvalidRequest, match=f"has no {param}") as raised:
        dialects.get(name).write_request(replace(ASKED, sampling=Sampling(**sampling), thinking=thinking), "any")
    assert raised.value.param == param


@pytest.mark.parametrize(("name", "sampling", "thinking", "param"), LACKING)
def test_what_an_upstream_lacks_can_be_dropped_on_purpose(name, sampling, thinking, param):
    dialect = dialects.get(name)
    request = replace(ASKED, sampling=Sampling(**sampling), thinking=thinking)
    kept, dropped = drop_unsupported(dialect.Request, request)
    assert dropped == [param]
    assert dialect.write_request(kept, "any")["messages"] == BODY["messages"]


@pytest.mark.parametrize(
    ("name", "change", "param"),
    [
        ("deepinfra", {"sampling": Sampling(top_k=1000)}, "top_k"),
        ("thinking", {"sampling": Sampling(max_tokens=0)}, "max_tokens"),
        ("thinking", {"thinking": Thinking(True, 64)}, "thinking.budget_tokens"),
        ("segmind", {"messages": (ChatMessage("tool", "x", tool_call_id="1"),)}, "messages[0].role"),
        (
            "eigenai",
            {"messages": (ChatMessage("assistant", tool_calls=(ToolCall("1", "f", ""),)),)},
            "messages[0].tool_calls",
        ),
    ],
)
def test_canonical_values_past_the_upstreams_ranges_are_refused_by_name(name, change, param):
    with pytest.raises(InvalidRequest) as raised:
        dialects.get(name).write_request(replace(ASKED, **change), "any")
    assert raised.value.param == param
