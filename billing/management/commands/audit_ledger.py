"""`manage.py audit_ledger`: is the ledger sound?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from billing.audit import audit


class Command(BaseCommand):
    help = "Check every invariant of the ledger. Exits 1 and names what is broken, if anything is."

    def handle(self, *args: Any, **options: Any) -> None:
        problems = audit()
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            sys.exit(1)
        self.stdout.write("The ledger is sound.")
