"""Parameters over the socket: they reach the upstream as it writes them, or nothing is stored, held or charged."""

import asyncio
from uuid import uuid4

import pytest

from billing.models import Hold
from billing.services import wallet_of
from conversations.models import Conversation, Generation, Message
from providers.threads import in_thread
from tests.factories import make_model

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def infra(transactional_db):
    return make_model("deepseek-ai/DeepSeek-V3", "deepinfra", "https://api.deepinfra.com", thinks=False)


async def refused(tab, model, **params):
    client_id = uuid4()
    await tab.tell(type="send", text="Hello", model=model.name, params=params, client_id=client_id)
    frame = await tab.until_any("turn.refused", "turn.started")
    assert frame["client_id"] == str(client_id)
    return frame


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"top_p": 0}, "top_p", "Not sent: top_p must be a number, 0 < top_p ≤ 1; this is the integer 0."),
        ({"top_k": 1000}, "top_k", "Not sent: top_k must be an integer, 0 ≤ top_k < 1000; this is the integer 1000."),
        ({"effort": "low"}, "reasoning_effort", None),
        ({"thinking": True, "budget_tokens": 300}, "thinking", None),
    ],
)
async def test_a_parameter_that_the_model_cannot_honour_is_refused_and_nothing_stored(
    tab, infra, alice, params, param, message
):
    frame = await refused(tab, infra, **params)
    assert (frame["type"], frame["code"], frame["param"]) == ("turn.refused", "invalid_request", param)
    if message:
        assert frame["message"] == message
    wallet, *counts = await in_thread(
        lambda: (wallet_of(alice), *(m.objects.count() for m in (Conversation, Message, Generation, Hold)))
    )()
    assert counts == [0, 0, 0, 0]
    assert (wallet.posted, wallet.held) == (10**9, 0)


async def test_a_budget_out_of_range_is_refused_by_its_dotted_name(tab, db):
    deep = await in_thread(make_model)("deepseek-reasoner", "thinking", "https://api.example.com")
    frame = await refused(tab, deep, thinking=True, budget_tokens=127)
    assert frame["param"] == "thinking.budget_tokens"
    assert "128 ≤ thinking.budget_tokens ≤ 8192" in frame["message"]


async def test_an_unknown_parameter_is_refused_by_name(tab, infra):
    await tab.tell(type="send", text="Hi", model=infra.name, params={"temprature": 1}, client_id=uuid4())
    assert (await tab.until("error"))["message"] == "send.params.temprature: Extra inputs are not permitted."


async def test_all_parameters_reach_the_upstream_as_its_document_writes_them(tab, infra, upstream):
    params = {
        "temperature": 0.5,
        "top_p": 0.9,
        "min_p": 0.1,
        "top_k": 40,
        "max_tokens": 7,
        "stop": ["END", "###"],
        "presence_penalty": -2,
        "frequency_penalty": 0.25,
        "repetition_penalty": 1.1,
        "seed": 4711,
        "response_format": "text",
    }
    started = await tab.send("[[speed=0 length=3]] all-parameters", infra, params=params)
    await tab.until("turn.ended")
    body = (await asyncio.to_thread(upstream.call, "all-parameters"))["body"]
    assert {name: body[name] for name in params} == params | {"response_format": {"type": "text"}}
    kept = await in_thread(Conversation.objects.get)(pk=started["conversation"])
    assert kept.params == params
