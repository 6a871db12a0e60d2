"""Faults that are ordered beforehand, and the two pages that cost nothing."""

import pytest

from .test_documented import HELLO


def ask(simulator, key="a-good-key", **more):
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Hi"}], **more}
    return simulator.post("/v1/chat/completions", body, key=key, speed=0, length=3)


def test_a_fault_is_for_as_many_requests_as_were_ordered(simulator):
    ordered = simulator.order(times=2, fail=429, retry_after=5)
    assert (ordered.status, ordered.json) == (201, {"match": {}, "times": 2, "fail": "429", "retry_after": "5"})
    replies = [ask(simulator) for _ in range(3)]
    assert [(reply.status, reply.headers["Retry-After"]) for reply in replies] == [(429, "5"), (429, "5"), (200, None)]


def test_without_a_number_a_fault_lasts_until_all_are_taken_back(simulator):
    simulator.order(fail=503)
    assert [ask(simulator).status for _ in range(3)] == [503, 503, 503]
    assert simulator.request("DELETE", "/__simulator__/faults").status == 204
    assert ask(simulator).status == 200


def test_a_fault_is_for_one_key_of_one_path(simulator):
    simulator.order(match={"key_last_four": "abcd", "path": "/v1/chat/completions"}, times=1, fail=500)
    headers = {"Authorization": "Bearer key-abcd", "x-simulator-speed": "0"}
    assert simulator.request("POST", "/v1/openai/chat/completions", HELLO, headers).status == 200
    assert [ask(simulator, key).status for key in ("key-good", "key-abcd", "key-abcd")] == [200, 500, 200]


def test_faults_are_used_up_in_the_order_of_their_arrival(simulator):
    simulator.order(times=1, fail=500)
    simulator.order(times=1, fail_mode="html")
    simulator.order(times=1, gzip=True, no_usage=True)
    waiting = simulator.request("GET", "/__simulator__/faults").json
    assert [fault["times"] for fault in waiting] == [1, 1, 1]
    assert ask(simulator).status == 500
    assert ask(simulator).headers["Content-Type"] == "text/html"
    assert ask(simulator).headers["Content-Encoding"] == "gzip"
    assert simulator.request("GET", "/__simulator__/faults").json == []


def test_what_the_request_itself_says_wins(simulator):
    simulator.order(fail=500, say="Ordered")
    reply = simulator.chat('[[fail=404 say="Said"]]')
    assert reply.status == 404


def test_an_ordered_answer_may_be_an_object(simulator):
    simulator.order(tool="f", args={"x": 1})
    reply = ask(simulator, tools=[{"type": "function"}])
    assert reply.message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x": 1}'}


@pytest.mark.parametrize(
    ("fault", "param"),
    [
        ({"fial": 500}, "fial"),
        ({"fail": 200}, "fail"),
        ({"fail": 500, "times": 0}, "times"),
        ({"fail": 500, "times": "2"}, "times"),
        ({"fail": 500, "match": {"model": "x"}}, "match"),
        ({"fail": 500, "match": "x"}, "match"),
    ],
)
def test_an_order_that_cannot_be_followed_is_400_and_not_kept(simulator, fault, param):
    reply = simulator.order(**fault)
    assert (reply.status, reply.json["error"]["param"]) == (400, param)
    assert simulator.request("GET", "/__simulator__/faults").json == []


def test_orders_are_not_in_the_journal(simulator):
    simulator.order(times=1, fail=500)
    ask(simulator)
    assert [row["path"] for row in simulator.journal()] == ["/v1/chat/completions"]


@pytest.mark.parametrize("name", ["requests", "faults"])
def test_a_web_page_controls_nothing(simulator, name):
    simulator.order(fail=503)
    headers = {"Origin": "https://elsewhere.example"}
    assert simulator.request("DELETE", f"/__simulator__/{name}", headers=headers).status == 403
    assert len(simulator.request("GET", "/__simulator__/faults").json) == 1


def test_the_models_are_listed_for_a_key(simulator):
    reply = simulator.request("GET", "/v1/models", headers={"Authorization": "Bearer a-good-key"})
    assert (reply.status, reply.json["object"]) == (200, "list")
    assert [model["id"] for model in reply.json["data"]] == ["deepseek-chat", "deepseek-coder", "deepseek-reasoner"]
    assert reply.json["data"][0] == {
        "id": "deepseek-chat",
        "object": "model",
        "created": 1735689600,
        "owned_by": "simulated-upstream",
    }


@pytest.mark.parametrize(
    ("key", "status"), [("Bearer bad", 401), ("Basic good", 401), ("", 401), ("Bearer broke", 402)]
)
def test_the_models_are_listed_for_a_good_key_only(simulator, key, status):
    assert simulator.request("GET", "/v1/models", headers={"Authorization": key}).status == status


def test_the_list_of_models_fails_when_told_to(simulator):
    headers = {"Authorization": "Bearer a-good-key"}
    assert simulator.request("GET", "/v1/models", headers={**headers, "x-simulator-fail": "503"}).status == 503
    simulator.order(match={"path": "/v1/models"}, times=1, fail_mode="list")
    assert simulator.request("GET", "/v1/models", headers=headers).raw == b"[]"


def test_a_sign_of_life_is_free_and_says_who_lives(simulator):
    reply = simulator.request("GET", "/")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert reply.raw == b"This is the simulated upstream: a test peer, and no model.\n"
