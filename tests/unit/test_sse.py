"""Server-sent events from bytes, however the network cuts them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.errors import UpstreamProtocolError
from providers.sse import EVENT_LIMIT, Decoder

STREAM = (
    '\ufeff: hello\n\nevent: message\nid: 7\nretry: 10\ndata: {"text": "né 😀"}\n\n'
    "data:first\ndata: second\ndata\n\n: keep-alive\n\ndata: a\u2028b\n\ndata: [DONE]\n\n"
).encode()
PAYLOADS = ['{"text": "né 😀"}', "first\nsecond\n", "a\u2028b", "[DONE]"]


def decoded(*chunks: bytes) -> list[str]:
    decoder = Decoder()
    return [payload for chunk in chunks for payload in decoder.feed(chunk)] + decoder.close()


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_is_understood_in_one_piece_and_byte_by_byte(newline):
    stream = STREAM.replace(b"\n", newline)
    assert decoded(stream) == PAYLOADS
    assert decoded(*(stream[at : at + 1] for at in range(len(stream)))) == PAYLOADS


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_cut_at_any_byte_changes_nothing(newline):
    stream = STREAM.replace(b"\n", newline)
    assert all(decoded(stream[:at], b"", stream[at:]) == PAYLOADS for at in range(len(stream) + 1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=20), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_set_of_cuts_changes_nothing(cuts, newline):
    stream = STREAM.replace(b"\n", newline)
    edges = [0, *sorted(cuts), len(stream)]
    assert decoded(*(stream[start:end] for start, end in zip(edges, edges[1:], strict=False))) == PAYLOADS


def test_an_event_comes_with_the_chunk_that_ends_it():
    decoder = Decoder()
    assert decoder.feed(b"data: a") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\ndata: b\n\ndata: c") == ["a", "b"]


def test_a_carriage_return_ends_its_line_without_waiting_for_a_line_feed():
    decoder = Decoder()
    assert decoder.feed(b"data: a\r\r") == ["a"]
    assert decoder.feed(b"\ndata: b\r\n\r\n") == ["b"]


def test_only_one_space_after_the_colon_is_taken_away():
    assert decoded(b"data:  two\n\n") == [" two"]


def test_a_field_that_only_begins_like_data_is_no_data():
    assert decoded(b"database: x\n\ndata : y\n\n") == []


def test_a_byte_order_mark_counts_only_at_the_start():
    assert decoded(b"\xef\xbb", b"\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n") == ["a"]


def test_bytes_that_are_not_utf_8_become_replacement_characters():
    assert decoded(b"data: a\xffb\n\n") == ["a\ufffdb"]


def test_blank_lines_alone_are_no_events():
    assert decoded(b"\n\n\n\r\n\r\r") == []


def test_an_event_that_lacks_its_blank_line_is_given_at_the_close():
    assert decoded(b"data: a\n\ndata: b\n") == ["a", "b"]


def test_half_a_line_at_the_close_is_dropped_with_its_event():
    assert decoded(b"data: a\n\ndata: b") == ["a"]
    assert decoded(b"data: a\n\ndata: b\ndata: c") == ["a"]


def test_an_event_just_within_the_limit_is_given():
    (payload,) = decoded(b"data: " + b"x" * (EVENT_LIMIT - 1) + b"\n\n")
    assert len(payload) == EVENT_LIMIT - 1


@pytest.mark.parametrize(
    "chunk",
    [b"x" * 65536, b": comment" * 8192, b"data: " + b"x" * 65536 + b"\n", b"data: x\n" * 8192],
    ids=["no line end", "a comment", "long lines", "short lines"],
)
def test_an_event_or_a_line_past_the_limit_raises(chunk):
    decoder = Decoder()
    with pytest.raises(UpstreamProtocolError, match="more than 5 MB"):
        for _ in range(400):
            decoder.feed(chunk)


@pytest.mark.parametrize(
    "chunk",
    [b"data: " + b"x" * EVENT_LIMIT + b"\n\n", b"\n" + b"x" * (EVENT_LIMIT + 1)],
    ids=["an event", "half a line"],
)
def test_one_chunk_with_too_large_an_event_raises(chunk):
    with pytest.raises(UpstreamProtocolError, match="more than 5 MB"):
        Decoder().feed(chunk)


def test_many_small_events_past_the_limit_in_all_are_fine():
    event = b"data: " + b"x" * 65536 + b"\n\n"
    assert len(decoded(*[event] * 100)) == 100
