"""Periodic work on one thread of the web process."""

import threading
import time
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.tasks import end_old_sessions
from chatsite import schedule
from chatsite.schedule import Job, run_task

HERE = "tests.unit.test_schedule"
PATIENCE = 10.0
calls: list[tuple[str, int]] = []
called = threading.Event()
twice = threading.Event()
release = threading.Event()


def work():
    calls.append((threading.current_thread().name, threading.get_ident()))
    called.set()
    if len(calls) >= 2:
        twice.set()


def fail():
    work()
    raise RuntimeError("no such luck")


def wait():
    called.set()
    release.wait(PATIENCE)


def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    calls.append(("connected", connection.connection is not None))


@pytest.fixture(autouse=True)
def stopped():
    calls.clear()
    for event in (called, twice, release):
        event.clear()
    yield
    release.set()
    schedule.stop()
    assert "schedule" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def every(settings):
    """Starts the schedule with one task."""

    def start(period, name):
        settings.CELERY_BEAT_SCHEDULE = {"it": {"task": f"{HERE}.{name}", "schedule": period}}
        schedule.start()

    return start


def test_a_task_runs_again_and_again_on_one_thread_of_its_own(every):
    every(0.01, "work")

    assert twice.wait(PATIENCE)
    assert {name for name, _ in calls} == {"schedule"}
    assert len({ident for _, ident in calls}) == 1
    assert calls[0][1] != threading.get_ident()


def test_a_task_that_fails_is_logged_and_runs_again(every, caplog):
    every(0.01, "fail")

    assert twice.wait(PATIENCE)
    assert caplog.records[0].message == f"{HERE}.fail failed; it runs again after its period."
    assert caplog.records[0].exc_info[0] is RuntimeError


def test_a_task_that_is_not_there_does_not_keep_the_others_from_running(settings, caplog):
    settings.CELERY_BEAT_SCHEDULE = {
        "lost": {"task": "nowhere.tasks.lost", "schedule": 0.01},
        "it": {"task": f"{HERE}.work", "schedule": 0.01},
    }
    schedule.start()

    assert twice.wait(PATIENCE)
    assert caplog.records[0].message == "nowhere.tasks.lost failed; it runs again after its period."


def test_the_first_run_is_after_a_minute_or_a_shorter_period():
    now = time.monotonic()

    assert 59.9 < Job("daily", 24 * 3600.0).due - now < 60.1
    assert 4.9 < Job("often", 5.0).due - now < 5.1


def test_nothing_runs_before_its_time_and_stopping_is_quick(every):
    every(3600.0, "work")
    before = time.monotonic()
    schedule.stop()

    assert time.monotonic() - before < 0.5
    assert calls == []


def test_stopping_waits_only_a_moment_for_a_task_that_hangs(every, monkeypatch):
    monkeypatch.setattr(schedule, "STOP_LIMIT", 0.05)
    every(0.01, "wait")
    assert called.wait(PATIENCE)
    hanging = next(thread for thread in threading.enumerate() if thread.name == "schedule")
    before = time.monotonic()
    schedule.stop()

    assert time.monotonic() - before < 1
    assert (hanging.is_alive(), hanging.daemon) == (True, True)
    release.set()
    hanging.join(PATIENCE)


def test_starting_twice_starts_one_thread(every):
    every(3600.0, "work")
    every(3600.0, "work")

    assert [thread.name for thread in threading.enumerate()].count("schedule") == 1


def test_with_redis_the_work_is_left_to_celery(every, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    every(0.01, "work")

    assert "schedule" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.django_db(transaction=True)
def test_a_task_gives_its_connection_back():
    run_task(f"{HERE}.query")

    assert calls == [("connected", True)]
    assert connection.connection is None


def test_every_task_of_the_schedule_exists(settings):
    paths = [entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]

    assert [import_string(path).name for path in paths] == paths


def test_sessions_that_ran_out_are_deleted_and_others_kept(db):
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="new", session_data="", expire_date=now + timedelta(days=1))

    end_old_sessions()

    assert [session.session_key for session in Session.objects.all()] == ["new"]
