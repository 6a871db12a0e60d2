"""The simulated upstream as a process: how it starts and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import suppress

import pytest

from .peer import COMMAND, ROOT, Peer, running, wait_until


def is_up(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly_even_while_it_is_talking(number):
    with running("--port", "0", stderr=subprocess.PIPE) as (process, port):
        with Peer(port).open_stream("[[length=5000 speed=50]]") as client:
            client.recv(100)
            process.send_signal(number)
            out, errors = process.communicate(timeout=3)
        assert (process.returncode, out, errors) == (0, "", "")


def test_it_ends_with_the_standard_input():
    with running("--port", "0", "--with-parent", stderr=subprocess.PIPE) as (process, port):
        _, errors = process.communicate(timeout=3)
        assert (process.returncode, errors, is_up(port)) == (0, "", False)


def test_without_a_parent_to_watch_it_outlives_its_standard_input():
    with running("--port", "0") as (process, port):
        process.stdin.close()
        time.sleep(0.2)
        assert is_up(port)


PARENT = textwrap.dedent(
    """
    import subprocess, sys, time
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
    print(child.pid, flush=True)
    time.sleep(60)
    """
)


def test_it_is_gone_within_a_second_of_its_parents_violent_death():
    command = [sys.executable, "-c", PARENT, *COMMAND, "--port", "0", "--with-parent"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        port = int(parent.stdout.readline().rpartition(":")[2])
        with Peer(port).open_stream("[[length=5000 speed=50]]") as client:
            client.recv(100)
            parent.kill()
            try:
                wait_until(lambda: not is_up(port), seconds=1)
            finally:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)


def test_it_serves_an_inherited_socket():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with running("--fd", str(listener.fileno()), pass_fds=[listener.fileno()]) as (_, announced):
            assert announced == port
            assert Peer(port).chat("Hi [[length=1]]").status == 200


def test_it_listens_on_one_address_only():
    with running("--port", "0") as (_, port), pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), timeout=1).close()


def test_it_serves_the_loopback_only():
    with socket.create_server(("0.0.0.0", 0)) as listener:
        process = subprocess.run(
            [*COMMAND, "--fd", str(listener.fileno())],
            cwd=ROOT, pass_fds=[listener.fileno()], capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    assert process.returncode == 2
    assert "loopback only" in process.stderr


def test_a_taken_port_is_named_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [*COMMAND, "--port", str(listener.getsockname()[1])]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=5, check=False)
    assert (process.returncode, "Address already in use" in process.stderr) == (2, True)
    assert "Traceback" not in process.stderr


def test_the_command_of_the_project_starts_it_without_a_database():
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": "postgres://x@127.0.0.1:1/x",
    }
    command = [sys.executable, "manage.py", "simulate_upstreams", "--port", "0", "--with-parent"]
    with running(command=command, env=environment) as (process, port):
        assert Peer(port).segmind("Hi [[length=1]]").status == 200
        process.stdin.close()
        assert process.wait(timeout=3) == 0


def test_its_wire_code_shares_nothing_with_the_rest_of_the_project():
    code = "import sys, providers.simulator.server; print(*sorted(sys.modules))"
    modules = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    ours = [name for name in modules if name.startswith("providers.") and not name.startswith("providers.simulator")]
    assert (ours, [name for name in modules if name.startswith("django")]) == ([], [])
