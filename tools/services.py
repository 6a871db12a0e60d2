"""A private PostgreSQL and Redis for as long as a command lasts: python tools/services.py --exec COMMAND …"""

import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for when this file is started by its path
from tools.programs import DOCKER, POSTGRES, REDIS, Missing, provide

NAME = "chatsite"  # of the database and of its superuser
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
START_LIMIT = 60.0


class NotStarted(Exception):
    """A service ended or stayed silent while it was starting."""


@dataclass(frozen=True)
class Service:
    name: str
    command: list[str]
    port: int
    answers: Callable[[int], bool]


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Start both services; yields the variables that lead to them.

    A keeper in a session of its own starts them and reads a pipe that only this process holds: at its end, also
    when this process was killed, the keeper stops both and deletes their folder.
    """
    paths = provide([POSTGRES, REDIS])
    keeper = subprocess.Popen(
        [sys.executable, __file__, "--keep", paths[POSTGRES], paths[REDIS]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert keeper.stdin and keeper.stdout  # noqa: S101 - for the type checker
    with keeper.stdin, keeper.stdout:
        try:
            line = keeper.stdout.readline()
            if not line:
                raise NotStarted("PostgreSQL and Redis did not start.")
            yield json.loads(line)
        finally:
            keeper.stdin.close()
            keeper.wait()


def keep(postgres: str, redis: str) -> None:
    """The keeper: start, tell the addresses, wait for the end of the pipe, stop and clean up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if postgres != DOCKER:
        _drop_root()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="chatsite-services-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        os.chdir(folder)
        plan = [_postgres(postgres), _redis(redis)]
        for service in plan:
            process = _launch(service)
            stack.callback(_stop, process)
            _wait_until_it_answers(service, process)
        if postgres != DOCKER:
            _run(_beside(postgres, "createdb"), "-h", "127.0.0.1", "-p", str(plan[0].port), "-U", NAME, NAME)
        print(json.dumps(_addresses(plan[0].port, plan[1].port)), flush=True)
        sys.stdin.read()


def execute(command: list[str]) -> int:
    """Run the command with both services; returns its exit status."""
    # The terminal sends Ctrl-C to the command as well: it decides, and this process cleans up after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with services() as variables:
        env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"} | variables
        child = subprocess.Popen(command, env=env, preexec_fn=_hear_ctrl_c)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        return child.wait()


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _addresses(postgres: int, redis: int) -> dict[str, str]:
    database = f"postgres://{NAME}@127.0.0.1:{postgres}/{NAME}"
    return {
        "DATABASE_URL": database,
        "TEST_POSTGRES_URL": database,
        "TEST_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
    }


def _drop_root() -> None:
    """PostgreSQL refuses to run as root. From here on, nothing new can be imported: it may lie below /root."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody")
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def _postgres(path: str) -> Service:
    port = _free_port()
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    if path == DOCKER:
        variables = {"POSTGRES_USER": NAME, "POSTGRES_DB": NAME, "POSTGRES_HOST_AUTH_METHOD": "trust"}
        options = [f"--env={name}={value}" for name, value in variables.items()]
        return Service(
            "postgres", [*_container(port, 5432), *options, POSTGRES.image, *settings], port, _postgres_answers
        )
    options = ["--no-sync", "--auth=trust", "--no-locale", "--encoding=UTF8", f"--username={NAME}"]
    _run(_beside(path, "initdb"), *options, "--pgdata=data")
    where = ["-D", "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    return Service("postgres", [path, *where, *settings], port, _postgres_answers)


def _redis(path: str) -> Service:
    port, settings = _free_port(), ["--save", "", "--appendonly", "no"]
    if path == DOCKER:
        return Service("redis", [*_container(port, 6379), REDIS.image, "redis-server", *settings], port, _redis_answers)
    return Service("redis", [path, "--bind", "127.0.0.1", "--port", str(port), *settings], port, _redis_answers)


def _container(port: int, inner: int) -> list[str]:
    return [DOCKER, "run", "--rm", f"--publish=127.0.0.1:{port}:{inner}"]


def _launch(service: Service) -> subprocess.Popen[bytes]:
    with Path(f"{service.name}.log").open("wb") as log:
        return subprocess.Popen(service.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait_until_it_answers(service: Service, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_LIMIT
    while not service.answers(service.port):
        if process.poll() is not None or time.monotonic() > limit:
            log = Path(f"{service.name}.log").read_text(errors="replace")
            raise NotStarted(f"{' '.join(service.command)} did not start:\n{log}")
        time.sleep(0.05)


def _postgres_answers(port: int) -> bool:
    """Whether a connection is let in (R): a server that is still starting answers with an error (E)."""
    words = f"user\0{NAME}\0database\0postgres\0\0".encode()
    return _answer(port, struct.pack("!ii", len(words) + 8, 196608) + words).startswith(b"R")


def _redis_answers(port: int) -> bool:
    return _answer(port, b"PING\r\n").startswith(b"+PONG")


def _answer(port: int, question: bytes) -> bytes:
    with socket.socket() as connection:
        connection.settimeout(2)
        try:
            connection.connect(("127.0.0.1", port))
            connection.sendall(question)
            return connection.recv(64)
        except OSError:
            return b""


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: it does not wait for its clients
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotStarted(f"{command[0]} failed: {done.stdout}{done.stderr}")


def _beside(path: str, name: str) -> str:
    """PostgreSQL's commands lie next to the server, behind the links that a PATH may hold."""
    return str(Path(path).resolve().with_name(name))


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str]) -> int:
    match arguments:
        case ["--keep", postgres, redis]:
            keep(postgres, redis)
            return 0
        case ["--exec", program, *rest]:
            return execute([program, *rest])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Missing, NotStarted) as problem:
        sys.exit(str(problem))
