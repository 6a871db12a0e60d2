"""Frames from a browser: what is understood, and what is said about the rest."""

import json
from uuid import UUID

import pytest

from conversations.protocol import BadFrame, Send, Stop, parse

ID = "0193a1b2-0000-7000-8000-000000000001"


def frame(**values):
    return json.dumps({"type": "send", "text": "Hi", "model": "m", "client_id": ID} | values)


def test_a_send_is_understood():
    parsed = parse(frame(params={"thinking": True, "temperature": 0, "max_tokens": 100}))
    assert isinstance(parsed, Send)
    assert (parsed.text, parsed.conversation, parsed.params.thinking) == ("Hi", None, True)


def test_a_stop_is_understood():
    assert parse(json.dumps({"type": "stop", "generation": ID})) == Stop(type="stop", generation=UUID(ID))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "frame"),
        ("[]", "frame"),
        ("null", "frame"),
        ("{", "frame"),
        ("[" * 10_000, "frame"),
        ('{"type":"fly"}', "frame"),
        ('{"type":"stop"}', "stop.generation"),
        ('{"type":"stop","generation":"7"}', "stop.generation"),
        (frame(text=5), "send.text"),
        (frame(text="x" * 400_001), "send.text"),
        (frame(extra=1), "send.extra"),
        (frame(params={"temperature": 2.1}), "send.params.temperature"),
        (frame(params={"max_tokens": 0}), "send.params.max_tokens"),
        (frame(params={"max_tokens": 1.5}), "send.params.max_tokens"),
        (frame(params={"owner": 1}), "send.params.owner"),
        (frame(client_id="x"), "send.client_id"),
    ],
)
def test_what_is_wrong_is_named(text, field):
    with pytest.raises(BadFrame) as refused:
        parse(text)
    assert str(refused.value).startswith(f"{field}: ")
