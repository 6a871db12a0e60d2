"""A recorded stream gives the same events wherever the network cuts it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.errors import UpstreamProtocolError
from providers.sse import EVENT_LIMIT
from tests.contract.recordings import CR, CRLF, LF, RECORDINGS
from tests.contract.stories import STREAMING, heard

IDS = [f"{name}-{place}" for place, (name, *_) in enumerate(RECORDINGS)]
each_recording = pytest.mark.parametrize(("name", "newline", "stream", "events"), RECORDINGS, ids=IDS)


def sent(stream, newline):
    return stream.replace("\n", newline).encode()


def parts(stream, cuts):
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in zip(edges, edges[1:], strict=False)]


def test_there_is_a_recording_of_every_dialect_that_streams():
    assert {name for name, *_ in RECORDINGS} == set(STREAMING)


@each_recording
def test_the_events_of_a_recording(name, newline, stream, events):
    assert heard(name, sent(stream, newline)) == events


@pytest.mark.parametrize("newline", [LF, CRLF, CR], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("name", "stream", "events"), [(name, *rest) for name, _, *rest in RECORDINGS], ids=IDS)
def test_one_cut_at_any_byte_changes_nothing(name, newline, stream, events):
    whole = sent(stream, newline)
    assert [at for at in range(len(whole) + 1) if heard(name, whole[:at], whole[at:]) != events] == []


@each_recording
def test_a_stream_of_single_bytes_changes_nothing(name, newline, stream, events):
    whole = sent(stream, newline)
    assert heard(name, *(whole[at : at + 1] for at in range(len(whole)))) == events


@settings(max_examples=300, deadline=None)
@given(
    recording=st.sampled_from(RECORDINGS),
    newline=st.sampled_from([LF, CRLF, CR]),
    cuts=st.lists(st.integers(0, 2500), max_size=40),
)
def test_cuts_at_any_bytes_and_any_line_ends_change_nothing(recording, newline, cuts):
    name, _, stream, events = recording
    assert heard(name, *parts(sent(stream, newline), cuts)) == events


@pytest.mark.parametrize("name", STREAMING)
def test_an_event_past_the_limit_is_refused_before_it_ends(name):
    with pytest.raises(UpstreamProtocolError, match="one event of more than 5 MB"):
        heard(name, b'data: {"choices": [{"delta": {"content": "', *[b"x" * 65536] * (EVENT_LIMIT // 65536 + 1))
