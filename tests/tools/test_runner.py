"""The runner of the checks: two at a time, all of them, and one honest sum at the end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tools import steps
from tools import test as runner
from tools.programs import ROOT
from tools.steps import Step, clean_environment
from tools.verdicts import FAILED, NOT_TESTED, PASSED, Verdict, by_pytest


@pytest.fixture(autouse=True)
def logs(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LOGS", tmp_path)
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    return tmp_path


def python(name, script, **options):
    return Step(name, [sys.executable, "-c", script], **options)


def results(outcomes):
    return {outcome.step.name: outcome.verdict.result for outcome in outcomes}


def test_every_step_is_run_although_one_fails_and_its_output_is_shown(capsys, logs):
    outcomes = runner.run(
        [python("bad", "print('broken pipe dream'); raise SystemExit(1)"), python("good", "print('quiet')")]
    )

    assert results(outcomes) == {"bad": FAILED, "good": PASSED}
    said = capsys.readouterr().out
    assert "broken pipe dream" in said
    assert "quiet" not in said
    assert (logs / "good.log").read_text() == "quiet\n"


def test_two_steps_run_at_the_same_time(monkeypatch):
    monkeypatch.setattr(runner, "STEP_LIMIT", 10.0)
    wait_for = (
        "import time, pathlib; pathlib.Path('{0}').touch()\nwhile not pathlib.Path('{1}').exists(): time.sleep(0.01)"
    )

    outcomes = runner.run([python("one", wait_for.format("a", "b")), python("two", wait_for.format("b", "a"))])

    assert results(outcomes) == {"one": PASSED, "two": PASSED}


def test_a_step_that_never_ends_is_ended_and_has_failed(monkeypatch):
    monkeypatch.setattr(runner, "STEP_LIMIT", 0.3)

    (outcome,) = runner.run([python("endless", "import time; time.sleep(60)")])

    assert outcome.verdict == Verdict(FAILED, "ended after 0 s", failed=1)


def test_a_step_with_nothing_to_test_is_not_called_passed(capsys):
    outcomes = runner.run([Step("absent", [], untested="there is no template")])

    assert runner.summarise(outcomes, 1.0) == 0
    assert results(outcomes) == {"absent": NOT_TESTED}
    assert "NOT TESTED: absent (there is no template)" in capsys.readouterr().out


def test_skipped_tests_are_told(capsys):
    runner.run(
        [python("some", "print('SKIPPED [1] tests/a.py: no clock\\n1 passed, 1 skipped in 0.1s')", judge=by_pytest)]
    )

    said = capsys.readouterr().out
    assert "SKIPPED [1] tests/a.py: no clock\n" in said
    assert "1 passed, 1 skipped in 0.1s\n" in said


def test_the_summary_ends_with_the_sum_of_all_tests_and_fails_if_a_step_did(capsys):
    step = python("any", "")
    outcomes = [
        runner.Outcome(step, Verdict(PASSED, "40 passed in 2.00s", 40), 2.0),
        runner.Outcome(python("mypy", ""), Verdict(FAILED), 1.0),
        runner.Outcome(step, Verdict(PASSED, "2 passed in 1.00s", 2), 1.0),
    ]

    assert runner.summarise(outcomes, 3.0) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["Failed: mypy", "42 passed, 0 failed"]


def test_the_developers_own_services_do_not_reach_the_steps(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://production/db")
    monkeypatch.setenv("REDIS_URL", "redis://production")
    monkeypatch.setenv("EDITOR", "ed")

    environment = clean_environment()

    assert ("DATABASE_URL" in environment, "REDIS_URL" in environment, environment["EDITOR"]) == (False, False, "ed")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_runner_that_is_told_to_stop_takes_its_steps_along(tmp_path, how):
    script = (
        "import sys, tools.test as t; from tools.steps import Step\n"
        "from pathlib import Path; t.LOGS = t.ROOT = Path(sys.argv[1])\n"
        "t.run([Step('slow', ['sh', '-c', 'echo $$ > pid; exec sleep 60'])])"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL)
    pid_file = tmp_path / "pid"
    while not (pid_file.exists() and pid_file.read_text()):
        time.sleep(0.02)

    process.send_signal(how)

    assert process.wait(timeout=10) == 128 + how
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_step_may_take_longer_than_others(monkeypatch):
    monkeypatch.setattr(runner, "STEP_LIMIT", 0.01)

    assert results(runner.run([python("long", "import time; time.sleep(0.2)", limit=10.0)])) == {"long": PASSED}


def test_the_long_forms_run_on_each_database():
    plan = {step.name: "DATABASE_URL" in step.env for step in steps.soak({"DATABASE_URL": "postgres://"})}

    assert plan == {
        "crashes on SQLite": False,
        "crashes on PostgreSQL": True,
        "ledger on SQLite": False,
        "ledger on PostgreSQL": True,
    }
