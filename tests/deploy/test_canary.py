"""A provider's key is nowhere in the clear on PostgreSQL, in Redis, in Celery's messages and in every process."""

import secrets
from base64 import b64encode
from contextlib import closing, contextmanager
from threading import Thread

import psycopg
import pytest
from redis import Redis

from tests.deploy.deployment import Deployment, emptied_redis
from tests.deploy.processes import descendants
from tests.live import bad_upstream
from tests.live.canary_story import DECOY, NOBODY, OWN, TEAM, live, of_processes, sightings, talkative
from tests.site import wait_until

PLACES = ["pages and frames", "the database", "what was printed", "Redis", "command lines", "environments"]
TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
# A message through Redis to the worker, and one that nobody takes.
TASKS = f"""
from billing.tasks import check_ledger
check_ledger.delay()
check_ledger.apply_async(queue="nobody", headers={{"said": "{DECOY}"}})
"""


@pytest.fixture(scope="module")
def bad():
    with bad_upstream.serving() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def haystacks(bad, database, simulator, tmp_path_factory):
    """All that the deployment let anybody see, by PLACES, as pairs of a name and bytes."""
    redis_url = emptied_redis()
    variables = {"REDIS_URL": redis_url, "SIMULATOR_URL": simulator, "PRIVATE_UPSTREAMS": f"{bad.place},{NOBODY}"}
    deployment = Deployment(tmp_path_factory.mktemp("data"), database.url, **variables)
    deployment.set_up()

    def manage(*words, **environment):
        ordinary = deployment.environment
        deployment.environment = ordinary | environment
        try:
            return deployment.command("python", "manage.py", *words)
        finally:
            deployment.environment = ordinary

    with talkative() as talking, overheard(redis_url) as messages:
        worker = deployment.start("worker")
        deployment.start("beat")
        deployment.serving()
        seen, printed = live(deployment.url, manage, tmp_path_factory.mktemp("models") / "models.toml", bad)
        deployment.python(TASKS)
        wait_until(lambda: worker.says("billing.tasks.check_ledger") and "succeeded" in "".join(worker.lines), 20)
        pids = [talking, *(pid for program in deployment.running for pid in family(program))]
        command_lines, environments = of_processes("cmdline", pids), of_processes("environ", pids)
        new_key = b64encode(secrets.token_bytes(32)).decode()
        keys = f"{new_key},{deployment.environment['ENCRYPTION_KEYS']}"
        printed.append(("rotate_encryption_keys", manage("rotate_encryption_keys", ENCRYPTION_KEYS=keys).encode()))
        in_redis = stored(redis_url)
    deployment.stop()
    printed += [("a service", line.encode()) for program in deployment.running for line in program.lines]
    found = (seen, dumped(database), printed, messages + in_redis, command_lines, environments)
    return dict(zip(PLACES, found, strict=True))


def family(program):
    return [program.process.pid, *descendants(program.process.pid)]


def dumped(database):
    """Each table as COPY writes it, binary columns in hex."""
    with closing(psycopg.connect(database.url)) as connection:
        tables = [name for (name,) in connection.execute(TABLES).fetchall()]
        return [(f"the table {table}", copied(connection, table)) for table in tables]


def copied(connection, table):
    with connection.cursor().copy(f"COPY {table} TO STDOUT") as rows:
        return b"".join(bytes(row) for row in rows)


def stored(url):
    with closing(Redis.from_url(url)) as redis:
        return [(f"Redis at {key}", everything(redis, key)) for key in redis.scan_iter()]


def everything(redis, key):
    match redis.type(key):
        case b"list":
            return b"\n".join(redis.lrange(key, 0, -1))
        case b"set":
            return b"\n".join(redis.smembers(key))
        case b"hash":
            return b"\n".join(part for pair in redis.hgetall(key).items() for part in pair)
        case b"zset":
            return b"\n".join(redis.zrange(key, 0, -1))
        case b"string":
            return redis.get(key)
        case kind:
            raise AssertionError(f"{key} is a {kind}")


@contextmanager
def overheard(url):
    """Every command that Redis was sent meanwhile; the list is complete at the end."""
    heard = []
    with closing(Redis.from_url(url)) as redis, redis.monitor() as monitor:

        def listen():
            for command in monitor.listen():
                heard.append(("a command to Redis", str(command["command"]).encode()))
                if command["command"] == "ECHO over":
                    return

        thread = Thread(target=listen, daemon=True)
        thread.start()
        yield heard
        redis.echo("over")
        thread.join(5)


@pytest.mark.parametrize("key", [TEAM, OWN], ids=["the team's", "a member's"])
@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_nowhere_in_the_clear(haystacks, place, key):
    assert sightings(haystacks[place], key) == set()


@pytest.mark.parametrize("place", PLACES)
def test_what_is_said_aloud_is_found(haystacks, place):
    assert sightings(haystacks[place], DECOY)


def test_celerys_messages_were_overheard(haystacks):
    commands = [content for name, content in haystacks["Redis"] if name == "a command to Redis"]
    assert any(b"billing.tasks.check_ledger" in command for command in commands)
