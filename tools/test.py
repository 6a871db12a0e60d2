"""Runs the checks and tests, two at a time, and sums them up: python -m tools.test [--quick | --check | --soak]"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import steps
from tools.programs import CHROMIUM, LOGS, NODE, POSTGRES, REDIS, ROOT, Missing, provide
from tools.services import NotStarted, services
from tools.steps import Step
from tools.verdicts import FAILED, NOT_TESTED, PASSED, Verdict

STOPS = (signal.SIGINT, signal.SIGTERM)
STEP_LIMIT = 1200.0  # seconds: four times what the longest takes on two cores
LINES_SHOWN = 400  # of the log of a step that failed


@dataclass(frozen=True)
class Outcome:
    step: Step
    verdict: Verdict
    seconds: float


@dataclass(frozen=True)
class Running:
    step: Step
    process: subprocess.Popen[bytes]
    began: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


def full() -> list[Outcome]:
    """Everything. What measures time in a browser runs alone."""
    programs = provide([POSTGRES, REDIS, NODE, CHROMIUM])
    production = steps.production()
    first = [*steps.static_checks(production), steps.javascript(programs[NODE]), steps.audit()]
    outcomes = run(first)
    with services() as to_postgres:
        beside = {name: url for name, url in to_postgres.items() if name != "DATABASE_URL"}
        outcomes += run(
            [steps.pytest_on_postgres(to_postgres), steps.pytest_on_sqlite(beside), steps.other_python(beside)]
        )
        outcomes += run([steps.browser({**beside, "CHROMIUM": programs[CHROMIUM]})])
    return outcomes


def quick() -> list[Outcome]:
    return run([*steps.static_checks(steps.production()), steps.pytest_without_services()])


def check() -> list[Outcome]:
    return run(steps.static_checks(steps.production()))


def soak() -> list[Outcome]:
    with services() as to_postgres:
        return run(steps.soak(to_postgres))


def run(plan: list[Step], at_once: int = 2) -> list[Outcome]:
    outcomes = []
    for outcome in _outcomes(plan, at_once):
        _tell(outcome)
        outcomes.append(outcome)
    return outcomes


def _outcomes(plan: list[Step], at_once: int) -> Iterator[Outcome]:
    """The outcome of each step as it ends; when this process is told to stop, the running steps are ended first."""
    waiting, running, told = list(plan), list[Running](), list[int]()
    # Only noted here and acted on below: an exception out of a handler could lose a step that has just been started.
    handlers = {number: signal.signal(number, lambda number, _: told.append(number)) for number in STOPS}
    try:
        while (waiting or running) and not told:
            while waiting and len(running) < at_once:
                step = waiting.pop(0)
                if step.untested:
                    yield Outcome(step, Verdict(NOT_TESTED, step.untested), 0)
                else:
                    running.append(_start(step))
            time.sleep(0.02)
            for one in [one for one in running if one.process.poll() is not None or one.seconds > _limit(one.step)]:
                yield _finish(one)
                running.remove(one)
    finally:
        for one in running:
            _end(one.process)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if told:
        sys.exit(128 + told[0])


def _start(step: Step) -> Running:
    with _log(step).open("wb") as log:
        process = subprocess.Popen(
            step.command,
            cwd=ROOT,
            env={**steps.clean_environment(), **step.env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Running(step, process, time.monotonic())


def _finish(one: Running) -> Outcome:
    seconds = one.seconds
    if one.process.poll() is None:
        _end(one.process)
        return Outcome(one.step, Verdict(FAILED, f"ended after {_limit(one.step):.0f} s", failed=1), seconds)
    output = _log(one.step).read_text(errors="replace")
    return Outcome(one.step, one.step.judge(one.process.returncode, output), seconds)


def _limit(step: Step) -> float:
    return step.limit or STEP_LIMIT


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # pytest then still takes its fixtures down
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _log(step: Step) -> Path:
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{step.name.replace(' ', '-').replace('--', '')}.log"


def _tell(outcome: Outcome) -> None:
    if outcome.verdict.result != NOT_TESTED:
        lines = _log(outcome.step).read_text(errors="replace").splitlines()
        if outcome.verdict.result == FAILED:
            print(f"\n---- {outcome.step.name}: {_log(outcome.step).relative_to(ROOT)}")
            print("\n".join(lines[-LINES_SHOWN:]), end="\n\n")
        else:
            print("".join(f"{line}\n" for line in lines if line.startswith("SKIPPED")), end="")
    print(_row(outcome), flush=True)


def _row(outcome: Outcome) -> str:
    verdict = outcome.verdict
    return f"{outcome.step.name:24} {verdict.result:12} {outcome.seconds:7.1f} s  {verdict.note}".rstrip()


def summarise(outcomes: list[Outcome], seconds: float) -> int:
    """Print the table and, alone on the last line, the sum of all tests if there were any; returns the exit status."""
    failed = [outcome.step.name for outcome in outcomes if outcome.verdict.result == FAILED]
    print(f"\n{'Step':24} {'Result':12} {'Time':>9}")
    for outcome in outcomes:
        print(_row(outcome))
    print(f"\n{len(outcomes)} steps in {seconds:.0f} s")
    if failed:
        print(f"Failed: {', '.join(failed)}")
    for outcome in outcomes:
        if outcome.verdict.result not in (PASSED, FAILED):
            print(f"{outcome.verdict.result}: {outcome.step.name} ({outcome.verdict.note})")
    passed_tests = sum(outcome.verdict.passed for outcome in outcomes)
    failed_tests = sum(outcome.verdict.failed for outcome in outcomes)
    if passed_tests or failed_tests:
        print(f"{passed_tests} passed, {failed_tests} failed", flush=True)
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    suites = {"": full, "--quick": quick, "--check": check, "--soak": soak}
    suite = suites.get(" ".join(arguments))
    if suite is None:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chatsite-test-", ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # what the steps leave behind goes with it
        outcomes = suite()
    return summarise(outcomes, time.monotonic() - began)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Missing, NotStarted) as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
