"""The picker shows what a request would be charged, or that it would be refused."""

import pytest

from billing.services import set_price
from conversations.selectors import picker
from providers.models import Deployment, UpstreamKey
from providers.patience import mark_key
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_model

pytestmark = pytest.mark.django_db
MILLION = 1_000_000


def place(model, position, price):
    deployment = Deployment.objects.create(
        model=model,
        dialect="openai",
        base_url=f"https://{position}.example.org/v1",
        upstream_model="m",
        context_window=1000,
        max_output=100,
        position=position,
    )
    if price is not None:
        set_price(deployment=deployment, input=price, output=price)
    save_key(deployment=deployment, plain=f"{CANARY}-{position}abc")
    return deployment


def shown(user):
    (choice,) = picker(user)
    return choice.available, choice.reason, choice.input_price


@pytest.fixture
def model(db):
    model = make_model("m", "openai", "https://0.example.org/v1", input=4 * MILLION, output=8 * MILLION)
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-0abc")
    return model


@pytest.mark.parametrize(
    ("price", "allowed", "expected"),
    [
        (9 * MILLION, False, (False, "No key", None)),
        (9 * MILLION, True, (True, "", 9 * MILLION)),
        (3 * MILLION, False, (True, "", 3 * MILLION)),
    ],
)
def test_while_the_first_place_is_out_the_second_counts_unless_it_costs_more(alice, model, price, allowed, expected):
    place(model, 1, price)
    model.dearer_fallback = allowed
    model.save()
    assert shown(alice) == (True, "", 4 * MILLION)
    mark_key(key=UpstreamKey.objects.get(last_four="0abc"), state="refused")
    assert shown(alice) == expected


def test_a_first_place_without_a_price_hides_no_second_one(alice):
    model = make_model("m", "openai", "https://0.example.org/v1", input=None)
    save_key(deployment=model.deployments.get(), plain=f"{CANARY}-0abc")
    assert shown(alice) == (False, "No price", None)
    place(model, 1, 2 * MILLION)
    assert shown(alice) == (True, "", 2 * MILLION)
