"""What a request's own parameters do to the answer, and how long a request may be."""

import json

import pytest

SERVICES = pytest.mark.parametrize("ask", ["chat", "deepinfra"])
JSON = {"type": "json_object"}


@SERVICES
def test_several_choices_arrive_in_turns_and_each_is_finished(simulator, ask):
    reply = getattr(simulator, ask)("Surprise me [[length=120]]", stream=True, n=2)
    choices = [chunk["choices"][0] for chunk in reply.chunks]
    assert [choice["index"] for choice in choices] == [0, 1] * (len(choices) // 2)
    assert [choice["finish_reason"] for choice in choices[-2:]] == ["stop", "stop"]
    assert reply.said(index=0) != reply.said(index=1)


@SERVICES
def test_json_mode_answers_a_json_object_whole_and_streamed(simulator, ask):
    whole = getattr(simulator, ask)('Say "no"', response_format=JSON)
    streamed = getattr(simulator, ask)('Say "no"', response_format=JSON, stream=True)
    assert json.loads(whole.message["content"]) == {"speaker": "This is the simulated upstream", "about": "Say no"}
    assert streamed.content.removesuffix("</s>") == whole.message["content"]


@SERVICES
def test_a_stop_sequence_ends_a_stream_before_it(simulator, ask):
    reply = getattr(simulator, ask)('[[say="one two three"]]', stream=True, stop=" thr")
    assert reply.content.removesuffix("</s>") == "one two"


@SERVICES
def test_a_seed_repeats_its_answer_and_another_seed_does_not(simulator, ask):
    first, again, other = (
        getattr(simulator, ask)("Why? [[length=200]]", seed=seed).message["content"] for seed in (7, 7, 8)
    )
    assert first == again != other


def tokens(number):
    """A question of so many tokens, the seven of its template included."""
    return "a " * (number - 8) + "a"


@pytest.mark.parametrize(("ask", "context"), [("deepinfra", 16_000), ("segmind", 128_000), ("chat", 128_000)])
def test_a_question_longer_than_the_context_is_refused(simulator, ask, context):
    reply = getattr(simulator, ask)(tokens(context + 1))
    assert reply.status == 400
    assert reply.json["error"] == {
        "message": f"The context of this model is {context} tokens, and these messages have {context + 1}. "
        "Shorten them.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }


def test_an_answer_ends_where_the_context_does(simulator):
    reply = simulator.deepinfra(tokens(15_998), max_tokens=1_000_000)
    assert (reply.status, reply.json["choices"][0]["finish_reason"]) == (200, "length")
    assert reply.json["usage"]["total_tokens"] == 16_000
