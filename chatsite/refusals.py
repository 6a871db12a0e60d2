"""Why the site does not start: a sentence for the operator and status 1, instead of a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


class CannotStart(Exception):
    """Something that the operator has to change, not the code; the text is one sentence that says what."""


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Say which folder it is that cannot be used."""
    try:
        yield
    except OSError as error:
        raise CannotStart(f"DATA_DIR is {folder}, which cannot be used: {error.strerror}.") from error


@contextmanager
def in_sentences() -> Iterator[None]:
    """End the process with a sentence where a setting or the machine is what is wrong."""
    try:
        yield
    except Exception as error:
        sentence = sentence_about(error)
        if sentence is None:
            raise
        sys.exit(sentence)


def sentence_about(error: Exception) -> str | None:
    """The sentence; None for an error that is not the operator's."""
    # Only when something is wrong: settings that cannot be read must not need a database's driver to say so.
    import psycopg
    from django.db import OperationalError

    if isinstance(error, CannotStart | ImproperlyConfigured):
        return str(error)
    if isinstance(error, OperationalError | psycopg.OperationalError):
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        return f"The database cannot be used: {reason}. Look at DATABASE_URL."
    return None
