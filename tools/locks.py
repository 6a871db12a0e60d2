"""Checks, without the network, that requirements/*.txt lock what pyproject.toml asks for: python -m tools.locks"""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;\\]+)(?P<rest>(.|\n(?=[ \t]))*)", re.MULTILINE
)
ADDRESS = re.compile(r"--(extra-)?index-url|--find-links|^-[if] |https?://|file://", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Version by normalised name."""
    return {canonicalize_name(pin["name"]): pin["version"] for pin in PIN.finditer(text)}


def unlocked(wanted: list[str], text: str) -> list[str]:
    """What is wrong with a lock file, in sentences, given what must be in it."""
    locked = pins(text)
    faults = [f"{pin['name']} has no hash" for pin in PIN.finditer(text) if "--hash=sha256:" not in pin["rest"]]
    if ADDRESS.search(text):
        faults.append("it names an index or an address")
    for requirement in map(Requirement, wanted):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None:
            faults.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            faults.append(f"{requirement.name} is locked at {version}, not {requirement.specifier}")
    return faults


def check(root: Path) -> list[str]:
    """All faults of the two lock files of a project."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    run, dev = ((root / "requirements" / f"{name}.txt").read_text() for name in ("run", "dev"))
    wanted = project["project"]["dependencies"]
    faults = [f"run.txt: {fault}" for fault in unlocked(wanted, run)]
    faults += [f"dev.txt: {fault}" for fault in unlocked(wanted + project["dependency-groups"]["dev"], dev)]
    if differing := sorted(pins(run).items() - pins(dev).items()):
        faults += [f"dev.txt: {name} is not {version}, as in run.txt" for name, version in differing]
    return faults


if __name__ == "__main__":
    sys.exit("\n".join([*check(ROOT), "Run `make lock`."]) if check(ROOT) else 0)
