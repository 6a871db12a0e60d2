"""The steps of `make test`: what is run, in which environment, and how its result is read."""

import base64
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path

from tools.programs import ROOT, runs
from tools.verdicts import Verdict, by_audit, by_node, by_pytest, by_status

BIN = Path(sys.executable).parent
TYPED = ("accounts", "bench", "billing", "chatsite", "conversations", "gateway", "panel", "providers", "tools")
BROWSER = "tests/browser"
# These have no database in them, or bring their own.
WITHOUT_DATABASE = (
    *("tests/server", "tests/simulator", "tests/contract", "tests/tools"),
    *("tests/deploy/test_compose.py", "tests/deploy/test_make_run.py", "tests/deploy/test_proxy.py"),
    *("tests/live/test_canary.py", "tests/live/test_crashes.py", "tests/live/test_third_party_server.py"),
)
# Whole sites on PostgreSQL and Redis, for the step that is about PostgreSQL.
DISTRIBUTED = ("tests/deploy/test_canary.py", "tests/deploy/test_crashes.py", "tests/deploy/test_distributed.py")
SOAK_LIMIT = 7200.0  # seconds for each long form
NEEDS_PROGRAMS = ("tests/tools/test_services.py",)
OURS = ("DATABASE_URL", "REDIS_URL", "TEST_POSTGRES_URL", "TEST_REDIS_URL", "DATA_DIR", "DJANGO_SETTINGS_MODULE")


@dataclass(frozen=True)
class Step:
    name: str
    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    judge: Callable[[int, str], Verdict] = by_status
    limit: float | None = None  # seconds, where it is another than the runner's
    untested: str = ""  # why there is nothing to run; the summary says it


def production() -> dict[str, str]:
    """An environment such as an operator would write, with a data folder of its own."""
    return {
        "DATA_DIR": tempfile.mkdtemp(prefix="chatsite-checks-"),
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ENCRYPTION_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
        "SITE_URL": "https://chat.example.org",
        "ALLOWED_HOSTS": "chat.example.org",
    }


def clean_environment() -> dict[str, str]:
    """The developer's environment without what would lead the tests to the developer's own services."""
    return {name: value for name, value in os.environ.items() if name not in OURS}


def static_checks(env: Mapping[str, str]) -> list[Step]:
    typed = [name for name in TYPED if (ROOT / name).is_dir()]
    manage = [sys.executable, "manage.py"]
    return [
        Step("mypy", [_tool("mypy"), *typed], env),
        Step("ruff format", [_tool("ruff"), "format", "--check", "."]),
        Step("ruff check", [_tool("ruff"), "check", "."]),
        Step("import-linter", [_tool("lint-imports")], env),
        _templates(),
        Step("migrations", [*manage, "makemigrations", "--check", "--dry-run"], env),
        Step("check --deploy", [*manage, "check", "--deploy", "--fail-level", "WARNING"], env),
        Step("lock files", [sys.executable, "-m", "tools.locks"]),
    ]


def audit() -> Step:
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    return Step("pip-audit", [_tool("pip-audit"), "-r", "requirements/run.txt", *options], judge=by_audit)


def javascript(node: str) -> Step:
    files = sorted(glob("tests/js/*.test.mjs", root_dir=ROOT))
    untested = "" if files or (ROOT / "static" / "js").is_dir() else "there is no JavaScript"
    return Step("node --test", [node, "--test", *(files or ["tests/js"])], judge=by_node, untested=untested)


def pytest_on_sqlite(env: Mapping[str, str] | None = None) -> Step:
    return _pytest("pytest on SQLite", _without(BROWSER, *DISTRIBUTED), env or {})


def pytest_without_services() -> Step:
    return _pytest("pytest on SQLite", _without(BROWSER, *DISTRIBUTED, *NEEDS_PROGRAMS), {})


def pytest_on_postgres(env: Mapping[str, str]) -> Step:
    return _pytest("pytest on PostgreSQL", _without(BROWSER, *WITHOUT_DATABASE), env)


def soak(env: Mapping[str, str]) -> list[Step]:
    """The long forms of the tests that have one: 20 kills at each fail point, 100,000 steps of the ledger."""
    long = {**env, "SOAK_CRASHES": "20", "SOAK_LEDGERS": "2000"}
    on_sqlite = {name: value for name, value in long.items() if name != "DATABASE_URL"}
    plan = [
        _pytest("crashes on SQLite", ["tests/live/test_crashes.py"], on_sqlite),
        _pytest("crashes on PostgreSQL", ["tests/deploy/test_crashes.py"], long),
        _pytest("ledger on SQLite", ["tests/billing/test_random_ledger.py"], on_sqlite),
        _pytest("ledger on PostgreSQL", ["tests/billing/test_random_ledger.py"], long),
    ]
    return [replace(step, limit=SOAK_LIMIT) for step in plan]


def browser(env: Mapping[str, str]) -> Step:
    """In a process of its own: synchronous Playwright leaves a running event loop behind."""
    return _pytest("pytest in the browser", [BROWSER], env)


def other_python(env: Mapping[str, str]) -> Step:
    """The tests on the newest Python that is supported, or on the oldest when this is the newest."""
    version = "3.13" if sys.version_info < (3, 13) else "3.11"
    name, interpreter = f"pytest on Python {version}", _interpreter(version)
    if interpreter is None:
        return Step(name, [], untested=f"no python{version} that runs was found")
    venv = f".venv-{version}"
    script = f'tools/bootstrap.sh dev && exec {venv}/bin/python -m pytest "$@"'
    arguments = [*_quiet(), *_without(BROWSER, *DISTRIBUTED, *NEEDS_PROGRAMS)]
    variables = {**env, "PYTHON": interpreter, "VENV": venv}
    return Step(name, ["sh", "-c", script, "pytest", *arguments], variables, by_pytest)


def _pytest(name: str, arguments: list[str], env: Mapping[str, str]) -> Step:
    return Step(name, [sys.executable, "-m", "pytest", *_quiet(), *arguments], env, by_pytest)


def _without(*paths: str) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def _quiet() -> list[str]:
    # Runs at the same time would write to one cache.
    return ["-q", "--no-header", "--color=no", "-p", "no:cacheprovider"]


def _templates() -> Step:
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "templates").rglob("*.html"))
    command = [_tool("djade"), "--check", "--target-version", "5.2", *files]
    return Step("djade", command, untested="" if files else "there is no template")


def _tool(name: str) -> str:
    return str(BIN / name)


def _interpreter(version: str) -> str | None:
    """On PATH, or where pyenv keeps those that are not activated."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = shutil.which(f"python{version}")
    candidates = ([found] if found else []) + sorted(glob(f"{pyenv}/versions/{version}.*/bin/python{version}"))
    return next((path for path in candidates if runs(path)), None)
