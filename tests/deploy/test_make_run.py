"""`make run` in a fresh clone: what it prints, how it ends, and what it says when it cannot begin."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy.processes import Program, are_gone
from tests.site import ROOT, free_port, get, inherited, wait_until

LAST_LINE = "Ctrl-C stops it."
KEY = "dGVzdHMtb25seS1rZXktb2YtMzItYnl0ZXMtMDAwMDE="


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of what is committed, where installing is done: tests/tools/test_bootstrap.py is about that."""
    folder = tmp_path_factory.mktemp("clone") / "chatsite"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    venv, ours = folder / ".venv", Path(sys.prefix)
    venv.mkdir()
    shutil.copy(ours / "pyvenv.cfg", venv)
    shutil.copy(folder / "requirements" / "run.txt", venv / "run.stamp")
    for name in ("bin", "lib"):
        (venv / name).symlink_to(ours / name)
    return folder


@pytest.fixture(scope="module")
def make(clone):
    """Starts `make run` in the clone, with nothing but these variables."""

    started = []

    def make_run(**variables):
        environment = inherited() | {"PORT": str(free_port())} | variables
        started.append(Program(["make", "run"], environment, clone))
        started[-1].url = f"http://127.0.0.1:{environment['PORT']}"
        return started[-1]

    yield make_run
    for program in started:
        program.signal_all(signal.SIGKILL)
        program.finish()


@pytest.fixture(scope="module")
def first_run(make):
    """The very first one, over."""
    program = make()
    program.wait_for(LAST_LINE, seconds=60)
    program.signal_all(signal.SIGINT)
    program.finish()
    return program


@pytest.fixture
def site(make, first_run):
    """A later one, serving."""
    program = make()
    program.wait_for(LAST_LINE)
    program.pids = program.family()
    assert len(program.pids) == 2  # the server and the simulated upstream
    yield program
    program.signal_all(signal.SIGKILL)
    program.finish()
    are_gone(program.pids, 5)


def command_line(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def refusal(program):
    """All that it said before it ended, without make's own last line."""
    assert program.finish() == 2
    assert program.lines[-1].startswith("make: *** [Makefile:")
    return program.lines[:-1]


def test_the_first_run_tells_what_it_does_and_where_the_site_is(first_run):
    collecting, database, address, link, last = first_run.lines[:5]
    assert collecting.startswith("Collecting static files … done in ")
    assert database == "Setting up the database …"
    assert address == f"Chatsite is at {first_run.url}"
    assert link.startswith(f"Create the first admin: {first_run.url}/setup/")
    assert last == LAST_LINE


def test_it_writes_into_var_and_nowhere_else(clone, first_run):
    written = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True)
    assert written.stdout == ""
    assert {"env", "db.sqlite3", "static", "lock"} <= {path.name for path in (clone / "var").iterdir()}


def test_a_later_run_only_says_where_the_site_is(site, first_run):
    address, link, last = site.lines
    assert (address, last) == (f"Chatsite is at {site.url}", LAST_LINE)
    assert link.rpartition("/setup/")[2] == first_run.says("/setup/").rpartition("/setup/")[2]
    assert b"Nobody has an account yet" in get(f"{site.url}/accounts/login/")


def test_ctrl_c_ends_every_process(site):
    site.signal_all(signal.SIGINT)  # as a terminal does
    site.finish()
    are_gone(site.pids, 1)
    assert [line for line in site.lines[3:] if "Interrupt" not in line] == []


def test_a_terminated_make_takes_all_with_it(site):
    site.stop(signal.SIGTERM)
    are_gone(site.pids, 2)
    assert not site.says("Traceback")


def test_when_make_is_killed_the_rest_ends_by_itself(site):
    site.process.kill()
    are_gone(site.pids, 2)


def test_when_make_is_killed_while_the_server_still_begins_it_ends_too(make, first_run):
    program = make()
    (server,) = wait_until(lambda: [pid for pid in program.family() if b"manage.py" in command_line(pid)])
    program.process.kill()
    are_gone([server], 4)
    assert not program.says(LAST_LINE)


def test_when_the_server_is_killed_its_simulator_ends_and_make_fails(site):
    os.kill(site.pids[0], signal.SIGKILL)
    are_gone(site.pids, 2)
    assert site.finish() == 2


def test_a_second_one_on_the_same_folder_is_refused(clone, make, site):
    assert refusal(make()) == [f"Chatsite already runs on {clone / 'var'}: stop it first."]
    assert site.process.poll() is None


def test_a_taken_port_is_named_with_a_free_one(clone, make, site, tmp_path):
    (tmp_path / "static").symlink_to(clone / "var" / "static")
    (tmp_path / "static.stamp").touch()
    port = site.url.rpartition(":")[2]
    program = make(PORT=port, DATA_DIR=str(tmp_path))
    assert refusal(program)[-1] == (
        f"Port {port} on 127.0.0.1 is taken. "
        f"Stop the program that uses it, or choose another: PORT={int(port) + 1} make run."
    )
    assert not program.says("Traceback")


def test_the_first_page_does_not_wait_for_celery(tmp_path):
    code = "import sys, chatsite.asgi; print(sorted({'celery', 'kombu', 'redis'} & set(sys.modules)))"
    environment = inherited() | {"DATA_DIR": str(tmp_path)}
    (tmp_path / "static").mkdir()  # the server of static files warns when it is not there
    program = Program([sys.executable, "-c", code], environment)
    assert (program.finish(), program.lines) == (0, ["[]"])


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PORT": "http"}, "PORT must be a number from 1 to 65535, not 'http'."),
        ({"PORT": "0"}, "PORT must be a number from 1 to 65535, not '0'."),
        ({"SITE_URL": "foo"}, "SITE_URL is 'foo': write the whole address, such as https://chat.example.org."),
        (
            {"DATABASE_URL": "bar"},
            "DATABASE_URL cannot be read: write it like postgres://user:password@host:5432/name.",
        ),
        ({"ENCRYPTION_KEYS": "short"}, "ENCRYPTION_KEYS: number 1 is not 32 bytes in base64: make one with "),
        ({"STARTING_CREDITS": "abc"}, "STARTING_CREDITS is 'abc': write a number of credits, such as 10 or 0."),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "REDIS_URL is set but the database is SQLite, which serves one process"),
        ({"DATABASE_URL": "postgres://me:hidden@127.0.0.1:1/chat"}, "The database cannot be used: "),
        ({"SECRET_KEY": KEY, "ENCRYPTION_KEYS": KEY}, "SECRET_KEY is also one of ENCRYPTION_KEYS: "),
    ],
)
def test_what_is_wrong_is_one_sentence(make, first_run, variables, sentence):
    (line,) = refusal(make(**variables))
    assert line.startswith(sentence)
    assert "hidden" not in line


def test_a_data_folder_that_cannot_be_is_one_sentence(make, first_run, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    (line,) = refusal(make(DATA_DIR=str(folder)))
    assert line == f"DATA_DIR is {folder}, which cannot be written to: choose a folder of your own."


def test_without_an_environment_an_old_python_is_one_sentence(clone, tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 'python is Python 3.9'\nexit 1\n")
    old.chmod(0o755)
    copy = shutil.copytree(clone, tmp_path / "copy", ignore=shutil.ignore_patterns(".git", ".venv", "var"))
    program = Program(["make", "run"], inherited() | {"PYTHON": str(old)}, copy)
    (line,) = refusal(program)
    assert line.startswith("Python 3.11 or newer is needed (")
