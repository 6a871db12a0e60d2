"""Reading the result of a step from its exit status and its output."""

import json

import pytest

from tools.verdicts import Verdict, by_audit, by_node, by_pytest, by_status


@pytest.mark.parametrize(
    ("status", "output", "verdict"),
    [
        (0, "...\n3 passed in 0.12s\n", Verdict("passed", "3 passed in 0.12s", 3, 0)),
        (
            0,
            "==== 3 passed, 1 skipped in 61.20s (0:01:01) ====\n",
            Verdict("passed", "3 passed, 1 skipped in 61.20s (0:01:01)", 3, 0),
        ),
        (1, "2 failed, 5 passed, 1 error in 1.00s\n", Verdict("failed", "2 failed, 5 passed, 1 error in 1.00s", 5, 3)),
        (1, "1 passed in 1.00s\nlater 7 passed\n", Verdict("failed", "1 passed in 1.00s", 1, 1)),
        (0, "1 passed in 1.00s\n4 passed in 9.00s\n", Verdict("passed", "4 passed in 9.00s", 4, 0)),
        (-9, "....", Verdict("failed", "pytest ended with status -9 and no closing line", 0, 1)),
        (5, "no tests ran in 0.01s\n", Verdict("failed", "pytest ended with status 5 and no closing line", 0, 1)),
    ],
)
def test_pytest_is_counted_by_its_closing_line(status, output, verdict):
    assert by_pytest(status, output) == verdict


@pytest.mark.parametrize(
    ("status", "output", "verdict"),
    [
        (0, "# tests 4\n# pass 4\n# fail 0\n", Verdict("passed", "4 passed", 4, 0)),
        (0, "ℹ pass 4\nℹ fail 0\nℹ skipped 2\n", Verdict("passed", "4 passed, 2 skipped", 4, 0)),
        (1, "# pass 3\n# fail 1\n# cancelled 1\n", Verdict("failed", "3 passed, 2 failed", 3, 2)),
        (0, "# pass 0\n# fail 0\n", Verdict("failed", "0 passed, 0 failed", 0, 1)),
    ],
)
def test_node_is_counted_by_its_totals(status, output, verdict):
    assert by_node(status, output) == verdict


def report(*packages):
    return f"some warning\n{json.dumps({'dependencies': packages, 'fixes': []})}\n"


CLEAN = {"name": "celery", "version": "5.7.0", "vulns": []}
UNKNOWN = {"name": "vine", "skip_reason": "not found"}
VULNERABLE = {"name": "daphne", "version": "4.2.3", "vulns": [{"id": "X-1"}]}


@pytest.mark.parametrize(
    ("status", "output", "verdict"),
    [
        (0, report(CLEAN, CLEAN), Verdict("passed", "2 packages")),
        (1, report(CLEAN, VULNERABLE, UNKNOWN), Verdict("failed", "vulnerable: daphne")),
        (
            0,
            report(CLEAN, UNKNOWN),
            Verdict("NOT REACHED", "1 of 2 packages are unknown to the vulnerability service"),
        ),
        (
            1,
            "requests.exceptions.ConnectionError: …",
            Verdict("NOT REACHED", "the vulnerability service did not answer: var/test-logs/pip-audit.log"),
        ),
    ],
)
def test_an_audit_that_reached_nothing_has_not_passed(status, output, verdict):
    assert by_audit(status, output) == verdict


def test_other_steps_are_judged_by_their_status():
    assert (by_status(0, "").result, by_status(2, "").result) == ("passed", "failed")
