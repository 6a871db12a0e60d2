"""`manage.py apply FILE.toml`: deployments, prices and keys from a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from panel.catalog import SHIPPED, apply
from panel.catalog_file import CatalogError, read


class Command(BaseCommand):
    """Declare deployments, their prices and their keys in a file; applying it again changes nothing.

    Your own file is the truth about what it names: a deployment is found by model, dialect, base_url and
    upstream_model and brought in line; what the file leaves out (an optional field, another deployment) stays as it
    is. A model that came with the site and has no key yet takes over your address instead of standing beside it.
    A price that differs becomes a new version. A key_env that is not set in the environment is an error; a key that
    differs replaces the team's keys of that deployment.

    The shipped catalogue only creates what is missing, so that what an admin has changed since (on or off, order,
    address, price, key) survives every start. A deployment that exists is never touched, except that one without a key
    gets the key whose variable is set: to be rid of a key, remove it from the environment as well.

    Everything is one transaction: an error leaves nothing half done.
    """

    help = "Declare deployments, their prices and their keys in a TOML file. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="panel/catalog.toml shows the format")
        parser.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")

    def handle(self, *, file: Path, dry_run: bool, **options: Any) -> None:
        try:
            lines = apply(read(file), shipped=file.resolve() == SHIPPED, dry_run=dry_run)
        except (CatalogError, ImproperlyConfigured) as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        for line in lines:
            self.stdout.write(str(line))
        self.stdout.write("Nothing was changed: this was a dry run." if dry_run else f"{len(lines)} lines, applied.")
