"""Django's command line, where a broken setting is one sentence and not a report or a traceback."""

from django.core.management import ManagementUtility
from django.core.management.base import ALL_CHECKS, BaseCommand

from chatsite.ready import refuse_broken_settings


class CommandLine(ManagementUtility):
    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        if command.requires_system_checks == ALL_CHECKS and "--skip-checks" not in self.argv:
            refuse_broken_settings()
        return command
