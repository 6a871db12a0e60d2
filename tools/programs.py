"""Finds the programs the tests need, and installs those that are missing where that is possible."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from glob import glob
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "var" / "test-logs"
DOCKER = "docker"


class Missing(Exception):
    """A program is not there and cannot be had; the message is a sentence for people."""


@dataclass(frozen=True)
class Program:
    name: str
    commands: tuple[str, ...]
    package: str  # Debian's and Ubuntu's
    places: tuple[str, ...] = ()  # patterns of paths off PATH
    image: str = ""  # Docker's, for what can run in a container


POSTGRES = Program(
    "PostgreSQL",
    ("postgres",),
    "postgresql",
    (
        "/usr/lib/postgresql/*/bin/postgres",
        "/usr/pgsql-*/bin/postgres",
        "/opt/homebrew/opt/postgresql*/bin/postgres",
        "/usr/local/opt/postgresql*/bin/postgres",
        "/Applications/Postgres.app/Contents/Versions/*/bin/postgres",
    ),
    "postgres:17-alpine",
)
REDIS = Program(
    "Redis",
    ("redis-server", "valkey-server"),
    "redis-server",
    ("/opt/homebrew/opt/redis*/bin/redis-server", "/usr/local/opt/redis*/bin/redis-server"),
    "redis:8-alpine",
)
NODE = Program(
    "Node", ("node", "nodejs"), "nodejs", ("/opt/homebrew/opt/node*/bin/node", "/usr/local/opt/node*/bin/node")
)
CHROMIUM = Program(
    "Chromium",
    ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "chromium",
    (
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
)


def find(program: Program) -> str | None:
    """Path of the first command of the program that really runs; version managers leave shims that do not."""
    on_path = [path for command in program.commands if (path := shutil.which(command))]
    elsewhere = [path for place in program.places for path in sorted(glob(place), key=_version, reverse=True)]
    return next((path for path in on_path + elsewhere if runs(path)), None)


def provide(programs: Iterable[Program]) -> dict[Program, str]:
    """Path of each program ("docker" where only its image can be had), installing what is missing, or raise Missing."""
    found = {program: find(program) for program in programs}
    missing = [program for program, path in found.items() if path is None]
    if missing and _can_install():
        _install(missing)
        found |= {program: find(program) for program in missing}
    found |= {program: DOCKER for program in missing if found[program] is None and _pulls(program)}
    lost = [program for program, path in found.items() if path is None]
    if lost:
        raise Missing(_sentence(lost))
    return {program: path for program, path in found.items() if path}


def _version(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


def runs(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _can_install() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(programs: list[Program]) -> None:
    print(f"Installing {', '.join(program.name for program in programs)} with apt-get …", flush=True)
    # RUNLEVEL=1: the packages shall not start servers of their own.
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    packages = [program.package for program in programs]
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "apt.log").open("w") as log:
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
            subprocess.run(
                ["apt-get", *command], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False
            )


def _pulls(program: Program) -> bool:
    if not program.image or not shutil.which(DOCKER):
        return False
    for command in (["info"], ["pull", "--quiet", program.image]):
        if subprocess.run([DOCKER, *command], capture_output=True, check=False).returncode:
            return False
    return True


def _sentence(lost: list[Program]) -> str:
    names = " and ".join(program.name for program in lost)
    packages = " ".join(program.package for program in lost)
    log = LOGS / "apt.log"
    tried = f" (apt-get could not, see {log.relative_to(ROOT)})" if _can_install() else ""
    docker = ", or start Docker" if any(program.image for program in lost) else ""
    return f"The tests need {names}{tried}: install {packages} with your system's package manager{docker}."
