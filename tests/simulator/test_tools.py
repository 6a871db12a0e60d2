"""Calls of tools, on the two services that know tools."""

import json

import pytest

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
PARIS = '[[tool=get_weather args="{\\"city\\": \\"Paris\\"}"]] What is the weather?'
SERVICES = pytest.mark.parametrize("ask", ["chat", "deepinfra"])


@SERVICES
def test_a_tool_is_called_where_one_is_offered(simulator, ask):
    reply = getattr(simulator, ask)(PARIS, tools=[WEATHER], tool_choice="auto")
    choice = reply.json["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["role"], choice["message"]["content"]) == (
        "tool_calls",
        "assistant",
        None,
    )
    assert call == {
        "id": call["id"],
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
    }
    assert call["id"].startswith("call_")
    assert reply.json["usage"]["completion_tokens"] == 6


@SERVICES
def test_a_streamed_call_names_the_tool_first_and_sends_its_arguments_in_pieces(simulator, ask):
    reply = getattr(simulator, ask)(PARIS, stream=True, tools=[WEATHER])
    calls = [call for delta in reply.deltas for call in delta.get("tool_calls", [])]
    first, *rest = calls
    assert (first["index"], first["type"], first["function"]) == (
        0,
        "function",
        {"name": "get_weather", "arguments": ""},
    )
    assert first["id"].startswith("call_")
    assert [call["function"]["arguments"] for call in rest] == ['{"', "city", '":', ' "', "Paris", '"}']
    assert all(call.keys() == {"index", "function"} and call["index"] == 0 for call in rest)
    assert [chunk["choices"][0]["finish_reason"] for chunk in reply.chunks if chunk["choices"]][-1] == "tool_calls"
    assert (reply.content, reply.events[-1]) == ("", "[DONE]")


def test_headers_steer_a_call_too_and_every_choice_has_an_id_of_its_own(simulator):
    messages = [{"role": "user", "content": "Hi"}]
    body = {"model": "deepseek-ai/DeepSeek-V3", "messages": messages, "tools": [WEATHER], "n": 2}
    reply = simulator.post("/v1/openai/chat/completions", body, speed=0, tool="get_weather", args='{"city": "Lyon"}')
    one, two = (choice["message"]["tool_calls"][0] for choice in reply.json["choices"])
    assert one["function"] == two["function"] == {"name": "get_weather", "arguments": '{"city": "Lyon"}'}
    assert one["id"] != two["id"]


@pytest.mark.parametrize("more", [{}, {"tools": []}, {"tools": [WEATHER], "tool_choice": "none"}])
def test_without_an_offered_tool_the_answer_is_text(simulator, more):
    reply = simulator.chat(PARIS, **more)
    assert "tool_calls" not in reply.message
    assert "simulated upstream" in reply.message["content"]


def test_a_call_has_no_arguments_unless_some_are_given_and_they_need_not_be_json(simulator):
    bare = simulator.chat("[[tool=now]]", tools=[WEATHER])
    assert bare.message["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}
    broken = simulator.chat('[[tool=now args="{oops"]]', tools=[WEATHER])
    assert broken.message["tool_calls"][0]["function"]["arguments"] == "{oops"


def test_a_call_is_cut_by_max_tokens(simulator):
    reply = simulator.chat(PARIS, tools=[WEATHER], max_tokens=2)
    assert reply.json["choices"][0]["finish_reason"] == "length"
    assert reply.message["tool_calls"][0]["function"]["arguments"] == '{"city'


def conversation(result):
    function = {"name": "get_weather", "arguments": "{}"}
    call = {"id": "call_1", "type": "function", "function": function}
    return [
        {"role": "user", "content": PARIS},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]


@pytest.mark.parametrize(
    ("path", "model"),
    [("/v1/chat/completions", "deepseek-chat"), ("/v1/openai/chat/completions", "deepseek-ai/DeepSeek-V3")],
)
def test_the_result_of_a_tool_is_quoted_in_words(simulator, path, model):
    body = {"model": model, "messages": conversation('{"sky": "grey", "°C": 11}'), "tools": [WEATHER]}
    reply = simulator.post(path, body, speed=0)
    assert reply.json["choices"][0]["finish_reason"] == "stop"
    assert reply.message["content"] == (
        "This is the simulated upstream: stock phrases follow, no model wrote them."
        ' The tool answered: “{"sky": "grey", "°C": 11}”'
    )


def test_the_result_of_a_tool_can_be_spoken_of_in_json(simulator):
    body = {"model": "deepseek-chat", "messages": conversation("11"), "response_format": {"type": "json_object"}}
    reply = simulator.post("/v1/chat/completions", body, speed=0)
    assert json.loads(reply.message["content"])["tool"] == "11"
