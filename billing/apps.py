"""The billing app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing.triggers import install_after_migrate

        post_migrate.connect(install_after_migrate, sender=self)
