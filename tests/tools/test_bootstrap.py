"""Setting up from nothing, played through with stand-ins for Python, pip and uv: no network, no real environment."""

import os
import shutil
import subprocess

import pytest

from tools.programs import ROOT

# Does what the bootstrap asks of a Python; $FAKE_LOG hears of it. A copy of itself is the environment's Python.
PYTHON = """#!/bin/sh
echo "$(basename "$0") $*" >> "$FAKE_LOG"
case "$*" in
    *sys.argv*) echo "$3 is Python 3.{minor}"; exit 0 ;;
    "-c from ensurepip import version") exit {no_ensurepip} ;;
    -c*version_info*) test {minor} -ge 11 || exit 1 ;;
esac
case "$*" in
    *"python%d.%d-venv"*) echo python3.11-venv ;;
    "-m venv --without-pip "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit {no_ensurepip} ;;
    "-m pip --version") test {has_pip} = 1 ;;
    "-m pip --python "*" install --require-hashes"*) exit "${{FAKE_PIP_STATUS:-0}}" ;;
    "-m pip --python "*) test {has_pip} = 1 && cp "$FAKE_UV" "$(dirname "$4")/uv" ;;
    "-m pip install uv") test {no_ensurepip} = 0 && cp "$FAKE_UV" "$(dirname "$0")/uv" ;;
    "-m pip "*) exit 1 ;;
esac
"""
UV = '#!/bin/sh\necho "uv $*" >> "$FAKE_LOG"\necho "noise of uv" >&2\nexit "${FAKE_UV_STATUS:-0}"\n'
TOOLS = ("sh", "basename", "cat", "cmp", "cp", "date", "dirname", "find", "grep", "head", "mkdir", "mv", "rm", "touch")


class Machine:
    """A project folder and a PATH that holds the usual commands, and the Pythons a test puts there."""

    def __init__(self, folder):
        self.project, self.bin = folder / "project", folder / "bin"
        (self.project / "tools").mkdir(parents=True)
        (self.project / "requirements").mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "tools" / "bootstrap.sh", self.project / "tools")
        self.list = self.project / "requirements" / "run.txt"
        self.list.write_text("django==5.2 \\\n    --hash=sha256:aa\n")
        for name in TOOLS:
            (self.bin / name).symlink_to(shutil.which(name))
        self.log, self.uv = folder / "log", folder / "uv"
        self.write(self.uv, UV)

    def write(self, file, text):
        file.write_text(text)
        file.chmod(0o755)

    def put_python(self, name="python3", minor=11, ensurepip=True, pip=True):
        script = PYTHON.format(minor=minor, no_ensurepip=0 if ensurepip else 1, has_pip=1 if pip else 0)
        self.write(self.bin / name, script)

    def bootstrap(self, *parts, **env):
        self.log.write_text("")
        return subprocess.run(
            ["sh", "tools/bootstrap.sh", *parts],
            cwd=self.project,
            env={"PATH": str(self.bin), "FAKE_LOG": str(self.log), "FAKE_UV": str(self.uv), **env},
            capture_output=True,
            text=True,
        )

    @property
    def installs(self):
        return self.log.read_text().count(
            "uv pip install --python .venv/bin/python --require-hashes -r requirements/run.txt"
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_fresh_machine_gets_an_environment_and_two_lines_about_it(machine):
    machine.put_python()

    done = machine.bootstrap("run")

    assert (done.returncode, done.stderr, machine.installs) == (0, "", 1)
    first, second = done.stdout.splitlines()
    assert first.startswith("Making .venv … done in ")
    assert second.startswith("Installing dependencies (about 1 packages) … done in ")


def test_the_second_time_does_nothing_and_says_nothing(machine):
    machine.put_python()
    machine.bootstrap("run")

    done = machine.bootstrap("run")

    assert (done.returncode, done.stdout, done.stderr, machine.installs) == (0, "", "", 0)


def test_a_changed_list_is_installed_into_the_same_environment(machine):
    machine.put_python()
    machine.bootstrap("run")
    machine.list.write_text("django==5.3 \\\n    --hash=sha256:bb\n")

    done = machine.bootstrap("run")

    assert (done.returncode, machine.installs) == (0, 1)
    assert "Making" not in done.stdout


def test_an_old_python_is_refused_in_one_sentence(machine):
    machine.put_python("python3", minor=9)

    done = machine.bootstrap("run")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Python 3.11 or newer is needed (python3 is Python 3.9): "
        "install it, or name one with PYTHON=/path/to/python3.11.\n"
    )


def test_no_python_at_all_is_said_in_one_sentence(machine):
    done = machine.bootstrap("run")

    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed (python3 does not run): ")
    assert done.stderr.count("\n") == 1


def test_names_on_the_path_that_do_not_run_are_passed_over(machine):
    machine.write(machine.bin / "python3.13", "#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    machine.put_python("python3.12", minor=12)

    done = machine.bootstrap("run")

    assert (done.returncode, done.stderr) == (0, "")
    assert "python3.12 -m venv .venv" in machine.log.read_text()


def test_the_python_that_is_named_is_taken_or_refused_but_never_replaced(machine):
    machine.put_python("python3.13", minor=13)
    machine.put_python("mine", minor=11)
    machine.put_python("ancient", minor=6)

    assert machine.bootstrap("run", PYTHON="ancient").returncode == 1
    assert machine.bootstrap("run", PYTHON="mine").returncode == 0
    assert "mine -m venv .venv" in machine.log.read_text()


def test_without_ensurepip_the_pip_outside_fills_the_environment(machine):
    machine.put_python(ensurepip=False)

    done = machine.bootstrap("run")

    assert (done.returncode, done.stderr, machine.installs) == (0, "", 1)
    assert "python3 -m pip --python .venv/bin/python install uv" in machine.log.read_text()


def test_without_any_pip_one_sentence_names_the_package(machine):
    machine.put_python(ensurepip=False, pip=False)

    done = machine.bootstrap("run")

    assert done.returncode == 1
    assert done.stderr == (
        "python3 cannot make virtual environments: install the package python3-venv (python3.11-venv) and try again.\n"
    )
    assert not (machine.project / ".venv").exists()


@pytest.mark.parametrize("harm", ["rm .venv/bin/python", "echo 'exit 1' > .venv/bin/python", "touch .venv/unfinished"])
def test_a_broken_environment_is_made_anew(machine, harm):
    machine.put_python()
    machine.bootstrap("run")
    subprocess.run(["sh", "-c", harm], cwd=machine.project, check=True)
    (machine.project / ".venv" / "leftover").touch()
    machine.list.write_text("django==5.3 \\\n    --hash=sha256:bb\n")

    done = machine.bootstrap("run")

    assert (done.returncode, machine.installs) == (0, 1)
    assert not (machine.project / ".venv" / "leftover").exists()


def test_a_stamp_without_its_packages_is_not_believed(machine):
    machine.put_python()
    machine.bootstrap("run")
    broken = PYTHON.replace("case", 'case "$*" in *"import django"*) exit 1 ;; esac\ncase', 1)
    machine.write(machine.project / ".venv" / "bin" / "python", broken.format(minor=11, no_ensurepip=0, has_pip=1))

    done = machine.bootstrap("run")

    assert (done.returncode, machine.installs) == (0, 1)
    assert "Making .venv" in done.stdout


def test_a_failed_installation_shows_what_was_said_and_is_tried_again(machine):
    machine.put_python()

    failed = machine.bootstrap("run", FAKE_UV_STATUS="2", FAKE_PIP_STATUS="1")
    again = machine.bootstrap("run")

    assert failed.returncode == 1
    assert failed.stderr.startswith("noise of uv\n")
    assert (again.returncode, machine.installs) == (0, 1)
    assert "Making" not in again.stdout


def test_where_uv_cannot_install_pip_does_with_the_settings_of_its_user(machine):
    machine.put_python()

    done = machine.bootstrap("run", FAKE_UV_STATUS="2")

    assert (done.returncode, done.stderr) == (0, "")
    install = "python3 -m pip --python .venv/bin/python install --require-hashes -r requirements/run.txt"
    assert install in machine.log.read_text()


def test_static_files_are_collected_when_a_source_is_newer(machine):
    machine.put_python()
    sources = [machine.project / "static" / "app.css", machine.project / "chatsite" / "settings.py"]
    for source in sources:
        source.parent.mkdir()
        source.touch()
    machine.bootstrap("run", "static")
    (machine.project / "var" / "static").mkdir()

    assert machine.bootstrap("run", "static").stdout == ""
    later = (machine.project / "var" / "static.stamp").stat().st_mtime + 1
    os.utime(sources[0], (later, later))
    assert machine.bootstrap("run", "static").stdout.startswith("Collecting static files … done in ")
    assert "python manage.py collectstatic --noinput" in machine.log.read_text()
