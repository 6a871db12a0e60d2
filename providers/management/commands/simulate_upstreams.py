"""`manage.py simulate_upstreams`: the simulated upstream, a test peer for demos, tests and benchmarks."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.simulator import process


class Command(BaseCommand):
    """Starts without a database and without checks: it is only a socket and some prose."""

    help = "Speak the four documented model APIs on the loopback. A test peer: no model answers."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        process.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        process.leave_quietly()
        try:
            listener = process.listen(port=options["port"], fd=options["fd"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        process.run(listener, with_parent=options["with_parent"], announce=self._announce)

    def _announce(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
