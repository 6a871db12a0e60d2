"""The page about adding a model and a dialect, done word for word."""

import re
from pathlib import Path

import pytest

from panel.catalog_file import read
from providers import dialects
from providers.dialects import StreamState
from providers.errors import InvalidRequest, UpstreamProtocolError, UpstreamUnavailable
from providers.sse import Decoder
from providers.types import ChatMessage, ChatRequest, ContentDelta, Finished, Sampling, UsageReported
from tests.contract.test_output_schema import fits, forgiven
from tests.contract.test_protocol import misfits

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-dialect.md"
NAMED = {"id": "1", "created": 1700000000, "model": "grey"}
STREAM = """data: {"piece": "Hél"}\n\n: flap\ndata: {"piece": "lo 🦜"}\n
data: {"end": "stop", "spent": {"heard": 4, "said": 2}}\n\n""".encode()
EVENTS = [ContentDelta(0, "Hél"), ContentDelta(0, "lo 🦜"), Finished(0, "stop"), UsageReported(4, 2)]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def parrot(write_dialect, monkeypatch):
    """The page's dialect, found like the others."""
    (code,) = blocks("python")
    write_dialect("parrot", code)
    monkeypatch.setattr(dialects, "DIALECTS", dialects.find())
    return dialects.get("parrot")


def heard(dialect, *parts):
    decoder, state, events = Decoder(), StreamState(), []
    for payload in [payload for part in parts for payload in decoder.feed(part)] + decoder.close():
        fresh, state = dialect.decode_event(payload, state)
        events += fresh
    return events + dialect.decode_end(state)


@pytest.fixture
def entry_of(tmp_path):
    def run(text):
        (tmp_path / "own.toml").write_text(text, encoding="utf-8")
        (entry,) = read(tmp_path / "own.toml")
        return entry

    return run


def test_the_entry_of_a_model_is_a_catalogue(entry_of):
    entry = entry_of(blocks("toml")[0])
    assert (entry.model, entry.name_there, entry.dialect) == ("llama", "llama3.1", "openai")
    assert (entry.input_price, entry.abilities) == (100_000_000, ("tools", "json"))


def test_the_entry_of_the_added_dialect_needs_the_dialect(entry_of, parrot):
    assert entry_of(blocks("toml")[1]).dialect == parrot.NAME == "parrot"


def test_the_added_dialect_is_whole(parrot):
    assert misfits(parrot) == []
    assert [parameter.name for parameter in parrot.parameters() if not parameter.description] == []


def test_the_added_dialect_reads_and_writes_requests(parrot):
    request = parrot.read_request(parrot.EXAMPLE)
    assert request == ChatRequest(
        "grey", (ChatMessage("user", "Hello!"),), sampling=Sampling(temperature=0.5), stream=False
    )
    assert parrot.write_request(request, "grey") == parrot.EXAMPLE
    assert parrot.url("https://api.parrot.example/", request) == "https://api.parrot.example/v2/talk"
    assert parrot.headers("KEY") == {"X-Parrot-Key": "KEY"}
    with pytest.raises(InvalidRequest, match="0 ≤ temperature ≤ 1; this is the number 1.5"):
        parrot.read_request(parrot.EXAMPLE | {"temperature": 1.5})


def test_the_added_dialect_reads_the_answers_of_its_document_and_refuses_others(parrot):
    body = {"reply": "Hello!", "end": "stop", "spent": {"heard": 4, "said": 2}}
    events = [ContentDelta(0, "Hello!"), Finished(0, "stop"), UsageReported(4, 2)]
    assert parrot.decode_answer(body) == events
    assert parrot.encode_answer(events, **NAMED) == body
    assert fits(parrot.Answer, body)
    assert forgiven(parrot.Answer, body) == set()
    for wrong in ({}, [], None, {"reply": 5}):
        with pytest.raises(UpstreamProtocolError):
            parrot.decode_answer(wrong)
    with pytest.raises(UpstreamUnavailable):
        parrot.decode_answer({"error": {"message": "moulting", "code": 503}})


def test_the_added_dialect_reads_a_stream_however_it_is_cut(parrot):
    assert [at for at in range(len(STREAM)) if heard(parrot, STREAM[:at], STREAM[at:]) != EVENTS] == []
    with pytest.raises(UpstreamProtocolError, match="broke off"):
        heard(parrot, STREAM[: STREAM.index(b'{"end"')])


def test_the_added_dialect_writes_a_stream(parrot):
    chunks = [parrot.encode_event(event, **NAMED) for event in EVENTS]
    assert chunks == [{"piece": "Hél"}, {"piece": "lo 🦜"}, {"end": "stop"}, {"spent": {"heard": 4, "said": 2}}]
    assert [chunk for chunk in chunks if not fits(parrot.Chunk, chunk)] == []
