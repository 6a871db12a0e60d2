"""`manage.py rotate_encryption_keys`: after a new first entry in ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.errors import UpstreamUnavailable
from providers.services import rotate_keys


class Command(BaseCommand):
    help = "Encrypt every saved provider key with the first of ENCRYPTION_KEYS. Safe to interrupt and to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            brought = rotate_keys()
        except UpstreamUnavailable as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{brought} keys brought under the first of ENCRYPTION_KEYS; the others can be removed now.")
