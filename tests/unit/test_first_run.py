"""The secrets that the first run writes."""

import errno
import fcntl
import os
import re
import stat
import threading
from base64 import b64decode
from pathlib import Path

import environ
import pytest

from chatsite.first_run import ensure_secrets, lend_secrets
from chatsite.refusals import CannotStart


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.delenv("ENCRYPTION_KEYS")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "var"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def read(folder):
    return dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())


def test_a_new_site_gets_both_secrets(folder):
    ensure_secrets(folder)

    secrets = read(folder)
    assert secrets.keys() == {"SECRET_KEY", "ENCRYPTION_KEYS"}
    assert len(secrets["SECRET_KEY"]) == 64
    assert len(b64decode(secrets["ENCRYPTION_KEYS"], validate=True)) == 32


def test_only_the_owner_reads_them(folder):
    before = os.umask(0)
    try:
        ensure_secrets(folder)
    finally:
        os.umask(before)

    assert (mode(folder), mode(folder / "env")) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == ["env"]


def test_a_folder_and_a_file_that_others_could_read_are_closed(folder):
    folder.mkdir(parents=True, mode=0o755)
    (folder / "env").write_text("PORT=9000\n")
    (folder / "env").chmod(0o644)

    ensure_secrets(folder)

    assert (mode(folder), mode(folder / "env")) == (0o700, 0o600)


def test_a_second_run_changes_nothing(folder):
    ensure_secrets(folder)
    before = (folder / "env").read_text()

    ensure_secrets(folder)

    assert (folder / "env").read_text() == before


def test_what_somebody_wrote_stays_and_only_what_is_missing_is_added(folder):
    folder.mkdir(parents=True)
    (folder / "env").write_text("# ours\nPORT=9000\nSECRET_KEY=chosen-by-hand")

    ensure_secrets(folder)

    text = (folder / "env").read_text()
    assert re.fullmatch(r"# ours\nPORT=9000\nSECRET_KEY=chosen-by-hand\nENCRYPTION_KEYS=[\w+/]{43}=\n", text)


def test_a_secret_of_the_environment_is_not_written(folder, monkeypatch):
    monkeypatch.setenv("ENCRYPTION_KEYS", "from-the-environment")

    ensure_secrets(folder)

    assert read(folder).keys() == {"SECRET_KEY"}


def test_with_both_in_the_environment_nothing_is_touched(folder, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "given")
    monkeypatch.setenv("ENCRYPTION_KEYS", "given")

    ensure_secrets(folder)

    assert not folder.exists()


def test_the_settings_read_back_what_was_written(folder):
    ensure_secrets(folder)

    environ.Env.read_env(folder / "env")

    assert {name: os.environ[name] for name in ("SECRET_KEY", "ENCRYPTION_KEYS")} == read(folder)


def test_a_server_that_starts_at_the_same_time_waits_for_the_secrets_of_the_other(folder):
    folder.mkdir(parents=True)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    start = threading.Thread(target=ensure_secrets, args=(folder,))
    start.start()
    start.join(0.2)
    assert start.is_alive()

    (folder / "env").write_text("SECRET_KEY=theirs\nENCRYPTION_KEYS=theirs\n")
    os.close(other)
    start.join(10)

    assert (folder / "env").read_text() == "SECRET_KEY=theirs\nENCRYPTION_KEYS=theirs\n"


def test_lent_secrets_are_good_for_this_process_and_written_nowhere(folder, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    monkeypatch.setenv("SECRET_KEY", "given")

    lend_secrets()

    assert os.environ["SECRET_KEY"] == "given"
    assert len(b64decode(os.environ["ENCRYPTION_KEYS"], validate=True)) == 32
    assert list(folder.parent.parent.iterdir()) == []


def test_a_folder_of_somebody_else_is_named_in_a_sentence(folder, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "chmod", refuse)

    with pytest.raises(CannotStart, match=f"^DATA_DIR is {folder}, which cannot be used: Operation not permitted.$"):
        ensure_secrets(folder)
