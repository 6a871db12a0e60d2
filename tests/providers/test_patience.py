"""What the end of a call does to its key: taken out, resting, or well again. Times in seconds."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from providers.dialects.failures import decode_error
from providers.endpoints import Endpoint
from providers.errors import Busy, UpstreamProtocolError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from providers.models import Deployment, UpstreamKey
from providers.patience import has_news, lift, mark_key, note_failure, note_success, take_chance
from providers.services import save_key
from tests.canary import CANARY

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LOST = UpstreamUnavailable("The provider closed the connection without an answer.")


@pytest.fixture(autouse=True)
def _the_clock_stands_still(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def key(deployment):
    return save_key(deployment=deployment, plain=CANARY)


def fresh(row):
    """The row as a request that begins now would read it."""
    return type(row).objects.get(pk=row.pk)


def endpoint_of(row):
    if isinstance(row, Deployment):
        return Endpoint(row, None)
    return Endpoint(Deployment.objects.get(pk=row.deployment_id), fresh(row))


def fail(row, error):
    return note_failure(endpoint_of(row), error)


def seconds_left(row):
    until = fresh(row).resting_until
    return until and (until - NOW).total_seconds()


def wake(row):
    """Let its pause be over by now."""
    type(row).objects.filter(pk=row.pk).update(resting_until=NOW - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("status", "state", "rest", "least", "most"),
    [
        (400, "good", "", None, None),
        (401, "refused", "", None, None),
        (402, "broke", "failed", 3600, 3600),
        (403, "good", "", None, None),
        (404, "good", "", None, None),
        (405, "good", "", None, None),
        (406, "broke", "failed", 3600, 3600),
        (408, "good", "", None, None),
        (409, "good", "", None, None),
        (413, "good", "", None, None),
        (422, "good", "", None, None),
        (429, "good", "asked", 10, 10),
        (500, "good", "failed", 1.6, 2),
        (502, "good", "failed", 1.6, 2),
        (503, "good", "failed", 1.6, 2),
        (504, "good", "failed", 1.6, 2),
        (529, "good", "failed", 1.6, 2),
    ],
)
def test_what_each_status_does_to_the_key(key, status, state, rest, least, most):
    fail(key, decode_error(status, b"", None))
    row = fresh(key)
    assert (row.state, row.rest) == (state, rest)
    if least is None:
        assert row.resting_until is None
    else:
        assert least <= seconds_left(key) <= most


@pytest.mark.parametrize(
    "error",
    [LOST, UpstreamTimeout("The provider went silent."), UpstreamProtocolError("The provider broke off.")],
    ids=["lost", "late", "broken"],
)
def test_a_failure_without_a_status_rests_the_key_for_seconds(key, error):
    assert fail(key, error)
    row = fresh(key)
    assert (row.state, row.rest, row.failures) == ("good", "failed", 1)
    assert 1.6 <= seconds_left(key) <= 2
    assert row.last_problem == error.message


def test_our_own_lack_of_connections_is_nobodys_fault(key):
    assert fail(key, Busy("All connections are in use.")) is False
    assert fresh(key).rest == ""


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("31", 31),
        ("0", 1),
        ("-5", 1),
        ("0.2", 1),
        ("1e9", 3600),
        ("999999999999999999999", 3600),
        ("inf", 10),
        ("nan", 10),
        ("soon", 10),
        ("", 10),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 99 Dec 9999 23:59:59 GMT", 10),
    ],
)
def test_a_pause_is_as_long_as_the_provider_wants_within_reason(key, told, seconds):
    fail(key, decode_error(429, b"", told))
    assert (fresh(key).rest, seconds_left(key)) == ("asked", seconds)


def test_the_longest_of_several_wishes_holds(key):
    for told in ("5", "60", "20"):
        fail(key, decode_error(429, b"", told))
    assert seconds_left(key) == 60
    assert fresh(key).failures == 0


def test_a_wish_replaces_a_rest_after_a_failure(key):
    for _ in range(4):
        fail(key, LOST)
        wake(key)
    fail(key, LOST)
    assert 25.6 <= seconds_left(key) <= 32
    fail(key, decode_error(429, b"", "3"))
    assert (fresh(key).rest, fresh(key).failures) == ("asked", 5)
    assert seconds_left(key) == 3


def test_rests_grow_up_to_five_minutes_and_no_further(key):
    rests = []
    for _ in range(10):
        fail(key, LOST)
        rests.append(seconds_left(key))
        wake(key)
    for rest, whole in zip(rests, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300], strict=True):
        assert 0.8 * whole <= rest <= whole


def test_a_place_that_failed_for_weeks_still_rests(key):
    UpstreamKey.objects.update(failures=100_000)
    assert fail(key, LOST)
    assert seconds_left(key) == 300


def test_a_failing_provider_may_ask_for_a_longer_rest_but_is_never_left_out_for_it(key):
    fail(key, decode_error(503, b"", "40"))
    assert fresh(key).rest == "failed"
    assert seconds_left(key) == 40
    UpstreamKey.objects.update(resting_until=None, rest="", failures=0)
    fail(key, decode_error(503, b"", "86400"))
    assert seconds_left(key) == 300


def test_what_fails_while_it_rests_is_not_counted_again(key):
    fail(key, LOST)
    first = fresh(key)
    for _ in range(3):
        assert fail(key, LOST) is False
    assert (fresh(key).failures, fresh(key).resting_until) == (1, first.resting_until)


def test_requests_that_began_before_a_failure_was_noted_add_nothing_to_it(key):
    began = [endpoint_of(key) for _ in range(3)]
    note_failure(began[0], LOST)
    wake(key)
    assert [note_failure(endpoint, LOST) for endpoint in began[1:]] == [False, False]
    assert fresh(key).failures == 1


@pytest.mark.django_db(transaction=True)
def test_a_hundred_streams_that_fail_together_are_one_failure(key):
    began = [endpoint_of(key) for _ in range(100)]

    def note(endpoint):
        try:
            return note_failure(endpoint, LOST)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        noted = list(pool.map(note, began))
    assert noted.count(True) == 1
    assert fresh(key).failures == 1
    assert seconds_left(key) <= 2


def test_a_good_answer_ends_the_rest_that_it_was_asked_in(key):
    fail(key, LOST)
    endpoint = endpoint_of(key)
    assert has_news(endpoint, None)
    note_success(endpoint, None)
    row = fresh(key)
    assert (row.state, row.rest, row.resting_until, row.failures, row.last_problem) == ("good", "", None, 0, "")
    assert not has_news(endpoint_of(key), None)


def test_a_pause_that_was_asked_for_and_is_over_is_forgotten_with_the_next_good_answer(key):
    fail(key, decode_error(429, b"", "5"))
    wake(key)
    assert has_news(endpoint_of(key), None)
    note_success(endpoint_of(key), None)
    assert (fresh(key).rest, fresh(key).last_problem) == ("", "")


@pytest.mark.parametrize(
    ("status", "state", "rest"), [(401, "refused", ""), (402, "broke", "failed"), (429, "good", "asked")]
)
def test_an_older_request_that_ends_well_undoes_nothing_that_was_learnt_since(key, status, state, rest):
    fail(key, LOST)
    wake(key)
    older = endpoint_of(key)
    fail(key, decode_error(status, b"", None))
    note_success(older, None)
    assert (fresh(key).state, fresh(key).rest) == (state, rest)


def test_a_key_that_was_refused_is_out_whatever_else_comes_late(key):
    began = endpoint_of(key)
    fail(key, decode_error(401, b"", None))
    for late in (decode_error(402, b"", None), decode_error(429, b"", "9"), LOST):
        assert note_failure(began, late) is False
    row = fresh(key)
    assert (row.state, row.rest, row.resting_until) == ("refused", "", None)


def test_a_key_that_was_replaced_meanwhile_is_not_blamed(deployment, alice):
    old = save_key(deployment=deployment, plain=f"{CANARY}-old", owner=alice)
    began = endpoint_of(old)
    new = save_key(deployment=deployment, plain=f"{CANARY}-new", owner=alice)
    assert new.pk == old.pk
    for error in (decode_error(401, b"", None), decode_error(402, b"", None), decode_error(429, b"", "5"), LOST):
        assert note_failure(began, error) is False
    note_success(began, Decimal(5))
    row = fresh(new)
    assert (row.state, row.rest, row.failures, row.credits) == ("good", "", 0, None)


def test_a_key_without_credit_is_asked_again_by_one_request_an_hour(key):
    fail(key, decode_error(402, b"", None))
    assert take_chance(fresh(key)) is False
    wake(key)
    waiting = [fresh(key) for _ in range(5)]
    assert [take_chance(each) for each in waiting] == [True, False, False, False, False]
    assert seconds_left(key) == 3600
    wake(key)
    assert take_chance(fresh(key)) is True


def test_a_key_that_was_topped_up_is_back_with_its_first_good_answer(key):
    fail(key, decode_error(406, b"", None))
    wake(key)
    endpoint = endpoint_of(key)
    assert take_chance(endpoint.key)
    note_success(endpoint, Decimal("12.5"))
    row = fresh(key)
    assert (row.state, row.rest, row.credits) == ("good", "", Decimal("12.5"))


def test_what_is_left_on_a_key_is_kept_and_written_only_when_it_changes(key):
    assert has_news(endpoint_of(key), Decimal("9.8"))
    note_success(endpoint_of(key), Decimal("9.8"))
    assert fresh(key).credits == Decimal("9.8")
    assert not has_news(endpoint_of(key), Decimal("9.8000001"))
    assert has_news(endpoint_of(key), Decimal("9.79"))


def test_a_refusal_that_tells_what_is_left_is_believed(key):
    error = UpstreamRejected("Out of credit.", upstream_status=406, credits=Decimal("0.01"))
    fail(key, error)
    assert (fresh(key).state, fresh(key).credits) == ("broke", Decimal("0.01"))


def test_a_server_without_a_key_rests_itself(deployment):
    Deployment.objects.update(needs_key=False)
    deployment.refresh_from_db()
    for status in (401, 402, 406):
        assert fail(deployment, decode_error(status, b"", None)) is False
    assert fail(deployment, LOST)
    assert (fresh(deployment).rest, fresh(deployment).failures) == ("failed", 1)
    note_success(endpoint_of(fresh(deployment)), None)
    assert (fresh(deployment).rest, fresh(deployment).failures) == ("", 0)
    assert fail(fresh(deployment), decode_error(429, b"", "30"))
    assert seconds_left(deployment) == 30


def test_the_simulated_upstream_never_rests(deployment):
    simulated = Endpoint(deployment, None)
    assert simulated.simulated
    assert note_failure(simulated, LOST) is False
    assert not has_news(simulated, Decimal(1))
    assert fresh(deployment).rest == ""


def test_an_admin_takes_a_key_back_into_use_whatever_it_was(key):
    for state in ("refused", "broke"):
        mark_key(key=key, state=state, problem="No.")
        assert lift(key)
        assert (fresh(key).state, fresh(key).rest, fresh(key).last_problem) == ("good", "", "")
