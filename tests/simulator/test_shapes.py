"""What each of the four services answers, whole and streamed."""

import re

import pytest

THINKING_ON = {"type": "enabled"}


def kinds(reply):
    """The order of what a stream says, repeats left out."""
    names = [
        next((name for name in ("reasoning_content", "content") if delta.get(name)), "-") for delta in reply.deltas
    ]
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]


def test_the_thinking_api_streams_role_then_reasoning_then_content_then_the_reason_to_finish(simulator):
    reply = simulator.chat("Why? [[length=30 reasoning=12]]", "deepseek-reasoner", stream=True)
    assert reply.headers["Content-Type"] == "text/event-stream"
    assert reply.deltas[0] == {"role": "assistant", "content": ""}
    assert kinds(reply) == ["-", "reasoning_content", "content", "-"]
    assert len(reply.deltas) == 1 + 12 + 30 + 1
    assert [chunk["choices"][0]["finish_reason"] for chunk in reply.chunks] == [None] * 43 + ["stop"]
    assert reply.raw.endswith(b"\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    ("model", "thinking", "thinks"),
    [
        ("deepseek-reasoner", None, True),
        ("deepseek-reasoner", {"type": "disabled"}, False),
        ("deepseek-chat", None, False),
        ("deepseek-chat", THINKING_ON, True),
        ("deepseek-coder", {}, False),
        ("deepseek-coder", THINKING_ON, True),
    ],
)
def test_a_model_thinks_by_its_nature_or_when_told_to(simulator, model, thinking, thinks):
    reply = simulator.chat("Why? [[length=20]]", model, **({} if thinking is None else {"thinking": thinking}))
    assert ("reasoning_content" in reply.message) is thinks


def test_thinking_ends_at_its_budget(simulator):
    budget = {"type": "enabled", "budget_tokens": 128}
    reply = simulator.chat("Why? [[length=20 reasoning=900]]", thinking=budget)
    assert reply.json["usage"]["reasoning_tokens"] == 128


def test_the_four_counts_hold_reasoning_inside_the_completion(simulator):
    reply = simulator.chat("Hello, world! [[length=30 reasoning=12]]", "deepseek-reasoner")
    usage = {"prompt_tokens": 19, "completion_tokens": 42, "reasoning_tokens": 12, "total_tokens": 61}
    assert reply.json["usage"] == usage


@pytest.mark.parametrize("ask", ["chat", "deepinfra", "eigenai"])
def test_a_stream_reports_usage_only_when_asked(simulator, ask):
    silent = getattr(simulator, ask)("Hi [[length=10]]", stream=True)
    asked = getattr(simulator, ask)("Hi [[length=10]]", stream=True, stream_options={"include_usage": True})
    assert not any("usage" in chunk for chunk in silent.chunks)
    assert (asked.chunks[-1]["choices"], asked.chunks[-1]["usage"]["completion_tokens"]) == ([], 10)


def test_max_tokens_cuts_reasoning_first_and_says_length(simulator):
    reply = simulator.chat("Why? [[length=50 reasoning=30]]", "deepseek-reasoner", max_tokens=20)
    assert reply.json["choices"][0]["finish_reason"] == "length"
    assert (reply.json["usage"]["completion_tokens"], reply.json["usage"]["reasoning_tokens"]) == (20, 20)
    assert reply.message["content"] == ""


def test_an_answer_that_fits_exactly_is_not_cut(simulator):
    reply = simulator.chat("Why? [[length=20]]", max_tokens=20)
    assert reply.json["choices"][0]["finish_reason"] == "stop"


def test_deepinfra_ends_its_text_with_a_marker(simulator):
    reply = simulator.deepinfra("Hi [[length=4]]", stream=True)
    assert reply.deltas[-2:] == [{"role": "assistant", "content": "</s>"}, {}]
    assert reply.content == "This is the simulated</s>"
    assert "</s>" not in simulator.deepinfra("Hi [[length=4]]").message["content"]


def test_a_text_cut_by_max_tokens_has_no_end_of_text_marker(simulator):
    reply = simulator.deepinfra("Hi [[length=40]]", stream=True, max_tokens=4)
    assert reply.content == "This is the simulated"


def test_deepinfra_estimates_the_cost_in_plain_decimals(simulator):
    reply = simulator.deepinfra("Hello! [[length=16]]")
    # 14 tokens at 0.85 and 16 at 0.90 dollars a million
    assert reply.json["usage"]["prompt_tokens"] == 14
    assert b'"total_tokens": 30, "estimated_cost": 0.0000263}}' in reply.raw


def test_deepinfra_never_thinks(simulator):
    reply = simulator.deepinfra("Why? [[length=10 reasoning=10]]", thinking=THINKING_ON)
    assert "reasoning_content" not in reply.message


def test_deepinfra_answers_json_when_json_is_asked_for(simulator):
    reply = simulator.deepinfra("Give me JSON", response_format={"type": "json_object"})
    assert reply.message["content"] == '{"speaker": "This is the simulated upstream", "about": "Give me JSON"}'


def test_several_choices_arrive_in_turns_and_differ(simulator):
    reply = simulator.deepinfra("Surprise me [[length=120]]", stream=True, n=3)
    assert [chunk["choices"][0]["index"] for chunk in reply.chunks[:6]] == [0, 1, 2, 0, 1, 2]
    assert len({reply.said(index=index) for index in range(3)}) == 3
    whole = simulator.deepinfra("Surprise me [[length=120]]", n=3)
    assert [choice["index"] for choice in whole.json["choices"]] == [0, 1, 2]
    assert whole.json["usage"]["completion_tokens"] == 360


def test_a_stop_sequence_ends_the_text_before_it(simulator):
    reply = simulator.chat('[[say="one two three four"]]', stop=["four", " three"])
    assert (reply.message["content"], reply.json["choices"][0]["finish_reason"]) == ("one two", "stop")


def test_tools_and_unknown_parameters_pass_on_the_thinking_api(simulator):
    reply = simulator.chat("Hi [[length=5]]", tools=[{"type": "function"}], top_p=0.5, seed=3, new_thing={})
    assert reply.status == 200


def test_eigenai_puts_its_thoughts_into_the_content(simulator):
    reply = simulator.eigenai('[[say="42" reasoning=2]]', chat_template_kwargs={"thinking": True})
    assert reply.message == {"role": "assistant", "content": "<think>(Simulated</think>\n\n42"}
    streamed = simulator.eigenai('[[say="42" reasoning=2]]', stream=True, chat_template_kwargs={"thinking": True})
    assert streamed.content == "<think>(Simulated</think>\n\n42"


def test_eigenai_separates_its_thoughts_when_asked(simulator):
    asked = {"chat_template_kwargs": {"thinking": True}, "separate_reasoning": True}
    reply = simulator.eigenai('[[say="42" reasoning=2]]', **asked)
    assert reply.message == {"role": "assistant", "content": "42", "reasoning_content": "(Simulated"}
    streamed = simulator.eigenai('[[say="42" reasoning=2]]', stream=True, **asked)
    assert (streamed.said("reasoning_content"), streamed.content) == ("(Simulated", "42")


def test_eigenai_cut_while_thinking_never_closes_its_tag(simulator):
    reply = simulator.eigenai("Why? [[reasoning=30]]", chat_template_kwargs={"thinking": True}, max_tokens=2)
    assert reply.message["content"] == "<think>(Simulated"


@pytest.mark.parametrize(("effort", "tokens"), [("low", 45), ("medium", 90), ("high", 180)])
def test_eigenai_thinks_longer_with_more_effort(simulator, effort, tokens):
    asked = {"chat_template_kwargs": {"thinking": True}, "reasoning_effort": effort}
    reply = simulator.eigenai("Why? [[length=10]]", **asked)
    assert reply.json["usage"]["completion_tokens"] == tokens + 10


def test_eigenai_stops_at_4096_tokens_by_default(simulator):
    reply = simulator.eigenai("Tell me everything [[length=5000]]")
    assert (reply.json["usage"]["completion_tokens"], reply.json["choices"][0]["finish_reason"]) == (4096, "length")


def test_the_streaming_path_without_streaming_equals_the_plain_one(simulator):
    body = {"model": "deepseek-v31-terminus", "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    streamless = simulator.post("/api/v1/generate/stream", body, speed=0)
    plain = simulator.post("/api/v1/generate", body, speed=0)
    assert streamless.headers["Content-Type"] == "application/json"
    assert streamless.message == plain.message


def test_the_plain_path_never_streams(simulator):
    body = {"model": "deepseek-v31-terminus", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    assert simulator.post("/api/v1/generate", body, speed=0).message["role"] == "assistant"


def test_answers_are_markdown_and_always_the_same(simulator):
    text = simulator.chat("Explain the theory of relativity [[length=380]]").message["content"]
    assert re.search(r"^## ", text, re.MULTILINE)
    assert "relativity" in text
    assert text == simulator.chat("Explain the theory of relativity [[length=380]]").message["content"]
