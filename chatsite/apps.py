"""The project as an app: its system checks, and Celery where there is a Redis."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class ChatsiteConfig(AppConfig):
    name = "chatsite"

    def ready(self) -> None:
        import_module("chatsite.checks")
        if settings.REDIS_URL:
            # Before anything is enqueued; embedded, nothing is, and the first page need not wait for the import.
            import_module("chatsite.celery")
