"""What can be asked (Model), where it is served (Deployment), with whose key (UpstreamKey), and how that went."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.ids import new_id
from accounts.models import Group, User
from providers import dialects


def dialect_choices() -> list[tuple[str, str]]:
    """The wire formats there are: whoever adds one adds a file, not a migration."""
    return [(dialect.NAME, dialect.TITLE) for dialect in dialects.DIALECTS.values()]


class ModelQuerySet(models.QuerySet["Model"]):
    def usable_by(self, user: User) -> "ModelQuerySet":
        """The enabled models that are open to everybody, or to a group of this person."""
        closed = Model.groups.through.objects.values("model")
        theirs = closed.filter(group__members=user)
        return self.filter(~Q(pk__in=closed) | Q(pk__in=theirs), enabled=True)


class Model(models.Model):
    """What people choose: one public name, served by one or more deployments."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField("public name", max_length=120, unique=True)
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    dialect = models.CharField(
        max_length=16, choices=dialect_choices, help_text="Whose parameters the chat and the model's page show."
    )
    thinks = models.BooleanField(default=False, help_text="Can show its reasoning.")
    uses_tools = models.BooleanField(default=False, help_text="Can ask for tools.")
    writes_json = models.BooleanField("writes JSON", default=False, help_text="Can be held to JSON.")
    position = models.PositiveIntegerField(default=0, help_text="Lower comes first in the picker.")
    enabled = models.BooleanField(default=True)
    groups = models.ManyToManyField(
        Group, blank=True, related_name="models", help_text="Who may use it. None chosen: everybody."
    )
    dearer_fallback = models.BooleanField(
        default=False, help_text="When its first deployment fails, go on to one that costs more, too."
    )

    objects = ModelQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "name"]
        constraints = [models.CheckConstraint(name="model_has_a_name", condition=~Q(name=""))]

    def __str__(self) -> str:
        return self.name

    @property
    def abilities(self) -> list[str]:
        """What it can do besides writing, in the words of a catalogue."""
        able = {"thinking": self.thinks, "tools": self.uses_tools, "json": self.writes_json}
        return [name for name, can in able.items() if can]


def rests_for_a_reason(name: str) -> models.CheckConstraint:
    awake = Q(resting_until__isnull=True, rest="")
    return models.CheckConstraint(name=name, condition=awake | (Q(resting_until__isnull=False) & ~Q(rest="")))


class Resting(models.Model):
    """What is called with some patience: after it failed it is left alone for a while, longer each time."""

    class Rest(models.TextChoices):
        ASKED = "asked", "The provider asked for a pause"
        FAILED = "failed", "It failed just now"

    resting_until = models.DateTimeField(null=True, blank=True, editable=False)
    rest = models.CharField(max_length=8, choices=Rest.choices, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    last_problem = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        abstract = True

    def is_resting(self, now: datetime) -> bool:
        return self.resting_until is not None and self.resting_until > now


class Deployment(Resting):
    """One place that serves a model: a dialect, a host, the name the model has there, and its limits."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model = models.ForeignKey(Model, models.PROTECT, related_name="deployments")
    dialect = models.CharField(max_length=16, choices=dialect_choices)
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
    needs_key = models.BooleanField(
        default=True, help_text="Off: a server that asks for no key, as one on your own machine may."
    )
    drops_unsupported = models.BooleanField(
        "drops what it lacks",
        default=False,
        help_text="Leave out parameters that this upstream lacks, and say so, instead of refusing the request.",
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
            rests_for_a_reason("deployment_rests_for_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} at {self.get_dialect_display()}"


class UpstreamKey(Resting):
    """A key for one deployment's host, of the team (no owner) or of one member. Only its ciphertext is stored.

    `host` is where the key may go: a deployment that moves to another host asks for its key again. `credits` is what
    the provider said is left on it, where it says so.
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
    credits = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "provider key"
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
            rests_for_a_reason("upstream_key_rests_for_a_reason"),
        ]

    def __str__(self) -> str:
        return f"…{self.last_four} for {self.deployment}"


class Observation(models.Model):
    """How one call or probe of a deployment went. Kept for a day; `providers.health` reads the last minutes."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="observations")
    at = models.DateTimeField(default=timezone.now)
    probe = models.BooleanField(default=False)
    ok = models.BooleanField()
    latency_ms = models.PositiveIntegerField(null=True)  # to the first token; of a probe: to its answer
    problem = models.CharField(max_length=300, blank=True)  # in words, for everybody

    class Meta:
        indexes = [models.Index(name="observation_recent", fields=["deployment", "-at"])]
        constraints = [
            models.CheckConstraint(name="observation_failed_for_a_reason", condition=Q(ok=True) | ~Q(problem=""))
        ]

    def __str__(self) -> str:
        return f"{self.deployment} {'ok' if self.ok else self.problem}"
