"""What the four services refuse, and with which status."""

import pytest

THINKING, DEEPINFRA, EIGENAI, SEGMIND = PATHS = (
    "/v1/chat/completions",
    "/v1/openai/chat/completions",
    "/api/v1/generate",
    "/v1/deepseek-chat",
)
HELLO = [{"role": "user", "content": "Hello!"}]
MODELS = {THINKING: "deepseek-chat", DEEPINFRA: "deepseek-ai/DeepSeek-V3", EIGENAI: "deepseek-v31-terminus"}


def ask(simulator, path, **more):
    model = {"model": MODELS[path]} if path in MODELS else {}
    return simulator.post(path, {**model, "messages": HELLO, **more}, speed=0, length=5)


@pytest.mark.parametrize("path", PATHS)
def test_a_good_request_is_answered(simulator, path):
    assert ask(simulator, path).status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ["", "bad-key"])
def test_a_missing_or_bad_key_is_401(simulator, path, key):
    reply = simulator.post(path, {}, key=key)
    assert (reply.status, reply.json["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("path", PATHS)
def test_a_key_in_the_wrong_header_is_401(simulator, path):
    headers = {"Authorization": "Bearer good"} if path == SEGMIND else {"x-api-key": "good"}
    assert simulator.request("POST", path, {}, headers).status == 401


def test_a_key_that_is_no_bearer_token_is_401(simulator):
    assert simulator.request("POST", THINKING, {}, {"Authorization": "Basic good"}).status == 401


@pytest.mark.parametrize(("path", "status"), [(THINKING, 402), (DEEPINFRA, 402), (EIGENAI, 402), (SEGMIND, 406)])
def test_an_account_without_credit_is_refused_as_documented(simulator, path, status):
    reply = simulator.post(path, {}, key="broke-1")
    assert (reply.status, reply.json["error"]["code"]) == (status, "insufficient_credits")


@pytest.mark.parametrize("path", [*PATHS, "/api/v1/generate/stream"])
def test_another_method_is_405_and_names_the_right_one(simulator, path):
    reply = simulator.request("GET", path)
    assert (reply.status, reply.headers["Allow"], reply.json["error"]["code"]) == (405, "POST", "method_not_allowed")


def test_an_unknown_path_is_404(simulator):
    reply = simulator.post("/v2/chat/completions", {})
    assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", [THINKING, DEEPINFRA, EIGENAI])
def test_an_unknown_model_is_404(simulator, path):
    reply = simulator.post(path, {"model": "gpt-2", "messages": HELLO})
    assert (reply.status, reply.json["error"]["param"]) == (404, "model")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_400(simulator, path, body):
    assert simulator.post(path, body).status == 400


@pytest.mark.parametrize(
    ("path", "field", "value", "param"),
    [
        (THINKING, "messages", [], "messages"),
        (THINKING, "messages", [{"role": "owner", "content": "x"}], "messages[0].role"),
        (THINKING, "messages", [{"role": "user", "content": 7}], "messages[0].content"),
        (THINKING, "temperature", 2.1, "temperature"),
        (THINKING, "max_tokens", 0, "max_tokens"),
        (THINKING, "thinking", {"type": "auto"}, "thinking.type"),
        (THINKING, "thinking", {"type": None}, "thinking.type"),
        (THINKING, "thinking", {"type": "enabled", "budget_tokens": 127}, "thinking.budget_tokens"),
        (THINKING, "thinking", {"type": "enabled", "budget_tokens": 8193}, "thinking.budget_tokens"),
        (THINKING, "stream", "yes", "stream"),
        (EIGENAI, "temperature", -0.1, "temperature"),
        (EIGENAI, "reasoning_effort", "extreme", "reasoning_effort"),
        (EIGENAI, "chat_template_kwargs", {"thinking": "yes"}, "thinking"),
        (SEGMIND, "temperature", 1, "temperature"),
        (SEGMIND, "messages", [{"role": "tool", "content": "x"}], "messages[0].role"),
        (SEGMIND, "messages", [{"role": "user", "content": [{"text": "x"}]}], "messages[0].content"),
        (DEEPINFRA, "temperature", 2.01, "temperature"),
        (DEEPINFRA, "temperature", True, "temperature"),
        (DEEPINFRA, "top_p", 0, "top_p"),
        (DEEPINFRA, "top_p", 1.01, "top_p"),
        (DEEPINFRA, "min_p", -0.01, "min_p"),
        (DEEPINFRA, "min_p", 1.01, "min_p"),
        (DEEPINFRA, "top_k", -1, "top_k"),
        (DEEPINFRA, "top_k", 1000, "top_k"),
        (DEEPINFRA, "top_k", 1.5, "top_k"),
        (DEEPINFRA, "max_tokens", -1, "max_tokens"),
        (DEEPINFRA, "max_tokens", 1_000_001, "max_tokens"),
        (DEEPINFRA, "n", 0, "n"),
        (DEEPINFRA, "n", 5, "n"),
        (DEEPINFRA, "presence_penalty", -2.1, "presence_penalty"),
        (DEEPINFRA, "frequency_penalty", 2.1, "frequency_penalty"),
        (DEEPINFRA, "repetition_penalty", 0, "repetition_penalty"),
        (DEEPINFRA, "repetition_penalty", 5.1, "repetition_penalty"),
        (DEEPINFRA, "seed", -1, "seed"),
        (DEEPINFRA, "seed", 9223372036854776000, "seed"),
        (DEEPINFRA, "stop", ["x"] * 17, "stop"),
        (DEEPINFRA, "tools", {}, "tools"),
        (DEEPINFRA, "tool_choice", {"type": "function"}, "tool_choice"),
        (DEEPINFRA, "response_format", {"type": "xml"}, "response_format"),
        (DEEPINFRA, "user", 7, "user"),
        (DEEPINFRA, "messages", [{"role": "system", "content": "x"}] * 2 + HELLO, "messages"),
        (DEEPINFRA, "messages", [*HELLO, {"role": "assistant", "content": "x"}], "messages"),
    ],
)
def test_what_a_document_does_not_allow_is_400_and_names_the_parameter(simulator, path, field, value, param):
    reply = ask(simulator, path, **{field: value})
    assert (reply.status, reply.json["error"]["param"]) == (400, param)
    assert param in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2),
        ("temperature", None),
        ("top_p", 0.01),
        ("min_p", 1),
        ("top_k", 999),
        ("max_tokens", 0),
        ("n", 4),
        ("presence_penalty", -2),
        ("repetition_penalty", 0.01),
        ("seed", 9223372036854775807),
        ("stop", ["x"] * 16),
        ("tool_choice", "auto"),
        ("messages", [{"role": "system", "content": "x"}, *HELLO]),
    ],
)
def test_deepinfra_takes_the_edges_of_its_documented_ranges(simulator, field, value):
    assert ask(simulator, DEEPINFRA, **{field: value}).status == 200


def test_an_enormous_body_is_413(simulator):
    assert simulator.post(THINKING, b" " * (16 * 1024**2 + 1)).status == 413
