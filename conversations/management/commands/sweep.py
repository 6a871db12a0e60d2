"""`manage.py sweep`: end what lost its process."""

from typing import Any

from django.core.management.base import BaseCommand

from conversations.leases import sweep


class Command(BaseCommand):
    help = "End generations whose process is gone: their text stays, and what was made of it is charged."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Ended {sweep()}.")
