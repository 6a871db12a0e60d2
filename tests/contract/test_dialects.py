"""One story, every dialect: the same text and usage, however it is told and wherever it is cut."""

import json
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import dialects
from providers.errors import UpstreamProtocolError, UpstreamRejected, UpstreamUnavailable
from providers.types import ContentDelta, Finished, ReasoningDelta, ToolCallDelta
from tests.contract.stories import (
    ALL,
    BARE,
    ENDING,
    REASONING,
    SEPARATE,
    STREAMING,
    STREAMS,
    TAGGED,
    TEXT,
    TOLD,
    USAGE,
    WHOLE,
    chunk,
    heard,
    story,
    wire,
)

NEWLINES = [b"\n", b"\r\n", b"\r"]


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize(("name", "told"), STREAMS)
def test_every_stream_tells_the_same_story(name, told, newline):
    assert story(heard(name, wire(told, newline))) == WHOLE


@pytest.mark.parametrize(("name", "told"), STREAMS)
def test_a_stream_that_comes_byte_by_byte_tells_the_same_story(name, told):
    stream = wire(told)
    assert story(heard(name, *(stream[at : at + 1] for at in range(len(stream))))) == WHOLE


@settings(max_examples=50, deadline=None)
@given(data=st.data(), newline=st.sampled_from(NEWLINES), case=st.sampled_from(STREAMS))
def test_a_stream_cut_into_any_parts_tells_the_same_story(data, newline, case):
    stream = wire(case[1], newline)
    edges = [0, *sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12))), len(stream)]
    parts = [stream[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    assert story(heard(case[0], *parts)) == WHOLE


@pytest.mark.parametrize(("name", "told"), STREAMS)
def test_a_stream_cut_before_its_finish_raises(name, told):
    stream = wire(told)
    end = stream.index(b"[DONE]" if told is BARE else b'"stop"')
    for at in range(0, end, 5):
        with pytest.raises(UpstreamProtocolError, match="broke off"):
            heard(name, stream[:at])


@pytest.mark.parametrize(("name", "told"), STREAMS)
def test_a_stream_cut_after_its_finish_has_said_everything_but_perhaps_its_usage(name, told):
    stream = wire(told)
    end = stream.index(b"\n", stream.index(b"[DONE]" if told is BARE else b'"stop"'))
    for at in range(end + 1, len(stream)):
        reasoning, text, ended = story(heard(name, stream[:at]))
        assert (reasoning, text, ended[0]) == (REASONING, TEXT, Finished(0, "stop"))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30).filter(lambda text: "<" not in text), st.lists(st.integers(0, 80)))
def test_think_tags_cut_anywhere_separate_any_text(answer, reasoning, cuts):
    answer, reasoning = answer.replace("\0", ""), reasoning.replace("\0", "")
    full = f"<think>{reasoning}</think>{answer}"
    edges = [0, *sorted(min(cut, len(full)) for cut in cuts), len(full)]
    deltas = [chunk({"content": full[start:end]}) for start, end in zip(edges, edges[1:], strict=False)]
    # The last piece may happen to be a whole end mark, which is dropped by design.
    stream = wire([*deltas, chunk({"content": ""}), chunk({}, "stop")])
    if full[edges[-2] :] != "</s>":
        assert story(heard("openai", stream))[:2] == (reasoning, answer.lstrip("\r\n"))


@pytest.mark.parametrize("name", STREAMING)
def test_think_tags_split_at_every_character_and_at_every_two_are_tags(name):
    full = "<think>a < b 🧮</think>\n好"
    places = range(len(full) + 1)
    for first, second in [*combinations(places, 2), *((at, at) for at in places)]:
        deltas = [full[:first], full[first:second], full[second:]]
        stream = wire([*(chunk({"content": delta}) for delta in deltas), chunk({}, "stop")])
        assert story(heard(name, stream)) == ("a < b 🧮", "好", [Finished(0, "stop")]), deltas
    letters = wire([*(chunk({"content": letter}) for letter in full), chunk({}, "stop")])
    assert story(heard(name, letters)) == ("a < b 🧮", "好", [Finished(0, "stop")])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": TEXT, "reasoning_content": REASONING},
        {"role": "assistant", "content": f"<think>{REASONING}</think>{TEXT}"},
        {"role": "assistant", "content": TEXT, "reasoning": REASONING, "refusal": None},
    ],
)
def test_every_whole_answer_tells_the_same_story(name, message):
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    assert story(dialects.get(name).decode_answer({"choices": [choice], "usage": USAGE})) == WHOLE


@pytest.mark.parametrize("name", ["eigenai", "segmind"])
@pytest.mark.parametrize("field", ["content", "text", "output", "response"])
def test_undocumented_answers_are_read_where_they_are_clearly_text(name, field):
    body = {field: f"<think>{REASONING}</think>{TEXT}", "usage": USAGE}
    assert story(dialects.get(name).decode_answer(body)) == WHOLE


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("body", [{}, [], "text", None, {"output": ["a"]}, {"choices": []}, {"choices": [1]}])
def test_an_answer_of_no_known_shape_raises_with_an_excerpt(name, body):
    with pytest.raises(UpstreamProtocolError) as raised:
        dialects.get(name).decode_answer(body)
    assert raised.value.excerpt == json.dumps(body).strip('"')


@pytest.mark.parametrize("name", STREAMING)
def test_done_without_a_finish_reason_is_a_broken_answer(name):
    with pytest.raises(UpstreamProtocolError, match="broke off"):
        heard(name, wire([chunk({"content": "Hi"})]))


def test_done_is_the_end_of_text_without_choices():
    assert heard("eigenai", wire([{"text": "Hi"}])) == [ContentDelta(0, "Hi"), Finished(0, "stop")]
    with pytest.raises(UpstreamProtocolError, match="broke off"):
        heard("eigenai", wire(BARE, done=False))


def test_an_undocumented_event_without_text_raises():
    with pytest.raises(UpstreamProtocolError, match="not documented") as raised:
        heard("eigenai", wire([{"meta": 1}, {"text": "Hi"}]))
    assert raised.value.excerpt == '{"meta": 1}'


@pytest.mark.parametrize("name", STREAMING)
def test_nothing_is_heard_after_done(name):
    assert story(heard(name, wire(SEPARATE) + wire(SEPARATE))) == WHOLE


def test_a_stream_without_done_is_whole_once_it_has_finished():
    assert story(heard("openai", wire(SEPARATE, done=False))) == WHOLE


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        (["Hi", "</s>"], "Hi"),
        (["Hi", "</s>", ""], "Hi"),
        (["Hi", "</s>", "!"], "Hi</s>!"),
        (["Hi", "</s>", "</s>"], "Hi</s>"),
        (["Hi</s>"], "Hi</s>"),
        (["Hi", " </s>"], "Hi </s>"),
        (["<", "/s>"], "</s>"),
        (["<thi", "</s>"], "<thi"),
        (["<thi", "</s>", "nk>"], "<thi</s>nk>"),
    ],
)
@pytest.mark.parametrize("name", STREAMING)
def test_an_end_mark_is_dropped_only_where_it_is_the_whole_last_piece(name, deltas, text):
    stream = wire([*(chunk({"content": delta}) for delta in deltas), chunk({}, "stop")])
    assert story(heard(name, stream))[1] == text


@pytest.mark.parametrize("name", ALL)
def test_a_whole_answer_may_be_an_end_mark(name):
    choice = {"message": {"content": "</s>"}, "finish_reason": "stop"}
    assert dialects.get(name).decode_answer({"choices": [choice]}) == [ContentDelta(0, "</s>"), Finished(0, "stop")]


@pytest.mark.parametrize(
    ("deltas", "reasoning", "text"),
    [
        (["\n", " <think>a"], "a", "\n "),
        (["So: <think>a</think>"], "", "So: <think>a</think>"),
        (["<thinking>"], "", "<thinking>"),
        (["<think></think>b"], "", "b"),
        (["<think>a\n</think>\n\n b\n"], "a\n", " b\n"),
        (["<think>a</think>", "\n", "\n", "b"], "a", "b"),
        (["<think>a</think>\n"], "a", ""),
        (["<think>a<", "/think", ">b<think>c</think>"], "a", "b<think>c</think>"),
        (["<think>a</", "b"], "a</b", ""),
        (["<th"], "", "<th"),
    ],
)
def test_only_tags_that_open_an_answer_mark_reasoning(deltas, reasoning, text):
    stream = wire([*(chunk({"content": delta}) for delta in deltas), chunk({}, "stop")])
    assert story(heard("eigenai", stream))[:2] == (reasoning, text)


def test_tags_are_text_where_reasoning_comes_on_its_own():
    stream = wire([chunk({"reasoning_content": "a"}), chunk({"content": "<think>b</think>"}), chunk({}, "stop")])
    assert story(heard("eigenai", stream))[:2] == ("a", "<think>b</think>")


def test_choices_are_told_apart_by_their_index():
    both = {"choices": [{"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": "A"}}]}
    stream = wire([both, chunk({"content": "</s>"}, index=1), chunk({}, "length", index=1), chunk({}, "stop")])
    assert heard("deepinfra", stream) == [
        ContentDelta(1, "B"),
        ContentDelta(0, "A"),
        Finished(1, "length"),
        Finished(0, "stop"),
    ]


def test_a_choice_that_never_finishes_breaks_the_answer():
    with pytest.raises(UpstreamProtocolError, match="broke off"):
        heard("deepinfra", wire([chunk({"content": "A"}, index=1), chunk({"content": "A"}, "stop")]))


def test_a_finish_that_is_said_twice_is_heard_once():
    stream = wire([chunk({"content": "A"}, "stop"), chunk({"content": ""}, "stop", usage=USAGE)])
    assert heard("openai", stream) == [ContentDelta(0, "A"), Finished(0, "stop"), TOLD]


def test_text_after_the_end_is_refused():
    with pytest.raises(UpstreamProtocolError, match="went on after the end"):
        heard("openai", wire([chunk({}, "stop"), chunk({"content": "more"})]))


@pytest.mark.parametrize(
    ("reason", "canonical"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
    ],
)
def test_finish_reasons_come_in_canonical_words(reason, canonical):
    assert heard("openai", wire([chunk({}, reason)])) == [Finished(0, canonical)]


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
def test_a_finish_reason_that_means_failure_raises(reason):
    with pytest.raises(UpstreamUnavailable, match="gave up"):
        heard("openai", wire([chunk({"content": "A"}), chunk({}, reason)]))


def test_tool_calls_come_in_pieces_with_id_and_name_once():
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
    again = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": '{"a"'}}
    last = {"index": 0, "function": {"arguments": ":1}"}}
    calls = [chunk({"tool_calls": [piece]}) for piece in (first, again, last)]
    events = heard("openai", wire([*calls, chunk({}, "tool_calls")]))
    assert events == [
        ToolCallDelta(0, 0, "call_1", "look", ""),
        ToolCallDelta(0, 0, "", "", '{"a"'),
        ToolCallDelta(0, 0, "", "", ":1}"),
        Finished(0, "tool_calls"),
    ]
    message = dialects.get("openai").encode_answer(events, id="1", created=1, model="m")["choices"][0]["message"]
    assert message["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    ]
    assert message["content"] is None


@pytest.mark.parametrize("name", STREAMING)
def test_what_our_face_says_is_heard_again(name):
    dialect = dialects.get(name)
    events = heard(name, wire(SEPARATE))
    named = {"id": "1", "created": 1, "model": "m"}
    start = dialect.encode_start(**named)
    chunks = [chunk for chunk in [start, *(dialect.encode_event(event, **named) for event in events)] if chunk]
    assert heard(name, wire(chunks)) == events
    assert story(dialect.decode_answer(dialect.encode_answer(events, **named))) == WHOLE


def test_segmind_has_no_stream_to_read_or_to_write():
    segmind = dialects.get("segmind")
    named = {"id": "1", "created": 1, "model": "m"}
    assert not segmind.STREAMS
    assert (segmind.encode_start(**named), segmind.encode_event(ContentDelta(0, "A"), **named)) == (None, None)
    with pytest.raises(UpstreamProtocolError):
        heard("segmind", wire(SEPARATE))


@pytest.mark.parametrize("name", STREAMING)
def test_unknown_fields_and_empty_choices_are_passed_over(name):
    odd = [
        {"choices": [], "x": 1, "usage": None},
        {"choices": None, "error": None},
        chunk({"content": "A", "annotations": []}) | {"service_tier": "x"},
        {"choices": [{"index": 0, "delta": None, "logprobs": {}, "finish_reason": ""}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    ]
    assert heard(name, b"data:\n\n" + wire(odd)) == [ContentDelta(0, "A"), Finished(0, "stop")]


@pytest.mark.parametrize("name", STREAMING)
@pytest.mark.parametrize(
    "payload",
    [
        b'{"choices": [{"delta"',
        b"[1]",
        b"3",
        b"oops",
        b"[" * 100_000,
        b'{"choices": {"index": 0}}',
        b'{"choices": [{"delta": "A"}]}',
        b'{"choices": [{"delta": {"content": 5}}]}',
        b'{"choices": [{"index": -1, "delta": {}}]}',
        b'{"choices": [{"index": 1000, "delta": {}}]}',
        b'{"choices": [{"delta": {"tool_calls": [{"function": "look"}]}}]}',
    ],
)
def test_chunks_in_no_documented_form_raise(name, payload):
    with pytest.raises(UpstreamProtocolError, match="The provider sent"):
        heard(name, b"data: " + payload + b"\n\n")


@pytest.mark.parametrize("name", STREAMING)
@pytest.mark.parametrize(
    ("error", "failure", "status"),
    [
        ({"error": {"message": "busy", "code": 429}}, UpstreamUnavailable, 429),
        ({"error": {"message": "no", "code": "401"}}, UpstreamRejected, 401),
        ({"error": {"message": "no", "type": "invalid_request_error", "code": None}}, UpstreamRejected, None),
        ({"error": {"message": "oh", "type": "server_error"}}, UpstreamUnavailable, None),
        ({"error": "oh"}, UpstreamUnavailable, None),
        ({"error": {"message": "no", "type": "authentication_error", "code": None}}, UpstreamRejected, 401),
        ({"error": {"message": "no", "type": "x", "code": "insufficient_quota"}}, UpstreamRejected, 402),
        ({"error": {"message": "wait", "type": "rate_limit_error"}}, UpstreamUnavailable, 429),
        ({"object": "error", "message": "no", "code": 400}, UpstreamRejected, 400),
    ],
)
def test_an_error_inside_a_stream_raises(name, error, failure, status):
    with pytest.raises(failure) as raised:
        heard(name, wire([chunk({"content": "A"}), error]))
    assert raised.value.upstream_status == status
    with pytest.raises(failure):
        dialects.get(name).decode_answer(error)


def test_text_that_cannot_be_stored_is_made_storable():
    stream = (
        b'data: {"choices": [{"delta": {"content": "a\\ud800b\\u0000c\\ud83d\\ude00"}, "finish_reason": "stop"}]}\n\n'
    )
    assert heard("openai", stream) == [ContentDelta(0, "a\ufffdb\ufffdc😀"), Finished(0, "stop")]


def test_held_back_text_comes_before_its_finish():
    events = heard("openai", wire([chunk({"content": "<think>a</thi"}, "length"), *ENDING[2:]]))
    assert events == [ReasoningDelta(0, "a"), ReasoningDelta(0, "</thi"), Finished(0, "length"), TOLD]


def test_tagged_stories_are_told_piece_by_piece_and_not_at_the_end():
    state, told = dialects.StreamState(), 0
    for piece in TAGGED[:8]:
        events, state = dialects.get("eigenai").decode_event(json.dumps(piece), state)
        told += len(events)
    assert told >= 5
