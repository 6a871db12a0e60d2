"""What can be asked (Model), where it is served (Deployment), with whose key (UpstreamKey); no price, no rights."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.ids import new_id


class Dialect(models.TextChoices):
    EIGENAI = "eigenai", "EigenAI"
    THINKING = "thinking", "Thinking API"
    SEGMIND = "segmind", "Segmind"
    DEEPINFRA = "deepinfra", "DeepInfra"
    OPENAI = "openai", "OpenAI-compatible"


class Model(models.Model):
    """What people choose: one public name, served by one or more deployments."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField("public name", max_length=120, unique=True)
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    dialect = models.CharField(
        max_length=16, choices=Dialect.choices, help_text="Whose parameters the chat and the model's page show."
    )
    thinks = models.BooleanField(default=False, help_text="Can show its reasoning.")
    position = models.PositiveIntegerField(default=0, help_text="Lower comes first in the picker.")
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "name"]
        constraints = [models.CheckConstraint(name="model_has_a_name", condition=~Q(name=""))]

    def __str__(self) -> str:
        return self.name


class Deployment(models.Model):
    """One place that serves a model: a dialect, a host, the name the model has there, and its limits."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model = models.ForeignKey(Model, models.PROTECT, related_name="deployments")
    dialect = models.CharField(max_length=16, choices=Dialect.choices)
    base_url = models.URLField(
        "base address", max_length=300, help_text="Scheme and host; OpenAI-compatible: up to /v1."
    )
    upstream_model = models.CharField("name there", max_length=200)
    context_window = models.PositiveIntegerField(help_text="Tokens of prompt and answer together.")
    max_output = models.PositiveIntegerField(help_text="Most tokens of one answer, reasoning included.")
    position = models.PositiveIntegerField(default=0, help_text="Lower is tried first.")
    enabled = models.BooleanField(default=True)
    documented = models.BooleanField(
        default=False,
        help_text="Comes with the shipped catalogue; served by the simulated upstream until it has a key.",
    )
    connect_timeout = models.PositiveIntegerField(default=5, help_text="Seconds.")
    first_token_timeout = models.PositiveIntegerField(default=60, help_text="Seconds until the answer begins.")
    silence_timeout = models.PositiveIntegerField(default=60, help_text="Longest silence within an answer, in seconds.")

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                name="deployment_is_listed_once", fields=["model", "dialect", "base_url", "upstream_model"]
            ),
            models.CheckConstraint(
                name="deployment_output_fits_its_context",
                condition=Q(max_output__gt=0, max_output__lte=F("context_window")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} at {self.get_dialect_display()}"


class UpstreamKey(models.Model):
    """A key for one deployment's host, of the team (no owner) or of one member. Only its ciphertext is stored.

    `host` is where the key may go: a deployment that moves to another host asks for its key again.
    """

    class State(models.TextChoices):
        GOOD = "good", "In use"
        REFUSED = "refused", "Refused by the provider"
        BROKE = "broke", "Out of credit at the provider"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="keys")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="upstream_keys"
    )
    host = models.CharField(max_length=300, editable=False)
    ciphertext = models.BinaryField(editable=False)
    encrypted_with = models.CharField(max_length=16, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    fingerprint = models.CharField(max_length=16, editable=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.GOOD)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="upstream_key_one_per_member_and_deployment",
                fields=["deployment", "owner"],
                condition=Q(owner__isnull=False),
            ),
            models.UniqueConstraint(
                name="upstream_key_is_saved_once_for_the_team",
                fields=["deployment", "fingerprint"],
                condition=Q(owner__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"…{self.last_four} for {self.deployment}"
