"""What must be in order before the site is served: its settings and its tables."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from chatsite.checks import check_settings
from chatsite.refusals import CannotStart


def refuse_broken_settings() -> None:
    """Raise CannotStart with a line for each setting that is wrong."""
    if errors := [str(message.msg) for message in check_settings() if message.is_serious()]:
        raise CannotStart("\n".join(errors))


def refuse_old_tables() -> None:
    """Raise CannotStart where a migration waits: half of a new version would run on half of the old tables."""
    if has_old_tables():
        raise CannotStart("The database is not up to date: run `python manage.py migrate` first.")


def has_old_tables() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
