"""The services of docker-compose.yml as plain processes on a real PostgreSQL and a real Redis."""

import os
import secrets
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.deploy.compose import OURS, programs
from tests.deploy.processes import Program
from tests.site import ROOT, collected_static, free_port, inherited

BIN = Path(sys.executable).parent


def service_url(name):
    """The address of a service that tests may use as they like."""
    url = os.environ.get(name)
    if not url:
        pytest.fail(f"{name} is not set: run this with .venv/bin/python -m tools.services --exec … in front.", False)
    return url


class Database:
    """An empty database of its own, on the server that TEST_POSTGRES_URL names."""

    def __init__(self):
        server = service_url("TEST_POSTGRES_URL")
        self.name = f"deploy_{secrets.token_hex(6)}"
        self.url = f"{server.rpartition('/')[0]}/{self.name}"
        self._server = psycopg.connect(server, autocommit=True)
        self._server.execute(f"CREATE DATABASE {self.name}")

    def rows(self, question, *values):
        with closing(psycopg.connect(self.url)) as connection:
            return connection.execute(question, values).fetchall()

    def drop(self):
        self._server.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        self._server.close()


class Deployment:
    """One site: its folder, database, environment, and the processes that run."""

    def __init__(self, folder, database, **environment):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.running = []
        self.environment = inherited() | {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "DATA_DIR": str(folder),
            "STATIC_ROOT": collected_static(),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "ENCRYPTION_KEYS": b64encode(secrets.token_bytes(32)).decode(),
            "DATABASE_URL": database,
            "SITE_URL": self.url,
            "PORT": str(self.port),
            **environment,
        }

    def set_up(self):
        for words in programs(OURS["setup"]):
            self.command(*words)

    def start(self, name, **environment):
        """Start a service as docker-compose.yml does."""
        (words,) = programs(OURS[name])
        return self.start_words(*(word.replace("/data", str(self.folder)) for word in words), **environment)

    def start_words(self, *words, **environment):
        self.running.append(Program(words, self.environment | environment))
        return self.running[-1]

    def serving(self):
        """The web process that listens now, started if there is none."""
        living = [program for program in self.running if program.says(self.url) and program.process.poll() is None]
        web = living[0] if living else self.start("web")
        web.wait_for(f"Listening on {self.url}")
        return web

    def command(self, *words):
        """Run a command to its end beside the site, and give what it printed."""
        done = subprocess.run(
            words, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code):
        return self.command("python", "manage.py", "shell", "--no-imports", "-v", "0", "-c", code)

    def stop(self):
        for program in self.running:
            program.stop()


def emptied_redis():
    """A database of its own on the Redis that TEST_REDIS_URL names."""
    url = service_url("TEST_REDIS_URL").rpartition("/")[0] + "/7"
    with closing(Redis.from_url(url)) as redis:
        redis.flushdb()
    return url
