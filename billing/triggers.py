"""Keeps the ledger append-only in the database itself. The only module that installs triggers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

TABLES = ("billing_transfer", "billing_usagerecord", "billing_price")

SQLITE = """
CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
POSTGRESQL_ROW = """
CREATE OR REPLACE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
FOR EACH {level} EXECUTE FUNCTION billing_refuse_change()
"""


def verbs(vendor: str) -> tuple[str, ...]:
    return ("update", "delete", "truncate") if vendor == "postgresql" else ("update", "delete")


def names(vendor: str) -> set[str]:
    """The triggers that must be there."""
    return {f"{table}_no_{verb}" for table in TABLES for verb in verbs(vendor)}


def install(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing. An SQLite table that a migration remade has lost its triggers without a word."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FUNCTION.replace("%%", "%"))
        for table in TABLES:
            for verb in verbs(connection.vendor):
                level = "STATEMENT" if verb == "truncate" else "ROW"
                template = POSTGRESQL_ROW if connection.vendor == "postgresql" else SQLITE
                cursor.execute(template.format(table=table, verb=verb, level=level))


def missing(connection: BaseDatabaseWrapper) -> set[str]:
    """Triggers that should be in the database and are not."""
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return names(connection.vendor) - {name for (name,) in cursor.fetchall()}


@contextmanager
def suspended(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Without the triggers, for tests that empty the tables."""
    with connection.cursor() as cursor:
        for table in TABLES:
            for verb in verbs(connection.vendor):
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}{on}")
    try:
        yield
    finally:
        install(connection)


def install_after_migrate(using: str, **kwargs: Any) -> None:
    """The one signal of the project: after every migrate the triggers and the house accounts are there."""
    from billing.models import Account, house_id

    connection = connections[using]
    if not set(TABLES) <= set(connection.introspection.table_names()):
        return
    install(connection)
    for kind in Account.Kind.values:
        if kind != Account.Kind.WALLET:
            Account.objects.using(using).get_or_create(id=house_id(kind), defaults={"kind": kind})
