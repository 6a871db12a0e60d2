"""Which of several places a request is admitted to, at whose price, and how much is held for all of them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Group
from billing.admission import Caller, admit
from billing.audit import audit
from billing.errors import ContextTooLong, InsufficientCredits, NotPriced
from billing.models import Hold, UsageRecord
from billing.pricing import Tokens
from billing.services import grant, set_price, wallet_of
from billing.settlement import Ending, close
from providers.endpoints import endpoints_for
from providers.errors import InvalidRequest, ModelNotFound, UpstreamUnavailable
from providers.models import Deployment, Model, UpstreamKey
from providers.patience import mark_key
from providers.services import save_key
from providers.types import ChatMessage, ChatRequest, Sampling
from tests.canary import CANARY
from tests.factories import make_model

pytestmark = pytest.mark.django_db
MILLION = 1_000_000


@pytest.fixture(autouse=True)
def _rich(alice):
    grant(user=alice, amount=10**9, reason="To try it")


@pytest.fixture
def model(db):
    """A model at 4 and 8 nanocredits a token, with one team key."""
    model = make_model("m", "openai", "https://one.example.org/v1", "m", 4 * MILLION, 8 * MILLION, max_output=1000)
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-one1")
    return model


def place(model, input=None, output=None, *, source="admin", key="two1", **fields):
    """One more place, later than the others; prices in nanocredits a token."""
    position = model.deployments.count()
    values = {"base_url": f"https://{position}.example.org/v1", "upstream_model": "m", "dialect": "openai"}
    sizes = {"context_window": 128_000, "max_output": 1000, "position": position}
    deployment = Deployment.objects.create(model=model, **values | sizes | fields)
    if input is not None:
        set_price(deployment=deployment, input=input * MILLION, output=output * MILLION, source=source)
    if key:
        save_key(deployment=deployment, plain=f"{CANARY}-{key}")
    return deployment


def ask(user, model, subject="request:1", prompt_tokens=100, **sampling):
    request = ChatRequest(model.name, (ChatMessage("user", "Hi"),), sampling=Sampling(**sampling))
    return admit(Caller(user), model, request, subject=subject, prompt_tokens=prompt_tokens)


def asked(user, model, **more):
    """The last four characters of the keys that it may go to, in order."""
    return [each.endpoint.key.last_four for each in ask(user, model, **more).candidates]


def take_out(last_four, state="refused"):
    mark_key(key=UpstreamKey.objects.get(last_four=last_four), state=state)


@pytest.mark.parametrize(
    ("input", "output", "goes"),
    [
        (4, 8, ["one1", "two1"]),
        (1, 2, ["one1", "two1"]),
        (4, 9, ["one1"]),
        (5, 8, ["one1"]),
        (0, 9, ["one1"]),
        (None, None, ["one1"]),
    ],
    ids=["equal", "cheaper", "dearer output", "dearer input", "cheap input, dearer output", "no price"],
)
def test_a_request_goes_on_only_to_what_costs_no_more(alice, model, input, output, goes):
    place(model, input, output)
    assert asked(alice, model) == goes


def test_a_dearer_rate_for_reasoning_is_dearer_too(alice, model):
    dear = place(model, 1, 1)
    set_price(deployment=dear, input=MILLION, output=MILLION, reasoning=9 * MILLION)
    assert asked(alice, model) == ["one1"]


def test_an_admin_may_allow_a_dearer_place_but_never_one_without_a_price(alice, model):
    place(model, 40, 80)
    place(model, key="nope")
    Model.objects.update(dearer_fallback=True)
    model.refresh_from_db()
    assert asked(alice, model) == ["one1", "two1"]


def test_a_price_for_the_simulator_alone_opens_no_real_place(alice, model):
    place(model, 0, 0, source="demo")
    assert asked(alice, model) == ["one1"]


def test_a_first_place_without_a_price_is_skipped(alice):
    model = make_model("m", "openai", "https://one.example.org/v1", "m", None, max_output=1000)
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-one1")
    with pytest.raises(NotPriced):
        ask(alice, model)
    place(model, 4, 8)
    place(model, 4, 9, key="dear")
    assert asked(alice, model) == ["two1"]


@pytest.mark.parametrize("state", ["refused", "broke"])
def test_a_first_key_that_is_out_makes_nothing_dearer(alice, model, state):
    place(model, 40, 80)
    take_out("one1", state)
    with pytest.raises(UpstreamUnavailable, match="costs more just now, and that is not allowed"):
        ask(alice, model)
    place(model, 3, 3, key="mild")
    assert asked(alice, model) == ["mild"]
    Model.objects.update(dearer_fallback=True)
    model.refresh_from_db()
    assert asked(alice, model, subject="request:2") == ["two1", "mild"]


def test_a_first_place_that_was_never_given_a_key_sets_no_price(alice):
    model = make_model("m", "openai", "https://one.example.org/v1", "m", 1, 1, max_output=1000, documented=False)
    place(model, 40, 80)
    assert asked(alice, model) == ["two1"]


def test_a_first_place_that_asked_for_a_pause_makes_nothing_dearer(alice, model):
    place(model, 40, 80)
    until = timezone.now() + timedelta(minutes=1)
    UpstreamKey.objects.filter(last_four="one1").update(rest="asked", resting_until=until)
    with pytest.raises(UpstreamUnavailable, match="asked for a pause"):
        ask(alice, model)
    assert not Hold.objects.exists()


def test_the_hold_covers_the_dearest_place_and_each_is_settled_at_its_own_price(alice, model):
    dear = place(model, 40, 80, max_output=500)
    Model.objects.update(dearer_fallback=True)
    model.refresh_from_db()
    first = model.deployments.first()
    hold = ask(alice, model, max_tokens=700).hold
    # 100 counted + 20 for an unknown chat template; 700 tokens at the first place, 500 at the second
    assert hold.amount == max(120 * 4 + 700 * 8, 120 * 40 + 500 * 80) == 44_800
    assert {place: (price["input"], price["output"]) for place, price in hold.prices.items()} == {
        str(first.pk): (4 * MILLION, 8 * MILLION),
        str(dear.pk): (40 * MILLION, 80 * MILLION),
    }
    ending = Ending(UsageRecord.Outcome.DONE, "m", Tokens(completion=10), deployment=dear.pk)
    assert close("request:1", ending).charge == 100 * 40 + 10 * 80
    ask(alice, model, subject="request:2", max_tokens=700)
    ending = Ending(UsageRecord.Outcome.DONE, "m", Tokens(completion=10), deployment=first.pk)
    assert close("request:2", ending).charge == 100 * 4 + 10 * 8
    assert wallet_of(alice).held == 0
    assert audit() == []


def test_a_long_answer_at_a_cheap_place_can_be_what_must_be_held_most_for(alice, model):
    place(model, 4, 7, max_output=20_000)
    assert ask(alice, model).hold.amount == 120 * 4 + 20_000 * 7


def test_what_can_be_afforded_is_said_of_the_dearest_place(alice, bob, model):
    place(model, 4, 7, max_output=20_000)
    grant(user=bob, amount=120 * 4 + 70, reason="To try it")
    with pytest.raises(InsufficientCredits) as refused:
        ask(bob, model)
    assert (refused.value.required, refused.value.affordable) == (140_480, 10)


def test_each_place_is_asked_for_as_much_as_it_can_give(alice, model):
    place(model, 4, 8, max_output=300, context_window=1000, key="two1")
    place(model, 4, 8, max_output=300, context_window=400, key="tiny")
    candidates = ask(alice, model, prompt_tokens=200, max_tokens=500).candidates
    assert [(each.endpoint.key.last_four, each.max_tokens) for each in candidates] == [
        ("one1", 500),
        ("two1", 300),
        ("tiny", 200),
    ]
    assert asked(alice, model, subject="request:2", prompt_tokens=600) == ["one1", "two1"]
    with pytest.raises(ContextTooLong, match="128,000"):
        ask(alice, model, subject="request:3", prompt_tokens=128_000)


def test_a_place_that_lacks_a_parameter_is_skipped_unless_it_drops_it(alice, model):
    lacking = place(model, 4, 8, dialect="eigenai", base_url="https://eigen.example.org")
    assert asked(alice, model, seed=7) == ["one1"]
    Deployment.objects.filter(pk=lacking.pk).update(drops_unsupported=True)
    assert asked(alice, model, subject="request:2", seed=7) == ["one1", "two1"]
    Deployment.objects.filter(pk=lacking.pk).update(drops_unsupported=False)
    take_out("one1")
    with pytest.raises(InvalidRequest, match="no seed: leave it out") as refused:
        ask(alice, model, subject="request:3", seed=7)
    assert refused.value.param == "seed"


def test_own_keys_are_free_at_every_place_whatever_that_costs(alice, model):
    dear = place(model, 40, 80)
    for each, name in ((model.deployments.first(), "own1"), (dear, "own2")):
        save_key(deployment=each, plain=f"{CANARY}-{name}", owner=alice)
    hold = ask(alice, model).hold
    assert (hold.amount, hold.own_key) == (0, True)
    assert {(price["input"], price["output"]) for price in hold.prices.values()} == {(0, 0)}
    assert asked(alice, model, subject="request:2") == ["own1", "own2"]


@pytest.mark.parametrize(
    ("state", "words"),
    [("refused", "the provider refuses your own key for m. Save another"), ("broke", "your own key for m is out of")],
)
def test_an_own_key_that_is_out_is_said_in_words_and_nobody_else_pays(alice, model, state, words):
    own = save_key(deployment=model.deployments.get(), plain=f"{CANARY}-own1", owner=alice)
    mark_key(key=own, state=state)
    with pytest.raises(UpstreamUnavailable, match=words):
        ask(alice, model)
    assert not Hold.objects.exists()


def test_an_own_key_for_another_address_asks_to_be_saved_again(alice, model):
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-own1", owner=alice)
    Deployment.objects.update(base_url="https://moved.example.org/v1")
    with pytest.raises(UpstreamUnavailable, match="another address now. Save your own key again"):
        ask(alice, model)


def test_a_server_without_a_key_is_admitted_at_its_price(alice):
    model = make_model("local", "openai", "http://10.0.0.5:8080/v1", "m", MILLION, MILLION, documented=False)
    Deployment.objects.update(needs_key=False)
    admission = ask(alice, model)
    endpoint = admission.candidates[0].endpoint
    assert (endpoint.key, endpoint.simulated, admission.hold.own_key) == (None, False, False)
    assert admission.hold.amount == 120 + 8192


def test_a_model_of_a_group_is_admitted_for_its_members_alone(alice, bob, model):
    insiders = Group.objects.create(name="Insiders")
    model.groups.add(insiders, Group.objects.create(name="Others"))
    grant(user=bob, amount=10**9, reason="To try it")
    insiders.members.add(alice)
    assert asked(alice, model) == ["one1"]
    with pytest.raises(ModelNotFound, match="not offered"):
        ask(bob, model, subject="request:2")


def test_only_the_endpoints_that_somebody_looks_at_are_used(alice, model):
    place(model, 40, 80)
    take_out("two1")
    (first,) = endpoints_for(model, alice)
    request = ChatRequest("m", (ChatMessage("user", "Hi"),))
    looked_at = admit(Caller(alice), model, request, subject="test:1", prompt_tokens=1, only=[first])
    assert [each.endpoint for each in looked_at.candidates] == [first]
