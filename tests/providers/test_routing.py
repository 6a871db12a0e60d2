"""Where a model can be asked: whose key, which host, and when the simulated upstream stands in."""

import pytest

from providers.endpoints import Candidate, candidates_from, endpoints_for, target_of
from providers.models import Deployment
from providers.patience import mark_key
from providers.services import remove_key, save_key
from tests.canary import CANARY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _simulated(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"


@pytest.fixture
def deployment(model):
    return model.deployments.get()


def only(model, user):
    (endpoint,) = endpoints_for(model, user)
    return endpoint


def test_without_a_key_the_simulator_stands_in(alice, model):
    endpoint = only(model, alice)
    assert endpoint.simulated
    assert (target_of(endpoint).base_url, target_of(endpoint).key) == ("http://127.0.0.1:9", "no-key-is-saved")


def test_with_a_key_the_same_model_is_asked_at_its_real_host(alice, model, deployment):
    save_key(deployment=deployment, plain=CANARY)
    target = target_of(only(model, alice))
    assert (target.base_url, target.key) == ("https://app.eigenai.com", CANARY)
    assert CANARY[:20] not in repr(target)


def test_a_refused_key_is_not_replaced_by_the_simulator(alice, model, deployment):
    key = save_key(deployment=deployment, plain=CANARY)
    mark_key(key=key, state="refused")
    assert endpoints_for(model, alice) == []
    remove_key(key=key)
    assert only(model, alice).simulated


def test_an_own_key_is_its_owners_alone_and_never_gives_way_to_the_teams(alice, bob, model, deployment):
    save_key(deployment=deployment, plain=f"{CANARY}-team")
    own = save_key(deployment=deployment, plain=f"{CANARY}-own", owner=alice)
    assert only(model, alice).own_key
    assert not only(model, bob).own_key
    mark_key(key=own, state="refused")
    assert endpoints_for(model, alice) == []
    assert len(endpoints_for(model, bob)) == 1


def test_a_key_goes_only_to_the_host_it_was_saved_for(alice, model, deployment):
    save_key(deployment=deployment, plain=CANARY)
    Deployment.objects.filter(pk=deployment.pk).update(base_url="https://elsewhere.example.org")
    assert endpoints_for(model, alice) == []


def test_failing_over_never_ends_at_the_simulator(alice, model, deployment):
    Deployment.objects.create(
        model=model, dialect="openai", base_url="https://second.example.org/v1", upstream_model="m",
        context_window=1000, max_output=100, documented=True,
    )  # fmt: skip
    assert len(endpoints_for(model, alice)) == 2
    save_key(deployment=deployment, plain=CANARY)
    assert not only(model, alice).simulated


def test_a_disabled_deployment_serves_nobody(alice, model):
    Deployment.objects.update(enabled=False)
    assert endpoints_for(model, alice) == []


def test_candidates_come_back_from_their_row_and_hold_no_secret(alice, model, deployment):
    key = save_key(deployment=deployment, plain=CANARY)
    candidate = Candidate(only(model, alice), 500)
    row = candidate.as_json()
    assert row == {"deployment": str(deployment.pk), "key": str(key.pk), "max_tokens": 500, "simulated": False}
    assert candidates_from([row]) == [candidate]
    remove_key(key=key)
    assert candidates_from([row]) == []
