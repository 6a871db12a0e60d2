"""Finding the programs that the tests need, and saying clearly what is missing."""

import pytest

from tools import programs
from tools.programs import DOCKER, Missing, Program, find, provide

TOOL = Program("The Tool", ("the-tool", "the-tool-too"), "the-tool-package", image="the-tool:1")
PLAIN = Program("Another", ("another",), "another-package")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH with nothing on it but what a test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "LOGS", programs.ROOT / "var" / "test-logs")
    monkeypatch.setattr(programs.os, "geteuid", lambda: 1000)
    return tmp_path


def put(folder, name, script="exit 0"):
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_a_command_on_the_path_that_does_not_run_is_passed_over(path):
    put(path, "the-tool", "exit 127")
    works = put(path, "the-tool-too")

    assert find(TOOL) == works


def test_the_newest_of_several_installed_versions_is_taken(path):
    for version in ("9", "15", "14"):
        (path / version).mkdir()
        put(path / version, "the-tool")

    found = find(Program("The Tool", ("the-tool",), "", places=(f"{path}/*/the-tool",)))

    assert found == f"{path}/15/the-tool"


def test_what_is_missing_is_installed_when_root_may(path, monkeypatch, tmp_path_factory):
    monkeypatch.setattr(programs.os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs, "LOGS", tmp_path_factory.mktemp("logs"))
    monkeypatch.setattr(programs.sys, "platform", "linux")
    another = put(path, "unpacked")
    install = f"if test $1 = install; then echo $* > {path}/said; /bin/mv {another} {path}/another; fi"
    put(path, "apt-get", install)

    assert provide([PLAIN]) == {PLAIN: f"{path}/another"}
    assert (path / "said").read_text() == "install -q -y --no-install-recommends another-package\n"


def test_docker_stands_in_where_nothing_can_be_installed(path):
    put(path, "docker")

    assert provide([TOOL]) == {TOOL: DOCKER}


def test_docker_without_a_daemon_does_not_count(path):
    put(path, "docker", 'test "$1" != info')

    with pytest.raises(Missing):
        provide([TOOL])


def test_one_sentence_names_all_that_is_missing(path):
    with pytest.raises(Missing) as caught:
        provide([TOOL, PLAIN])

    assert str(caught.value) == (
        "The tests need The Tool and Another: install the-tool-package another-package "
        "with your system's package manager, or start Docker."
    )
