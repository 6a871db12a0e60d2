"""How the output of a finished step is read."""

import json
import re
from dataclasses import dataclass

PASSED, FAILED, NOT_REACHED, NOT_TESTED = "passed", "failed", "NOT REACHED", "NOT TESTED"
PYTEST_CLOSING = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*$", re.MULTILINE)
NODE_COUNT = re.compile(r"^[#ℹ] (pass|fail|cancelled|skipped|todo) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    result: str
    note: str = ""
    passed: int = 0  # tests
    failed: int = 0


def by_status(status: int, output: str) -> Verdict:
    return Verdict(FAILED if status else PASSED)


def by_pytest(status: int, output: str) -> Verdict:
    """Counts from pytest's closing line; a run that broke before it counts as one failed test."""
    closing = list(PYTEST_CLOSING.finditer(output))
    if not closing:
        return Verdict(FAILED, f"pytest ended with status {status} and no closing line", failed=1)
    line = closing[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", line[1])}
    failed = sum(counts.get(word, 0) for word in ("failed", "error", "errors"))
    verdict = FAILED if status or failed else PASSED
    lost = 1 if verdict == FAILED and not failed else 0
    return Verdict(verdict, line[0].strip("= "), counts.get("passed", 0), failed + lost)


def by_node(status: int, output: str) -> Verdict:
    counts = {word: int(number) for word, number in NODE_COUNT.findall(output)}
    passed, failed = counts.get("pass", 0), counts.get("fail", 0) + counts.get("cancelled", 0)
    if status or failed or not passed:
        return Verdict(FAILED, f"{passed} passed, {failed} failed", passed, max(failed, 1))
    skipped = counts.get("skipped", 0) + counts.get("todo", 0)
    return Verdict(PASSED, f"{passed} passed" + (f", {skipped} skipped" if skipped else ""), passed)


def by_audit(status: int, output: str) -> Verdict:
    """A package that the vulnerability service does not know was not audited, whatever the exit status says."""
    report = next((line for line in output.splitlines() if line.startswith('{"dependencies"')), None)
    if report is None:
        return Verdict(NOT_REACHED, "the vulnerability service did not answer: var/test-logs/pip-audit.log")
    packages = json.loads(report)["dependencies"]
    vulnerable = sorted(package["name"] for package in packages if package.get("vulns"))
    if vulnerable:
        return Verdict(FAILED, f"vulnerable: {', '.join(vulnerable)}")
    skipped = sum("skip_reason" in package for package in packages)
    if skipped:
        return Verdict(NOT_REACHED, f"{skipped} of {len(packages)} packages are unknown to the vulnerability service")
    return Verdict(FAILED if status else PASSED, f"{len(packages)} packages")
