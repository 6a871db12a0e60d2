"""Health: what recent calls and probes add up to, and what does not count."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from providers import health
from providers.endpoints import Endpoint
from providers.health import NOT_CHECKED, Health, Minute, health_of, health_of_models, history_of, observe
from providers.models import Deployment, Observation

NOW = datetime(2026, 3, 1, 12, 7, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    health.forget_cached()


@pytest.fixture
def fallback(deployment):
    """Another deployment of the same model."""
    return Deployment.objects.create(
        model=deployment.model,
        dialect="openai",
        base_url="https://llm.example.org/v1",
        upstream_model="deepseek-v3",
        context_window=16_000,
        max_output=4_000,
        position=1,
    )


def saw(deployment, seconds_ago, ok=True, **fields):
    at = NOW - timedelta(seconds=seconds_ago)
    values = {"latency_ms": 500 if ok else None, "problem": "" if ok else "It did not answer."}
    return Observation.objects.create(deployment=deployment, at=at, ok=ok, **values | fields)


def story(deployment, signs):
    """One observation a second, the newest last: + went well, - failed."""
    for seconds_ago, sign in enumerate(reversed(signs), start=1):
        saw(deployment, seconds_ago, ok=sign == "+")


def seen(deployment):
    return health_of([deployment.pk]).get(deployment.pk, NOT_CHECKED)


def attempt(deployment, **fields):
    """An attempt as a usage record keeps it."""
    values = {
        "deployment": str(deployment.pk),
        "own_key": False,
        "result": "ok",
        "status": None,
        "problem": "",
        "first_token_ms": 640,
    }
    return values | fields


def failed(deployment, status, **fields):
    values = {"result": "upstream_rejected", "problem": "No.", "first_token_ms": None}
    return attempt(deployment, status=status, **values | fields)


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ("", "Not checked yet"),
        ("+", "Backend online"),
        ("-", "Backend degraded"),
        ("--", "Backend degraded"),
        ("---", "Backend offline"),
        ("+---", "Backend offline"),
        ("+--+", "Backend degraded"),
        ("---+", "Backend degraded"),
        ("---" + "+" * 27, "Backend degraded"),
        ("---" + "+" * 28, "Backend online"),
        ("+" * 9 + "-", "Backend degraded"),
        ("+" * 10 + "-", "Backend online"),
    ],
)
def test_degraded_from_a_tenth_of_failures_and_offline_after_three_in_a_row(deployment, signs, words):
    story(deployment, signs)

    assert seen(deployment).status.label == words


def test_percentiles_are_of_the_calls_that_went_well(deployment):
    for number in range(1, 21):
        saw(deployment, number, latency_ms=number * 100)
    saw(deployment, 30, ok=False, latency_ms=60_000)
    saw(deployment, 31, probe=True, latency_ms=90_000)

    found = seen(deployment)

    assert (found.p50_ms, found.p95_ms, found.first_token) == (1000, 1900, "1.0 s")
    assert (found.calls, found.error_rate) == (21, 1 / 21)


def test_one_call_is_its_own_median_and_an_instant_answer_takes_a_tenth_of_a_second(deployment):
    saw(deployment, 1, latency_ms=3)

    assert (seen(deployment).p50_ms, seen(deployment).p95_ms, seen(deployment).first_token) == (3, 3, "0.1 s")


def test_the_last_error_is_told_with_its_time(deployment):
    saw(deployment, 60, ok=False, problem="It did not answer within 60 s.")
    saw(deployment, 90, ok=False, problem="An older one.")
    saw(deployment, 10)

    assert seen(deployment) == Health(
        status=health.Status.DEGRADED,
        p50_ms=500,
        p95_ms=500,
        calls=3,
        error_rate=2 / 3,
        last_error="It did not answer within 60 s.",
        last_error_at=datetime(2026, 3, 1, 12, 6, 30, tzinfo=UTC),
        checked_at=datetime(2026, 3, 1, 12, 7, 20, tzinfo=UTC),
    )


def test_only_the_last_quarter_of_an_hour_counts(deployment):
    saw(deployment, 15 * 60 + 1, ok=False)
    assert seen(deployment) == NOT_CHECKED

    saw(deployment, 15 * 60)
    assert (seen(deployment).status.label, seen(deployment).calls) == ("Backend online", 1)


def test_at_most_the_newest_hundred_are_read_of_each_deployment(deployment, fallback, django_assert_num_queries):
    story(deployment, "-" * 50 + "+" * 100)
    story(fallback, "-" * 5)

    with django_assert_num_queries(1):
        found = health_of([deployment.pk, fallback.pk])

    assert (found[deployment.pk].calls, found[deployment.pk].status.label) == (100, "Backend online")
    assert (found[fallback.pk].calls, found[fallback.pk].status.label) == (5, "Backend offline")


def test_probes_alone_say_whether_it_is_there(deployment):
    saw(deployment, 40, probe=True, latency_ms=80)
    assert seen(deployment) == Health(
        status=health.Status.ONLINE, checked_at=datetime(2026, 3, 1, 12, 6, 50, tzinfo=UTC)
    )

    for seconds_ago in (30, 20, 10):
        saw(deployment, seconds_ago, ok=False, probe=True, problem="The provider does not accept the team’s key.")
    found = seen(deployment)
    assert (found.status.label, found.calls, found.error_rate) == ("Backend offline", 0, 0.0)
    assert found.last_error == "The provider does not accept the team’s key."


def test_a_probe_is_kept_with_its_latency_or_with_what_was_wrong(deployment):
    health.observe_probe(deployment, latency_ms=80)
    health.observe_probe(deployment, problem="No. " * 100)

    rows = Observation.objects.order_by("at").values_list("probe", "ok", "latency_ms", "problem")
    assert list(rows) == [(True, True, 80, ""), (True, False, None, "No. " * 75)]


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        ({"result": "ok"}, [(True, 640, "")]),
        ({"result": "stopped"}, [(True, 640, "")]),
        ({"result": "stopped", "first_token_ms": None}, []),
        ({"result": "busy", "problem": "All are in use.", "first_token_ms": None}, []),
        ({"result": "invalid_request", "problem": "It cannot.", "first_token_ms": None}, []),
        (
            {"result": "upstream_timeout", "problem": "Silence.", "first_token_ms": None},
            [(False, None, "Silence.")],
        ),
        ({"result": "upstream_protocol_error", "problem": "It broke off."}, [(False, 640, "It broke off.")]),
        ({"result": "upstream_error", "first_token_ms": None}, [(False, None, "upstream_error")]),
    ],
)
def test_what_an_attempt_says_of_the_backend(deployment, fields, rows):
    observe([attempt(deployment, **fields)])

    assert list(Observation.objects.values_list("ok", "latency_ms", "problem")) == rows


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_refusal_of_the_request_says_nothing_of_the_backend(deployment, status, django_assert_num_queries):
    with django_assert_num_queries(0):
        observe([failed(deployment, status)])


@pytest.mark.parametrize(("status", "counted"), [(401, 0), (402, 0), (403, 0), (406, 0), (429, 0), (500, 1), (404, 1)])
def test_what_is_refused_of_a_members_own_key_says_nothing_of_the_backend(deployment, status, counted):
    observe([failed(deployment, status, own_key=True)])
    assert Observation.objects.count() == counted

    observe([failed(deployment, status)])  # the team's key is everybody's
    assert Observation.objects.count() == counted + 1


def test_all_attempts_of_a_request_are_kept_by_one_statement(deployment, fallback, django_assert_num_queries):
    with django_assert_num_queries(1):
        observe([failed(deployment, 503), failed(deployment, 400), attempt(fallback)])

    assert sorted(Observation.objects.values_list("deployment__dialect", "ok")) == [
        ("deepinfra", False),
        ("openai", True),
    ]


def test_a_model_is_as_well_as_the_first_place_that_serves_it(deployment, fallback, django_assert_num_queries):
    story(deployment, "++++-")
    story(fallback, "---")
    served = {
        deployment.model_id: [Endpoint(deployment, None), Endpoint(deployment, None), Endpoint(fallback, None)],
        (nowhere := uuid4()): [],
    }

    with django_assert_num_queries(1):
        found = health_of_models(served)

    assert (found[deployment.model_id].status.label, found[deployment.model_id].note) == ("Backend degraded", "")
    assert found[nowhere] == NOT_CHECKED


@pytest.mark.parametrize(
    ("first", "later", "words", "note"),
    [
        ("---", "+", "Backend degraded", health.ONLY_THE_FIRST),
        ("---", "", "Backend degraded", health.ONLY_THE_FIRST),
        ("---", "---", "Backend offline", ""),
        ("+", "---", "Backend online", ""),
    ],
)
def test_a_model_whose_first_place_is_offline_is_degraded_while_another_answers(
    deployment, fallback, first, later, words, note
):
    story(deployment, first)
    story(fallback, later)

    found = health_of_models({deployment.model_id: [Endpoint(deployment, None), Endpoint(fallback, None)]})

    assert (found[deployment.model_id].status.label, found[deployment.model_id].note) == (words, note)


def test_pages_share_what_was_read_for_five_seconds(deployment, monkeypatch, django_assert_num_queries):
    clock = [100.0]
    monkeypatch.setattr("providers.health.time.monotonic", lambda: clock[0])
    served = {deployment.model_id: [Endpoint(deployment, None)]}
    assert health_of_models(served)[deployment.model_id] == NOT_CHECKED
    story(deployment, "---")

    clock[0] = 104.9
    with django_assert_num_queries(0):
        assert health_of_models(served)[deployment.model_id] == NOT_CHECKED
    clock[0] = 105.0
    assert health_of_models(served)[deployment.model_id].status.label == "Backend offline"


def test_the_last_hour_in_steps_of_two_minutes(deployment, fallback, django_assert_num_queries):
    for seconds_ago, latency in [(0, 900), (10, 100), (89, 200)]:  # since 12:06:00
        saw(deployment, seconds_ago, latency_ms=latency)
    saw(deployment, 91, ok=False)  # 12:05:59
    saw(deployment, 100, probe=True, latency_ms=7)
    saw(deployment, 59 * 60 + 30, latency_ms=300)  # 11:08:00
    saw(deployment, 59 * 60 + 31, latency_ms=300)  # before
    saw(fallback, 1, latency_ms=1)

    with django_assert_num_queries(1):
        found = history_of(deployment)

    assert len(found) == 30
    assert found[0] == Minute(datetime(2026, 3, 1, 11, 8, tzinfo=UTC), ok=1, failed=0, median_ms=300)
    assert found[1] == Minute(datetime(2026, 3, 1, 11, 10, tzinfo=UTC))
    assert found[28] == Minute(datetime(2026, 3, 1, 12, 4, tzinfo=UTC), ok=1, failed=1, median_ms=None)
    assert found[29] == Minute(datetime(2026, 3, 1, 12, 6, tzinfo=UTC), ok=3, failed=0, median_ms=200)


def test_a_busy_minute_is_counted_whole_and_sampled_for_its_median(deployment):
    rows = [
        Observation(deployment=deployment, at=NOW, ok=number > 20, latency_ms=250, problem="No.")
        for number in range(80)
    ]
    Observation.objects.bulk_create(rows)

    assert history_of(deployment)[-1] == Minute(datetime(2026, 3, 1, 12, 6, tzinfo=UTC), 59, 21, 250)


def test_what_is_older_than_a_day_is_forgotten(deployment):
    saw(deployment, 24 * 3600 + 1)
    kept = saw(deployment, 24 * 3600)

    assert health.forget_old() == 1
    assert Observation.objects.get() == kept
