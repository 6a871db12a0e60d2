"""The one door: what is promised, and why not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from billing.admission import Caller, admit
from billing.audit import audit
from billing.errors import ContextTooLong, InsufficientCredits, NotPriced
from billing.models import Hold
from billing.services import grant, wallet_of
from providers.errors import ModelNotFound, UpstreamUnavailable
from providers.models import Model
from providers.services import save_key
from providers.types import ChatMessage, ChatRequest, Sampling
from tests.canary import CANARY
from tests.factories import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _simulated(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"


def ask(user, model, subject="request:1", prompt_tokens=100, **sampling):
    request = ChatRequest(model.name, (ChatMessage("user", "Hi"),), sampling=Sampling(**sampling))
    return admit(Caller(user), model, request, subject=subject, prompt_tokens=prompt_tokens)


def test_the_hold_is_the_most_the_request_can_cost(alice, model):
    grant(user=alice, amount=10_500_000, reason="To try it")
    hold = ask(alice, model).hold
    # 100 counted + 20 for an unknown chat template, at 400; the documented default of 4,096 output tokens, at 2,000
    assert hold.amount == 120 * 400 + 4096 * 2000 == 8_240_000
    assert wallet_of(alice).held == 8_240_000
    assert wallet_of(alice).available == 2_260_000
    assert (hold.prompt_tokens, hold.most_completion_tokens) == (100, 4096)


def test_what_is_asked_at_most_is_held_and_sent(alice, model):
    grant(user=alice, amount=10_500_000, reason="To try it")
    admission = ask(alice, model, max_tokens=500)
    assert admission.hold.amount == 120 * 400 + 500 * 2000
    assert admission.candidates[0].max_tokens == 500


def test_no_more_is_asked_than_the_deployment_gives(alice, model):
    grant(user=alice, amount=10**9, reason="To try it")
    assert ask(alice, model, max_tokens=1_000_000).candidates[0].max_tokens == 8192


def test_the_output_is_cut_to_what_the_context_leaves(alice, model):
    grant(user=alice, amount=10**9, reason="To try it")
    assert ask(alice, model, prompt_tokens=127_000).candidates[0].max_tokens == 1000
    with pytest.raises(ContextTooLong, match="128,000"):
        ask(alice, model, subject="request:2", prompt_tokens=128_000)


def test_without_credit_nothing_is_held_and_the_error_says_what_is_missing(alice, model):
    grant(user=alice, amount=1_048_000, reason="To try it")
    with pytest.raises(InsufficientCredits) as refused:
        ask(alice, model)
    assert (refused.value.available, refused.value.required, refused.value.affordable) == (1_048_000, 8_240_000, 500)
    assert "up to 0.00824 credits" in refused.value.message
    assert "0.001048 available" in refused.value.message
    assert "500 tokens" in refused.value.message
    assert not Hold.objects.exists()
    assert wallet_of(alice).held == 0


def test_a_model_without_a_price_is_refused(alice):
    unpriced = make_model("unpriced", input=None)
    with pytest.raises(NotPriced, match="no price yet"):
        ask(alice, unpriced)


def test_a_demo_price_stands_only_while_the_simulator_serves(alice):
    demo = make_model("demo", "segmind", "https://api.segmind.com", input=0, output=0, source="demo")
    assert ask(alice, demo).hold.amount == 0
    save_key(deployment=demo.deployments.get(), plain=CANARY)
    with pytest.raises(NotPriced):
        ask(alice, demo, subject="request:2")


def test_an_own_key_is_admitted_at_price_nought(alice, model):
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-own", owner=alice)
    hold = ask(alice, model).hold
    assert (hold.amount, hold.own_key) == (0, True)


def test_an_own_key_is_used_for_its_owner_only(alice, bob, model):
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-own", owner=alice)
    assert ask(alice, model).candidates[0].endpoint.own_key
    grant(user=bob, amount=10**9, reason="To try it")
    assert ask(bob, model, subject="request:2").candidates[0].endpoint.simulated


def test_a_disabled_model_and_one_without_a_key_are_refused_in_words(alice, model, settings):
    settings.SIMULATOR_URL = ""
    with pytest.raises(UpstreamUnavailable, match="no working key"):
        ask(alice, model)
    Model.objects.update(enabled=False)
    with pytest.raises(ModelNotFound, match="not offered"):
        ask(alice, model)


@pytest.mark.django_db(transaction=True)
def test_fifty_parallel_spends_of_one_against_ten_grant_exactly_ten(alice, settings):
    tiny = make_model("tiny", input=0, output=1_000_000, max_output=1)
    grant(user=alice, amount=10, reason="Ten")
    start = threading.Barrier(50)

    def spend(number):
        try:
            start.wait(timeout=30)
            ask(alice, tiny, subject=f"request:{number}")
            return True
        except InsufficientCredits:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        granted = list(pool.map(spend, range(50)))
    wallet = wallet_of(alice)
    assert granted.count(True) == 10
    assert (wallet.posted, wallet.held) == (10, 10)
    assert Hold.objects.filter(amount=1, state="open").count() == 10
    assert audit() == []
