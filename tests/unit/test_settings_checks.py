"""Broken settings are told in one sentence, by the checks and on the command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatsite.checks import check_settings

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-of-its-own-with-more-than-the-fifty-characters-that-django-wants"
KEY = "dGVzdHMtb25seS1rZXktb2YtMzItYnl0ZXMtMDAwMDE="
# The site itself never reads them.
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
WHOLE = {"SECRET_KEY": SECRET, "ENCRYPTION_KEYS": KEY}


@pytest.fixture
def local(settings):
    settings.SITE_URL = "http://127.0.0.1:8000"
    return settings


def manage(data_dir, *arguments, **variables):
    """The command in a process with nothing but these variables."""
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_good_settings_are_not_remarked_upon(local):
    assert check_settings() == []


@pytest.mark.parametrize(
    ("name", "value", "code", "sentence"),
    [
        ("SECRET_KEY", "", "chatsite.E001", "SECRET_KEY is not set"),
        ("SECRET_KEY", "x" * 31, "chatsite.E002", "SECRET_KEY has 31 characters and needs at least 32"),
        ("SECRET_KEY", KEY, "chatsite.E003", "SECRET_KEY is also one of ENCRYPTION_KEYS"),
        ("ENCRYPTION_KEYS", [], "chatsite.E004", "ENCRYPTION_KEYS is not set"),
        (
            "ENCRYPTION_KEYS",
            [KEY, "not base64!"],
            "chatsite.E005",
            "ENCRYPTION_KEYS: number 2 is not 32 bytes in base64",
        ),
        ("ENCRYPTION_KEYS", [f"{KEY[:9]}!{KEY[9:]}"], "chatsite.E005", "ENCRYPTION_KEYS: number 1 is not 32 bytes"),
        ("ENCRYPTION_KEYS", ["c2hvcnQ="], "chatsite.E005", "ENCRYPTION_KEYS: number 1 is not 32 bytes in base64"),
        ("ENCRYPTION_KEYS", ["é"], "chatsite.E005", "ENCRYPTION_KEYS: number 1 is not 32 bytes in base64"),
        ("STARTING_CREDITS", "-1", "chatsite.E006", "STARTING_CREDITS is '-1'"),
        ("STARTING_CREDITS", "ten", "chatsite.E006", "STARTING_CREDITS is 'ten'"),
        ("STARTING_CREDITS", "NaN", "chatsite.E006", "STARTING_CREDITS is 'NaN'"),
        ("STARTING_CREDITS", "inf", "chatsite.E006", "STARTING_CREDITS is 'inf'"),
        ("STARTING_CREDITS", "0.0000000001", "chatsite.E006", "STARTING_CREDITS is '0.0000000001'"),
        ("PRIVATE_UPSTREAMS", ["10.0.0.5"], "chatsite.E007", "PRIVATE_UPSTREAMS holds '10.0.0.5'"),
        ("PRIVATE_UPSTREAMS", ["http://10.0.0.5:80"], "chatsite.E007", "PRIVATE_UPSTREAMS holds 'http://10.0.0.5:80'"),
        ("PRIVATE_UPSTREAMS", ["ollama:port"], "chatsite.E007", "PRIVATE_UPSTREAMS holds 'ollama:port'"),
        ("PRIVATE_UPSTREAMS", ["ollama:1/v1"], "chatsite.E007", "PRIVATE_UPSTREAMS holds 'ollama:1/v1'"),
        ("SITE_URL", "http://chat.example.org", "chatsite.W001", "SITE_URL is http://chat.example.org: over http"),
    ],
)
def test_each_broken_setting_is_named(local, name, value, code, sentence):
    setattr(local, name, value)

    (message,) = check_settings()

    assert (message.id, message.msg.startswith(sentence), message.hint) == (code, True, None)


def test_a_secret_that_is_wrong_is_not_repeated(local):
    local.SECRET_KEY = "short-but-secret"
    local.ENCRYPTION_KEYS = ["wrong-but-secret"]

    assert "but-secret" not in " ".join(message.msg for message in check_settings())


@pytest.mark.parametrize("url", ["https://chat.example.org", "https://10.0.0.5"])
def test_debug_is_refused_on_a_public_address(local, url):
    local.SITE_URL = url
    local.DEBUG = True

    (message,) = check_settings()

    assert (message.id, message.is_serious()) == ("chatsite.E008", True)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000", "http://a.localhost"]
)
def test_a_loopback_address_may_debug_and_speak_http(local, url):
    local.SITE_URL = url
    local.DEBUG = True

    assert check_settings() == []


@pytest.mark.parametrize("places", [["10.0.0.5:8080", "ollama:11434"], ["[::1]:9000"], []])
def test_private_upstreams_are_hosts_with_a_port(local, places):
    local.PRIVATE_UPSTREAMS = places

    assert check_settings() == []


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SITE_URL": "chat.example.org"}, "SITE_URL is 'chat.example.org'"),
        ({"PORT": "http"}, "PORT must be a number from 1 to 65535, not 'http'."),
        ({"PORT": "65536"}, "PORT must be a number from 1 to 65535, not '65536'."),
        ({"DATABASE_URL": "mysql://127.0.0.1/chat"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "bar"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "sqlite:////nowhere/db"}, "The database cannot be used: unable to open database file."),
        ({"REDIS_URL": "127.0.0.1:6379"}, "REDIS_URL cannot be read: write it like redis://"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "REDIS_URL is set but the database is SQLite"),
        ({"STARTING_CREDITS": "ten"}, "STARTING_CREDITS is 'ten'"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY has 5 characters"),
    ],
)
def test_the_command_line_tells_a_broken_setting_in_one_line(tmp_path, variables, sentence):
    done = manage(tmp_path, "migrate", **WHOLE | variables)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_two_broken_settings_are_two_lines(tmp_path):
    done = manage(tmp_path, "migrate")

    assert [line.split(" is ")[0] for line in done.stderr.splitlines()] == ["SECRET_KEY", "ENCRYPTION_KEYS"]


@pytest.mark.parametrize(
    "command",
    [["makemigrations", "--check", "--dry-run"], ["collectstatic", "--dry-run", "--noinput", "-v0"], ["help"]],
)
def test_what_needs_no_secret_works_in_a_fresh_clone(tmp_path, command):
    done = manage(tmp_path, *command)

    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "env").exists()


def test_the_site_as_it_is_deployed_passes_every_check(tmp_path):
    """SK-8"""
    (tmp_path / "static").mkdir()
    done = manage(
        tmp_path, "check", "--deploy", "--fail-level", "WARNING", SITE_URL="https://chat.example.org", **WHOLE
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "System check identified no issues (0 silenced).\n")


def test_the_example_explains_every_variable_that_the_site_reads():
    code = "".join(path.read_text() for path in (ROOT / "chatsite").rglob("*.py"))
    names = set(re.findall(r"""env(?:iron)?\.\w+\(\s*["']([A-Z_]+)""", code)) - {"DJANGO_SETTINGS_MODULE"}
    lines = (ROOT / ".env.example").read_text().splitlines()
    places = {found[1]: number for number, line in enumerate(lines) if (found := re.match(r"(?:# )?([A-Z_]+)=", line))}

    assert {"PORT", "DATA_DIR", "SECRET_KEY"} <= names
    assert places.keys() == names | COMPOSE_ONLY
    assert all(re.match(r"# \w.*\.$", lines[number - 1]) for number in places.values())
