"""Frames from a browser: what is understood, and what is said about the rest."""

import json
from uuid import UUID

import pytest

from accounts.models import User
from conversations.prompting import build_request
from conversations.protocol import BadFrame, Send, Stop, parse
from providers.models import Model
from providers.types import Sampling, Thinking

ID = "0193a1b2-0000-7000-8000-000000000001"


def frame(**values):
    return json.dumps({"type": "send", "text": "Hi", "model": "m", "client_id": ID} | values)


def test_a_send_is_understood():
    parsed = parse(frame(params={"thinking": True, "temperature": 0, "max_tokens": 100}))
    assert isinstance(parsed, Send)
    assert (parsed.text, parsed.conversation, parsed.params.thinking) == ("Hi", None, True)


def test_every_parameter_is_understood_by_its_canonical_name():
    given = {
        "thinking": True,
        "budget_tokens": 2048,
        "effort": "high",
        "temperature": 0.5,
        "top_p": 1,
        "min_p": 0.1,
        "top_k": 40,
        "max_tokens": 100,
        "stop": ["END", "\n\n"],
        "presence_penalty": -2,
        "frequency_penalty": 0.25,
        "repetition_penalty": 1.1,
        "seed": 9223372036854775807,
        "response_format": "json_object",
    }
    params = parse(frame(params=given)).params
    assert params.as_json() == given
    request = build_request(messages=[], model=Model(name="m"), params=params, user=User(pk=UUID(ID)))
    assert request.thinking == Thinking(enabled=True, budget_tokens=2048, effort="high")
    assert request.sampling == Sampling(
        temperature=0.5,
        top_p=1,
        min_p=0.1,
        top_k=40,
        max_tokens=100,
        stop=("END", "\n\n"),
        presence_penalty=-2,
        frequency_penalty=0.25,
        repetition_penalty=1.1,
        seed=9223372036854775807,
        response_format={"type": "json_object"},
    )


def test_a_frame_holds_no_ranges_they_are_the_dialects():
    params = parse(frame(params={"temperature": 99, "top_k": -5, "max_tokens": 0, "budget_tokens": 1})).params
    assert params.as_json() == {"temperature": 99, "top_k": -5, "max_tokens": 0, "budget_tokens": 1}


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
        (frame(params={"temperature": True}), "send.params.temperature"),
        (frame(params={"temperature": "1"}), "send.params.temperature"),
        (frame(params={"temperature": float("inf")}), "send.params.temperature"),
        (frame(params={"thinking": 1}), "send.params.thinking"),
        (frame(params={"top_k": True}), "send.params.top_k"),
        (frame(params={"effort": "boundless"}), "send.params.effort"),
        (frame(params={"response_format": "xml"}), "send.params.response_format"),
        (frame(params={"stop": "END"}), "send.params.stop"),
        (frame(params={"stop": ["x"] * 17}), "send.params.stop"),
        (frame(params={"stop": ["x" * 201]}), "send.params.stop.0"),
        (frame(params={"stop": ["a\0b"]}), "send.params.stop.0"),
        (frame(params={"max_tokens": 1.5}), "send.params.max_tokens"),
        (frame(params={"owner": 1}), "send.params.owner"),
        (frame(client_id="x"), "send.client_id"),
    ],
)
def test_what_is_wrong_is_named(text, field):
    with pytest.raises(BadFrame) as refused:
        parse(text)
    assert str(refused.value).startswith(f"{field}: ")
