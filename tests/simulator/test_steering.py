"""Every way to tell the simulated upstream what to do."""

import contextlib
import http.client
import json
import time

import pytest

STATUSES = [400, 401, 402, 403, 404, 405, 406, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529]


def test_the_text_and_the_headers_steer_alike(simulator):
    by_text = simulator.chat("Hi [[length=3]]")
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Hi"}]}
    by_header = simulator.post("/v1/chat/completions", body, speed=0, length=3)
    assert by_text.message == by_header.message == {"role": "assistant", "content": "This is the"}


def test_only_the_last_user_message_steers(simulator):
    messages = [{"role": "user", "content": "Hi [[fail=500]]"}, {"role": "assistant", "content": "[[fail=500]]"}]
    body = {"model": "deepseek-chat", "messages": [*messages, {"role": "user", "content": "[[length=3]]"}]}
    assert simulator.post("/v1/chat/completions", body, speed=0).message["content"] == "This is the"


def test_somebody_elses_double_brackets_are_text(simulator):
    reply = simulator.chat("See [[page=home]] [[length=60]]")
    assert (reply.status, "page=home" in reply.message["content"]) == (200, True)


@pytest.mark.parametrize("directive", ["[[length=many]]", "[[fail_mode=explode]]", "[[speed=-1]]", "[[fail=200]]"])
def test_steering_that_cannot_be_followed_is_400(simulator, directive):
    assert simulator.chat(directive).status == 400


def test_an_unknown_steering_header_is_400(simulator):
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Hi"}]}
    assert simulator.post("/v1/chat/completions", body, spede=3).json["error"]["param"] == "spede"


@pytest.mark.parametrize("length", [0, 1, 17, 18, 19, 100, 2000])
def test_length_is_exact(simulator, length):
    reply = simulator.chat(f"Explain sockets [[length={length}]]", stream=True)
    assert sum("content" in delta for delta in reply.deltas[1:]) == length


def test_speed_is_kept_over_the_whole_answer(simulator):
    started = time.monotonic()
    simulator.chat("Hi [[speed=100 length=31]]", stream=True)
    assert 0.29 < time.monotonic() - started < 1.5


def test_a_whole_answer_takes_as_long_as_its_tokens(simulator):
    started = time.monotonic()
    simulator.chat("Hi [[speed=100 length=30]]")
    assert 0.29 < time.monotonic() - started < 1.5


def test_delay_holds_the_first_token_back_but_not_the_headers(simulator):
    with contextlib.closing(simulator.open_stream("Hi [[delay=0.3 length=3]]")) as client:
        assert client.recv(9000).startswith(b"HTTP/1.1 200 OK")
        started = time.monotonic()
        assert b"This" in client.recv(9000) + client.recv(9000)
        assert 0.2 < time.monotonic() - started < 1.5


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("stream", [False, True])
def test_fail_answers_the_status_instead(simulator, status, stream):
    reply = simulator.chat(f"Hi [[fail={status}]]", stream=stream)
    assert (reply.status, reply.headers["Retry-After"]) == (status, "7" if status == 429 else None)
    assert reply.json["error"]["message"] == f"The simulated upstream was told to answer {status}."


def test_say_says_exactly_that(simulator):
    text = '<think>a</think> </s> <script>alert("1")</script>\n\tñ 漢字 🙂\u2028 [[b]]'
    asked = f"[[say={json.dumps(text)}]]"
    assert simulator.chat(asked).message["content"] == text
    assert simulator.chat(asked, stream=True).content == text


def test_say_takes_a_line_break_as_it_was_typed(simulator):
    assert simulator.chat('[[say="one\ntwo \\"three\\""]]').message["content"] == 'one\ntwo "three"'
    assert simulator.chat('[[say="C:\\dir"]]').message["content"] == "C:\\dir"


def test_echo_answers_what_was_received_but_no_key(simulator):
    reply = simulator.deepinfra("Hi [[echo=1]]", stream=True, top_k=5)
    heard = json.loads(reply.content.removesuffix("</s>"))
    assert (heard["method"], heard["path"]) == ("POST", "/v1/openai/chat/completions")
    assert heard["body"]["top_k"] == 5
    assert {"Authorization", "x-simulator-speed"} <= set(heard["headers"])
    assert "a-good-key" not in reply.content


def writes(simulator, text):
    """The pieces in which the server wrote the body: the HTTP chunks."""
    with contextlib.closing(simulator.open_stream(text)) as client:
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += client.recv(65536)
    rest = received.partition(b"\r\n\r\n")[2]
    pieces = []
    while not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        pieces.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return pieces


def test_every_token_is_written_on_its_own(simulator):
    pieces = writes(simulator, "Hi [[speed=0 length=5]]")
    assert [piece.count(b"data: ") for piece in pieces] == [1] * 8


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_chunk_cuts_anywhere_even_inside_a_character(simulator, size):
    pieces = writes(simulator, f'[[speed=0 say="漢字🙂" chunk={size}]]')
    assert {len(piece) for piece in pieces[:-1]} == {size}
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
    assert "漢".encode() in b"".join(pieces)


def test_crlf_ends_every_line(simulator):
    reply = simulator.chat("Hi [[length=3 crlf=1 comments=1]]", stream=True)
    assert reply.raw.count(b"\n") == reply.raw.count(b"\r\n") > 0
    assert reply.content == "This is the"


def test_comments_stand_between_the_events(simulator):
    reply = simulator.chat("Hi [[length=11 comments=1]]", stream=True)
    assert reply.raw.count(b": keep-alive\n\n") == 4
    assert reply.raw.startswith(b": keep-alive\n\ndata: ")


def test_no_done_leaves_the_last_line_out(simulator):
    reply = simulator.chat("Hi [[length=3 no_done=1]]", stream=True)
    assert b"[DONE]" not in reply.raw
    assert reply.chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_usage_can_be_absent_or_absurd(simulator):
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    absurd = {
        "prompt_tokens": -7,
        "completion_tokens": 1_000_000_000_000_000_000,
        "reasoning_tokens": 10_000_000_000_000_000_000,
        "total_tokens": 3,
        "estimated_cost": -1000000,
    }
    assert "usage" not in simulator.chat("Hi [[no_usage=1]]").json
    assert "usage" not in simulator.chat("Hi [[no_usage=1]]", **asked).chunks[-1]
    assert simulator.chat("Hi [[bad_usage=1]]").json["usage"] == absurd
    assert simulator.chat("Hi [[bad_usage=1]]", **asked).chunks[-1]["usage"] == absurd


def test_an_error_event_ends_the_stream_without_done(simulator):
    reply = simulator.chat("Hi [[length=50 fail_after=5 fail_mode=error_event]]", stream=True)
    assert (reply.status, len(reply.chunks)) == (200, 1 + 5 + 1)
    assert reply.chunks[-1]["error"]["type"] == "server_error"
    assert b"[DONE]" not in reply.raw


def test_half_an_event_ends_the_stream(simulator):
    reply = simulator.chat("Hi [[length=50 fail_after=5 fail_mode=half_event]]", stream=True)
    *whole, half = reply.raw.split(b"\n\n")
    assert len(whole) == 1 + 5
    assert half.startswith(b'data: {"id": "chatcmpl-')
    with pytest.raises(json.JSONDecodeError):
        json.loads(half.removeprefix(b"data: "))


def test_garbage_is_neither_json_nor_text(simulator):
    reply = simulator.chat("Hi [[length=50 fail_after=5 fail_mode=garbage]]", stream=True)
    assert reply.raw.split(b"\n\n")[6].endswith(b"<<<\xff\xfe not JSON")


@pytest.mark.parametrize("stream", [False, True])
def test_close_breaks_the_connection_off(simulator, stream):
    with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)):
        simulator.chat("Hi [[length=50 fail_after=5 fail_mode=close]]", stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_reset_throws_the_connection_away(simulator, stream):
    with pytest.raises(ConnectionResetError):
        simulator.chat("Hi [[length=50 fail_after=5 fail_mode=reset speed=500]]", stream=stream)


def test_hang_says_nothing_more(simulator):
    with contextlib.closing(simulator.open_stream("Hi [[length=50 fail_after=2 fail_mode=hang speed=0]]")) as client:
        client.settimeout(0.3)
        received = b""
        with pytest.raises(TimeoutError):
            while piece := client.recv(9000):
                received += piece
    assert received.count(b"data: ") == 3


def test_a_failure_after_the_last_token_comes_before_the_end(simulator):
    reply = simulator.chat("Hi [[length=5 fail_after=5 fail_mode=error_event]]", stream=True)
    assert "error" in reply.chunks[-1]


def test_a_failure_after_more_tokens_than_there_are_never_comes(simulator):
    reply = simulator.chat("Hi [[length=5 fail_after=6 fail_mode=error_event]]", stream=True)
    assert reply.events[-1] == "[DONE]"


def test_whole_answers_break_off_as_well(simulator):
    error = simulator.chat("Hi [[fail_after=0 fail_mode=error_event]]")
    assert (error.status, error.json["error"]["type"]) == (200, "server_error")
    assert simulator.chat("Hi [[fail_after=0 fail_mode=garbage]]").raw == b'{"choices": <<<\xff\xfe not JSON'
    with pytest.raises(http.client.IncompleteRead):
        simulator.chat("Hi [[fail_after=0 fail_mode=half_event]]")
