"""PostgreSQL, Redis, a web process, a worker and its clock: what docker-compose.yml starts, started by hand."""

import pytest

from tests.deploy.deployment import Database, Deployment, emptied_redis
from tests.deploy.person import ALICE, Person
from tests.site import free_port, wait_until

WORDS = " ".join(f"word{number}" for number in range(600))
# A session that has run out, and a clock that has stood still for two days.
OLD = """
from datetime import timedelta
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from celery.beat import PersistentScheduler
from chatsite.celery import app
Session.objects.create(session_key="old", session_data="", expire_date=timezone.now() - timedelta(days=1))
clock = PersistentScheduler(app, schedule_filename=str(settings.DATA_DIR / "beat"))
for entry in clock.schedule.values():
    entry.last_run_at -= timedelta(days=2)
clock.close()
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, database, simulator):
    urls = {"REDIS_URL": emptied_redis(), "SIMULATOR_URL": simulator}
    deployment = Deployment(tmp_path_factory.mktemp("data"), database.url, **urls)
    deployment.set_up()
    deployment.python(ALICE + OLD)
    yield deployment
    deployment.stop()


@pytest.fixture
def web(deployment):
    return deployment.serving()


@pytest.fixture
def alice(deployment, web):
    with Person(deployment.url) as alice:
        assert alice.sign_in().headers["location"] == "/"
        yield alice


def test_a_whole_answer_comes_and_is_paid_for(alice, database, deployment):
    with alice.socket() as socket:
        started = alice.send(socket, '[[speed=0 say="All of it, **bold** and ☕"]] Hello')
        ended = alice.until(socket, "turn.ended")
    assert (ended["status"], alice.text()) == ("done", "All of it, **bold** and ☕")
    assert "<strong>bold</strong>" in alice.http.get(f"/c/{started['conversation']}").text
    subject = f"generation:{started['generation']}"
    ((state, outcome, charge),) = database.rows(
        "SELECT h.state, u.outcome, u.charge FROM billing_hold h JOIN billing_usagerecord u USING (subject)"
        " WHERE subject = %s",
        subject,
    )
    assert (state, outcome, charge > 0) == ("settled", "done", True)
    assert "sound" in deployment.command("python", "manage.py", "audit_ledger")


def test_what_is_due_goes_from_the_clock_to_the_worker_until_both_are_told_to_end(database, deployment):
    worker, beat = deployment.start("worker"), deployment.start("beat")
    for task in ("accounts.tasks.end_old_sessions", "billing.tasks.check_ledger"):
        wait_until(lambda task=task: any(task in line and "succeeded" in line for line in worker.lines))
    assert database.rows("SELECT 1 FROM django_session WHERE session_key = 'old'") == []
    assert (beat.stop(), worker.stop()) == (0, 0)


def test_the_site_is_healthy_while_it_serves(deployment, web):
    ask = deployment.start_words("python", "-m", "chatsite.health")
    assert (ask.finish(), ask.lines) == (0, [])


def test_a_second_web_process_is_refused_in_one_sentence(alice, deployment):
    second = deployment.start("web", PORT=str(free_port()))
    assert second.finish() == 1
    assert second.lines == ["Another Chatsite web process serves this database: stop it first."]
    assert alice.http.get("/").status_code == 200


def test_killed_in_mid_answer_it_comes_back_interrupted_and_charged(alice, database, deployment, web):
    with alice.socket() as socket:
        started = alice.send(socket, f'[[speed=60 say="{WORDS}"]] Count')
        while "word90 " not in alice.text():
            alice.until(socket, "delta")
        web.kill()
    deployment.serving()
    with alice.socket() as socket:
        socket.send(f'{{"type": "resync", "generation": "{started["generation"]}"}}')
        snapshot = alice.until(socket, "snapshot")
    assert snapshot["status"] == "interrupted"
    assert WORDS.startswith(snapshot["text"])
    assert "word30 " in snapshot["text"]
    subject = f"generation:{started['generation']}"
    ((outcome, source, charge, prompt, completion),) = database.rows(
        "SELECT outcome, source, charge, prompt_tokens, completion_tokens FROM billing_usagerecord WHERE subject = %s",
        subject,
    )
    assert (outcome, source, charge) == ("interrupted", "counted", prompt * 400 + completion * 2000)
    assert completion > 30
    assert database.rows("SELECT state FROM billing_hold WHERE subject = %s", subject) == [("settled",)]
    assert "sound" in deployment.command("python", "manage.py", "audit_ledger")


def test_told_to_end_in_mid_answer_it_saves_what_came(alice, database, web):
    with alice.socket() as socket:
        started = alice.send(socket, f'[[speed=60 say="{WORDS}"]] Count')
        while "word5 " not in alice.text():
            alice.until(socket, "delta")
        assert web.stop() == 0
    assert [line for line in web.lines if "Listening" not in line] == []
    rows = database.rows("SELECT status FROM conversations_generation WHERE id = %s", started["generation"])
    assert rows == [("interrupted",)]


def test_without_its_tables_it_says_what_to_do(tmp_path):
    empty = Database()
    try:
        web = Deployment(tmp_path, empty.url).start("web")
        assert web.finish() == 1
        assert web.lines == ["The database is not up to date: run `python manage.py migrate` first."]
    finally:
        empty.drop()


def test_without_its_database_it_says_so_at_once(tmp_path):
    web = Deployment(tmp_path, "postgres://chatsite:hidden@127.0.0.1:1/chatsite").start("web")
    assert web.finish(8) == 1
    (line,) = web.lines
    assert line.startswith("The database cannot be used: ")
    assert "hidden" not in line


def test_a_broken_setting_is_one_sentence_too(tmp_path):
    web = Deployment(tmp_path, "postgres://127.0.0.1:1/chatsite").start("web", ENCRYPTION_KEYS="short")
    assert web.finish() == 1
    (line,) = web.lines
    assert line.startswith("ENCRYPTION_KEYS: number 1 is not 32 bytes in base64")
