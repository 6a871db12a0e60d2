"""The secrets of a new site, written once to a file that only its owner reads. Settings come later: no Django here."""

import fcntl
import os
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chatsite.refusals import writing_to

MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "ENCRYPTION_KEYS": lambda: b64encode(secrets.token_bytes(32)).decode(),
}


def ensure_secrets(data_dir: Path) -> None:
    """Add to `data_dir/env` the secrets that neither it nor the environment has. What stands there stays as it is."""
    wanted = [name for name in MAKERS if name not in os.environ]
    if not wanted:
        return
    with writing_to(data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        with _alone_in(data_dir):
            _add(wanted, data_dir / "env")


def lend_secrets() -> None:
    """Secrets for the life of this process, where it has none: for commands that sign and encrypt nothing."""
    for name, make in MAKERS.items():
        if not os.environ.get(name):
            os.environ[name] = make()


def _add(wanted: list[str], path: Path) -> None:
    text = path.read_text() if path.exists() else ""
    lines = [f"{name}={MAKERS[name]()}\n" for name in wanted if not _has(text, name)]
    if lines:
        _replace(path, text + ("\n" if text and not text.endswith("\n") else "") + "".join(lines))


def _has(text: str, name: str) -> bool:
    return re.search(rf"^(?:export )?{name}=", text, re.MULTILINE) is not None


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two servers that start at once must not make two keys."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    """All of it or nothing, and never readable by others, not even for a moment."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
