"""The private PostgreSQL and Redis: they answer, and they never outlive what asked for them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from tools import services as module
from tools.programs import ROOT
from tools.services import services

SCRIPT = str(ROOT / "tools" / "services.py")
TELL = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read(); sys.exit(3)"


def is_listening(url):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port)) == 0


def wait_until_gone(*urls, folder, limit=8.0):
    end = time.monotonic() + limit
    while time.monotonic() < end and (folder.exists() or any(map(is_listening, urls))):
        time.sleep(0.05)
    return not folder.exists() and not any(map(is_listening, urls))


def folder_of(url):
    with psycopg.connect(url) as connection:
        return Path(connection.execute("SHOW data_directory").fetchone()[0]).parent


@pytest.fixture
def command():
    """A command under `--exec` that tells its environment and ends with its standard input."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "--exec", sys.executable, "-c", TELL],
        env={**os.environ, "REDIS_URL": "redis://elsewhere"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process.stdin, process.stdout:
        yield process
    process.wait()


def test_the_addresses_lead_to_an_empty_postgresql_and_an_empty_redis_that_go_with_the_block():
    with services() as variables:
        database, store = variables["DATABASE_URL"], variables["TEST_REDIS_URL"]
        assert variables["TEST_POSTGRES_URL"] == database
        folder = folder_of(database)
        with psycopg.connect(database) as connection:
            row = connection.execute(
                "SELECT current_database(), current_setting('fsync'), usesuper FROM pg_user"
            ).fetchone()
            tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        with redis.from_url(store) as client:
            assert (client.ping(), client.dbsize(), client.config_get("save")) == (True, 0, {"save": ""})
        assert (row, tables) == (("chatsite", "off", True), (0,))

    assert wait_until_gone(database, store, folder=folder, limit=0)


def test_a_command_gets_the_addresses_without_the_developers_redis_and_hands_on_its_status(command):
    environment = json.loads(command.stdout.readline())
    command.stdin.close()

    assert command.wait(timeout=10) == 3
    assert environment["DATABASE_URL"].startswith("postgres://chatsite@127.0.0.1:")
    assert "REDIS_URL" not in environment


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_runner_that_is_killed(command, how):
    environment = json.loads(command.stdout.readline())
    urls = environment["DATABASE_URL"], environment["TEST_REDIS_URL"]
    folder = folder_of(urls[0])
    assert all(map(is_listening, urls))

    command.send_signal(how)

    assert wait_until_gone(*urls, folder=folder)


def test_a_server_that_ends_at_once_is_reported_and_takes_the_other_one_along():
    postgres = module.provide([module.POSTGRES])[module.POSTGRES]

    keeper = subprocess.run(
        [sys.executable, SCRIPT, "--keep", postgres, "/bin/false"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert keeper.returncode == 1
    assert keeper.stderr.startswith("/bin/false --bind 127.0.0.1 --port ")


def test_the_docker_form_publishes_on_the_loopback_only(monkeypatch):
    monkeypatch.setattr(module, "_free_port", lambda: 5555)

    command = module._postgres("docker").command

    assert command[:4] == ["docker", "run", "--rm", "--publish=127.0.0.1:5555:5432"]
    assert "--env=POSTGRES_HOST_AUTH_METHOD=trust" in command
    assert module._redis("docker").command == [
        "docker",
        "run",
        "--rm",
        "--publish=127.0.0.1:5555:6379",
        "redis:8-alpine",
        "redis-server",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
