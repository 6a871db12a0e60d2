"""Several keys, several places: who pays, which are listed, which are tried, and in which order."""

from collections import Counter
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from providers.endpoints import Candidate, Endpoint, candidates_from, endpoints, endpoints_for, target_of, to_try
from providers.errors import UpstreamUnavailable
from providers.models import Deployment, UpstreamKey
from providers.patience import mark_key
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _simulated(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"


@pytest.fixture
def first(model):
    return model.deployments.get()


@pytest.fixture
def second(model):
    return another(model)


def another(model, position=1, **fields):
    values = {"base_url": f"https://place-{position}.example.org/v1", "upstream_model": "m", "dialect": "openai"}
    sizes = {"context_window": 1000, "max_output": 100}
    return Deployment.objects.create(model=model, position=position, **values | sizes | fields)


def key_for(deployment, name, owner=None):
    return save_key(deployment=deployment, plain=f"{CANARY}-{name}", owner=owner)


def rests(row, rest, seconds=60):
    type(row).objects.filter(pk=row.pk).update(rest=rest, resting_until=timezone.now() + timedelta(seconds=seconds))


def names(listed):
    """The last four characters of the keys, in order; "none" where a place is asked without."""
    return [each.key.last_four if each.key else "none" for each in listed]


def tried(model, user):
    return names(to_try(endpoints_for(model, user)))


def test_the_keys_of_a_place_share_the_load(alice, model, first):
    for name in ("key1", "key2"):
        key_for(first, name)
    begun_with = Counter(tried(model, alice)[0] for _ in range(400))
    assert set(begun_with) == {"key1", "key2"}
    assert min(begun_with.values()) > 120  # of 400: fairer in all but one of 10¹⁵ runs


def test_places_are_tried_in_their_order_with_all_their_keys(alice, model, first, second):
    key_for(second, "two1")
    for name in ("one1", "one2"):
        key_for(first, name)
    for _ in range(20):
        order = tried(model, alice)
        assert set(order[:2]) == {"one1", "one2"}
        assert order[2:] == ["two1"]


def test_what_failed_just_now_is_tried_last(alice, model, first, second):
    rests(key_for(first, "one1"), "failed")
    key_for(first, "one2")
    key_for(second, "two1")
    assert tried(model, alice) == ["one2", "two1", "one1"]


def test_the_only_key_is_tried_although_it_failed_just_now(alice, model, first):
    rests(key_for(first, "only"), "failed", 300)
    assert tried(model, alice) == ["only"]


def test_what_asked_for_a_pause_is_left_alone(alice, model, first, second):
    rests(key_for(first, "one1"), "asked")
    key_for(second, "two1")
    assert tried(model, alice) == ["two1"]


def test_while_all_asked_for_a_pause_the_refusal_says_how_long_the_shortest_is(alice, model, first, second):
    rests(key_for(first, "one1"), "asked", 60)
    rests(key_for(second, "two1"), "asked", 31)
    with pytest.raises(UpstreamUnavailable) as refused:
        tried(model, alice)
    assert refused.value.retry_after in (30, 31)
    assert "asked for a pause. Try again in 3" in refused.value.message
    assert refused.value.sent is False


def test_a_pause_that_is_over_is_no_pause(alice, model, first):
    rests(key_for(first, "one1"), "asked", -1)
    assert tried(model, alice) == ["one1"]


def test_a_key_without_credit_is_listed_once_its_pause_is_over(alice, model, first):
    broke = key_for(first, "one1")
    key_for(first, "one2")
    mark_key(key=broke, state="broke")
    assert tried(model, alice) == ["one2"]
    rests(broke, "failed", -1)
    assert sorted(tried(model, alice)) == ["one1", "one2"]


def test_a_refused_key_is_never_listed(alice, model, first):
    mark_key(key=key_for(first, "one1"), state="refused")
    key_for(first, "one2")
    assert tried(model, alice) == ["one2"]


@pytest.mark.parametrize("state", ["refused", "broke"])
def test_an_own_key_that_fails_never_gives_way_to_the_teams_at_another_place(alice, bob, model, first, second, state):
    own = key_for(first, "mine", owner=alice)
    key_for(second, "team")
    assert names(endpoints_for(model, alice)) == ["mine"]
    mark_key(key=own, state=state)
    assert endpoints_for(model, alice) == []
    assert names(endpoints_for(model, bob)) == ["team"]


def test_an_own_key_at_a_place_that_is_switched_off_does_not_make_the_team_pay(alice, model, first, second):
    key_for(first, "mine", owner=alice)
    key_for(second, "team")
    Deployment.objects.filter(pk=first.pk).update(enabled=False)
    assert endpoints_for(model, alice) == []


def test_own_keys_at_two_places_fail_over_among_themselves(alice, model, first, second):
    key_for(first, "own1", owner=alice)
    key_for(second, "own2", owner=alice)
    for place in (first, second):
        key_for(place, "team")
    assert tried(model, alice) == ["own1", "own2"]


def test_an_own_key_keeps_a_server_of_the_team_out(alice, model, first):
    another(model, needs_key=False)
    key_for(first, "mine", owner=alice)
    assert names(endpoints_for(model, alice)) == ["mine"]


def test_an_own_key_for_a_server_that_wants_none_by_now_is_not_sent(alice, model, first):
    key_for(first, "mine", owner=alice)
    Deployment.objects.filter(pk=first.pk).update(needs_key=False)
    (endpoint,) = endpoints_for(model, alice)
    assert (endpoint.key, endpoint.own_key, endpoint.simulated) == (None, False, False)


def test_the_keys_of_others_are_nobody_elses(alice, bob, model, first):
    key_for(first, "bobs", owner=bob)
    assert [endpoint.simulated for endpoint in endpoints_for(model, alice)] == [True]


@pytest.mark.parametrize("state", ["refused", "broke"])
def test_a_team_key_that_fails_never_ends_at_the_simulator_of_another_place(alice, model, first, state):
    another(model, documented=True)
    mark_key(key=key_for(first, "team"), state=state)
    assert endpoints_for(model, alice) == []


def test_a_key_that_is_left_behind_by_its_place_never_ends_at_the_simulator(alice, model, first):
    another(model, documented=True)
    key_for(first, "team")
    Deployment.objects.filter(pk=first.pk).update(base_url="https://moved.example.org")
    assert endpoints_for(model, alice) == []


def test_a_team_key_at_a_place_that_is_switched_off_keeps_the_simulator_away(alice, model, first):
    another(model, documented=True)
    key_for(first, "team")
    Deployment.objects.filter(pk=first.pk).update(enabled=False)
    assert endpoints_for(model, alice) == []


def test_a_key_goes_to_its_own_host_also_when_its_place_moved_between_two_queries(alice, model, first):
    key_for(first, "team")
    (endpoint,) = endpoints_for(model, alice)
    moved = Deployment(pk=first.pk, model=model, dialect=first.dialect, base_url="https://moved.example.org")
    with pytest.raises(UpstreamUnavailable, match="belongs to another address") as problem:
        target_of(Endpoint(moved, endpoint.key))
    assert problem.value.sent is False


def test_a_server_without_a_key_is_real_and_has_none(alice, model, first):
    Deployment.objects.filter(pk=first.pk).update(needs_key=False, base_url="http://10.0.0.5:8080")
    key_for(first, "left")  # saved when it wanted one
    (endpoint,) = endpoints_for(model, alice)
    target = target_of(endpoint)
    assert (endpoint.simulated, target.base_url, target.key) == (False, "http://10.0.0.5:8080", "")


def test_a_server_without_a_key_and_one_with_take_turns_in_order(alice, model, first):
    another(model, needs_key=False)
    key_for(first, "team")
    assert tried(model, alice) == ["team", "none"]


def test_several_models_are_listed_in_two_queries(alice, model, first, django_assert_num_queries):
    other = make_model("other", "openai", "https://other.example.org/v1")
    for place in (first, other.deployments.get()):
        for name in ("key1", "key2"):
            key_for(place, name)
    with django_assert_num_queries(2):
        listed = endpoints([model, other], alice)
    assert {found: sorted(names(each)) for found, each in listed.items()} == {
        model.pk: ["key1", "key2"],
        other.pk: ["key1", "key2"],
    }


def test_a_key_that_the_settings_cannot_open_is_an_error_of_that_key(alice, model, first, settings):
    key_for(first, "team")
    (endpoint,) = endpoints_for(model, alice)
    settings.ENCRYPTION_KEYS = ["YW5vdGhlci1rZXktb2YtZXhhY3RseS0zMi1ieXRlcyE="]
    with pytest.raises(UpstreamUnavailable, match="cannot be read any more") as problem:
        target_of(endpoint)
    assert problem.value.sent is False
    assert not isinstance(problem.value.__context__, ImproperlyConfigured)


def test_a_candidate_that_would_be_simulated_by_now_is_left_out(model, first):
    real = Candidate(Endpoint(first, save_key(deployment=first, plain=CANARY)), 10).as_json()
    simulated = Candidate(Endpoint(first, None), 10).as_json()
    assert (real["simulated"], simulated["simulated"]) == (False, True)
    Deployment.objects.update(needs_key=False)
    first.refresh_from_db()
    keyless = Candidate(Endpoint(first, None), 10).as_json()
    assert len(candidates_from([real, simulated, keyless])) == 2
    Deployment.objects.update(needs_key=True)
    assert [each.endpoint.simulated for each in candidates_from([simulated, keyless])] == [True]
    UpstreamKey.objects.all().delete()
    assert candidates_from([real]) == []
