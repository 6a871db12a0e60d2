"""Every documented body is read and written back as the document shows it."""

import json
from decimal import Decimal

import pytest

from providers import dialects
from providers.dialects import StreamState, deepinfra, eigenai, openai, segmind, thinking
from providers.errors import ChatsiteError, UpstreamUnavailable
from providers.sse import Decoder
from providers.types import (
    ChatMessage,
    ChatRequest,
    ContentDelta,
    Finished,
    ReasoningDelta,
    Sampling,
    Thinking,
    UsageReported,
)
from tests.contract import documents

LAMB = "Sous le Sable, my friend! It's an ancient technique that's been used for centuries in the Middle East and North"
HELLO = " Hello! It's nice to meet you. Is there something I can help you with or would you like to chat for a bit?"
DIVISORS = (
    "Let N be the number of positive integers less than 1000 that are divisible by 3 or 7 but not by 21. "
    "What is the value of N?"
)


@pytest.mark.parametrize(
    ("name", "text", "added"),
    [
        ("eigenai", documents.EIGENAI_REQUEST, {"separate_reasoning": True}),
        ("thinking", documents.THINKING_REQUEST, {}),
        ("openai", documents.THINKING_REQUEST, {}),
        ("segmind", documents.SEGMIND_REQUEST, {}),
        ("deepinfra", documents.DEEPINFRA_REQUEST, {}),
        ("deepinfra", documents.DEEPINFRA_CONVERSATION_REQUEST, {}),
        ("deepinfra", documents.DEEPINFRA_STREAM_REQUEST, {"stream_options": {"include_usage": True}}),
    ],
)
def test_a_documented_request_comes_out_as_it_went_in(name, text, added):
    dialect, body = dialects.get(name), json.loads(text)
    written = dialect.write_request(dialect.read_request(body), body.get("model", "any"))
    assert json.dumps(written, sort_keys=True) == json.dumps(body | added, sort_keys=True)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (eigenai, documents.EIGENAI_REQUEST),
        (thinking, documents.THINKING_REQUEST),
        (segmind, documents.SEGMIND_REQUEST),
        (deepinfra, documents.DEEPINFRA_REQUEST),
        (openai, documents.OPENAI_REQUEST),
    ],
)
def test_the_example_of_a_dialect_is_the_documented_request(dialect, text):
    assert json.dumps(dialect.EXAMPLE) == json.dumps(json.loads(text))
    assert dialect.read_request(dialect.EXAMPLE).messages[-1].role == "user"


def test_the_documented_eigenai_request_in_canonical_words():
    assert eigenai.read_request(json.loads(documents.EIGENAI_REQUEST)) == ChatRequest(
        model="deepseek-v31-terminus",
        messages=(ChatMessage("system", "You are a helpful assistant."), ChatMessage("user", DIVISORS)),
        thinking=Thinking(enabled=True),
        sampling=Sampling(max_tokens=4096, temperature=0, top_p=0.95, top_k=1),
        stream=False,
    )


@pytest.mark.parametrize("dialect", [thinking, openai])
def test_the_documented_thinking_request_in_canonical_words(dialect):
    assert dialect.read_request(json.loads(documents.THINKING_REQUEST)) == ChatRequest(
        model="deepseek-reasoner",
        messages=(ChatMessage("user", "Explain the theory of relativity in simple terms."),),
        thinking=Thinking(enabled=True, budget_tokens=2048),
        sampling=Sampling(max_tokens=4096),
        stream=False,
    )


def test_the_documented_segmind_request_names_its_model_by_the_path():
    assert segmind.read_request(json.loads(documents.SEGMIND_REQUEST)) == ChatRequest(
        model="segmind/deepseek-chat",
        messages=(
            ChatMessage("user", "tell me a joke on cats"),
            ChatMessage("assistant", "here is a joke about cats..."),
            ChatMessage("user", "now a joke on dogs"),
        ),
        stream=False,
    )


def test_the_documented_deepinfra_stream_request_in_canonical_words():
    assert deepinfra.read_request(json.loads(documents.DEEPINFRA_STREAM_REQUEST)) == ChatRequest(
        model="deepseek-ai/DeepSeek-V3", messages=(ChatMessage("user", "Hello!"),), stream=True
    )


@pytest.mark.parametrize("dialect", [thinking, openai])
def test_the_documented_thinking_answer_as_events(dialect):
    assert dialect.decode_answer(json.loads(documents.THINKING_ANSWER)) == [
        ReasoningDelta(0, "Let me think about how to explain this complex topic simply..."),
        ContentDelta(0, "The theory of relativity, developed by Albert Einstein, consists of two parts..."),
        Finished(0, "stop"),
        UsageReported(prompt=15, completion=250, reasoning=180),
    ]


def test_the_documented_deepinfra_answer_as_events():
    assert deepinfra.decode_answer(json.loads(documents.DEEPINFRA_ANSWER)) == [
        ContentDelta(0, HELLO),
        Finished(0, "stop"),
        UsageReported(prompt=15, completion=16, estimated_cost=Decimal("0.0000268")),
    ]


def test_the_documented_deepinfra_conversation_as_events():
    assert deepinfra.decode_answer(json.loads(documents.DEEPINFRA_CONVERSATION_ANSWER)) == [
        ContentDelta(0, LAMB + " Africa. The name itself..."),
        Finished(0, "stop"),
        UsageReported(prompt=149, completion=338, estimated_cost=Decimal("0.00035493")),
    ]


@pytest.mark.parametrize("dialect", [deepinfra, eigenai, thinking, openai])
def test_the_documented_stream_as_events_without_the_end_mark(dialect):
    events, state = [], StreamState()
    for payload in Decoder().feed(documents.DEEPINFRA_STREAM.encode()):
        heard, state = dialect.decode_event(payload, state)
        events += heard
    assert events + dialect.decode_end(state) == [
        ContentDelta(0, " "),
        ContentDelta(0, " Hi"),
        ContentDelta(0, "!"),
        Finished(0, "stop"),
    ]
    assert state.done


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (thinking, documents.THINKING_ANSWER),
        (deepinfra, documents.DEEPINFRA_ANSWER),
        (deepinfra, documents.DEEPINFRA_CONVERSATION_ANSWER),
    ],
)
def test_our_face_gives_the_documented_answer(dialect, text):
    body = json.loads(text)
    named = {"id": body["id"], "created": body["created"], "model": body["model"]}
    assert dialect.encode_answer(dialect.decode_answer(body), **named) == body


def test_our_face_gives_the_documented_chunks():
    said = [ContentDelta(0, " "), ContentDelta(0, " Hi"), ContentDelta(0, "!"), Finished(0, "stop")]
    named = {"id": "Rc5hsIPHOSfMP3rNSFUw9tfR", "created": 1694623354, "model": "deepseek-ai/DeepSeek-V3"}
    lines = [line[6:] for line in documents.DEEPINFRA_STREAM.split("\n") if line.startswith("data: {")]
    documented = [lines[0], lines[1], lines[2], lines[5]]
    assert [json.dumps(deepinfra.encode_event(event, **named)) for event in said] == documented


def test_the_chat_completions_face_adds_both_places_of_reasoning_tokens():
    events = thinking.decode_answer(json.loads(documents.THINKING_ANSWER))
    body = openai.encode_answer(events, id="chatcmpl-123", created=1677652288, model="deepseek-reasoner")
    documented = json.loads(documents.THINKING_ANSWER)
    assert body["choices"] == documented["choices"]
    assert body["usage"] == documented["usage"] | {
        "completion_tokens_details": {"reasoning_tokens": 180},
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_the_chat_completions_face_has_a_place_for_reasoning_even_without_any():
    said = [ContentDelta(0, "Hi"), Finished(0, "stop"), UsageReported(prompt=1, completion=2)]
    body = openai.encode_answer(said, id="1", created=2, model="m")
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Hi", "reasoning_content": ""}
    assert body["usage"]["reasoning_tokens"] == 0


def test_a_server_without_keys_is_sent_none():
    assert openai.headers("") == {}


@pytest.mark.parametrize(
    ("name", "stream", "base", "address", "header"),
    [
        ("eigenai", False, "https://app.eigenai.com", "/api/v1/generate", {"Authorization": "Bearer KEY"}),
        ("eigenai", True, "https://app.eigenai.com/", "/api/v1/generate/stream", {"Authorization": "Bearer KEY"}),
        ("thinking", True, "https://api.example.com", "/v1/chat/completions", {"Authorization": "Bearer KEY"}),
        ("segmind", False, "https://api.segmind.com", "/v1/deepseek-chat", {"x-api-key": "KEY"}),
        (
            "deepinfra",
            True,
            "https://api.deepinfra.com",
            "/v1/openai/chat/completions",
            {"Authorization": "Bearer KEY"},
        ),
        ("openai", True, "http://localhost:11434/v1", "/chat/completions", {"Authorization": "Bearer KEY"}),
    ],
)
def test_the_documented_address_and_key_header(name, stream, base, address, header):
    request = ChatRequest("any", (ChatMessage("user", "Hello!"),), stream=stream)
    assert dialects.get(name).url(base, request) == base.rstrip("/") + address
    assert dialects.get(name).headers("KEY") == header


class OutOfCredit(ChatsiteError):
    status = 402
    code = "insufficient_credits"


def test_segmind_calls_being_out_of_credit_406_and_every_upstream_failure_500():
    status, body = segmind.encode_error(OutOfCredit("Top up: 1 available, 2 required."), "req-1")
    assert status == 406
    assert body == {
        "error": {
            "message": "Top up: 1 available, 2 required.",
            "type": "insufficient_credits_error",
            "param": None,
            "code": "insufficient_credits",
            "request_id": "req-1",
        }
    }
    assert segmind.encode_error(UpstreamUnavailable("Try again."), "req-1")[0] == 500


@pytest.mark.parametrize("dialect", [eigenai, thinking, deepinfra, openai])
def test_the_other_faces_keep_the_status_of_the_error(dialect):
    assert dialect.encode_error(OutOfCredit("Top up."), "req-1")[0] == 402
    assert dialect.encode_error(UpstreamUnavailable("Try again."), "req-1")[0] == 503
