"""Django's command line, where a broken setting is one sentence and not a report or a traceback."""

import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility
from django.core.management.base import ALL_CHECKS, BaseCommand

from chatsite.checks import check_settings


class CommandLine(ManagementUtility):
    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        if command.requires_system_checks == ALL_CHECKS and "--skip-checks" not in self.argv:
            errors = [str(message.msg) for message in check_settings() if message.is_serious()]
            if errors:
                sys.exit("\n".join(errors))
        return command


def execute(argv: list[str]) -> None:
    """Run the command; a setting that cannot be read ends it with a sentence and status 1."""
    try:
        CommandLine(argv).execute()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
