"""A chat is a tree of messages; a generation is one run of a model that writes one of them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.ids import new_id
from accounts.models import User
from providers.models import Model


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: User) -> "ConversationQuerySet":
        return self.filter(owner=user)

    def recent_first(self) -> "ConversationQuerySet":
        return self.order_by("-touched", "-id")


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    model = models.ForeignKey(Model, models.PROTECT, null=True, blank=True, related_name="+")
    params = models.JSONField(default=dict, blank=True)  # the composer's form as the last turn was sent
    # Where the reader is: the last message of the branch that the page shows.
    leaf = models.ForeignKey("Message", models.SET_NULL, null=True, blank=True, related_name="+")
    created = models.DateTimeField(default=timezone.now)
    touched = models.DateTimeField(default=timezone.now)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(name="conversation_recent", fields=["owner", "-touched", "-id"])]

    def __str__(self) -> str:
        return self.title or "New chat"


class Message(models.Model):
    """One turn's text. `parent` makes the tree: siblings are versions of the same turn."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
    role = models.CharField(max_length=10, choices=Role.choices)
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    html = models.TextField(blank=True)  # the rendered text, made once, when the answer has ended
    reasoning_html = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar[list[str]] = ["created", "id"]
        constraints = [
            models.CheckConstraint(name="message_is_not_its_own_parent", condition=~Q(parent=models.F("id"))),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:40]}"


class GenerationQuerySet(models.QuerySet["Generation"]):
    def with_rows(self) -> "GenerationQuerySet":
        """With all that is needed to tell of it and to run it, so that the event loop never asks the database."""
        return self.select_related("prompt", "answer", "model", "conversation", "user")


class Generation(models.Model):
    """One run of a model. Exactly one finisher moves it out of `queued` or `running`, and moves the money with it."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"
        INTERRUPTED = "interrupted"

    UNFINISHED = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="generations")
    prompt = models.ForeignKey(Message, models.CASCADE, related_name="runs")
    answer = models.OneToOneField(Message, models.CASCADE, related_name="generation")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    client_id = models.UUIDField()
    model = models.ForeignKey(Model, models.PROTECT, related_name="+")
    again = models.BooleanField(default=False)  # another version: the prompt had been answered before
    params = models.JSONField(default=dict)
    route = models.JSONField(default=list)  # the admitted candidates, in order; no secret stands in it
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    process = models.ForeignKey("EngineProcess", models.SET_NULL, null=True, blank=True, related_name="generations")
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    simulated = models.BooleanField(default=False)
    completion_tokens = models.PositiveIntegerField(default=0)  # counted up to the last checkpoint
    reasoning_tokens = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    created = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True, blank=True)
    first_token = models.DateTimeField(null=True, blank=True)
    thought_ms = models.PositiveIntegerField(null=True, blank=True)  # from the first reasoning to the first text
    finished = models.DateTimeField(null=True, blank=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="generation_one_per_client_id", fields=["user", "client_id"]),
            models.UniqueConstraint(
                name="generation_one_unfinished_per_prompt",
                fields=["prompt"],
                condition=Q(status__in=["queued", "running"]),
            ),
            models.CheckConstraint(
                name="generation_finished_has_a_time",
                condition=Q(status__in=["queued", "running"], finished__isnull=True)
                | (~Q(status__in=["queued", "running"]) & Q(finished__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(
                name="generation_unfinished", fields=["created"], condition=Q(status__in=["queued", "running"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.status}"

    @property
    def subject(self) -> str:
        """How the ledger calls this run."""
        return f"generation:{self.pk}"

    @property
    def is_unfinished(self) -> bool:
        return self.status in self.UNFINISHED


class EngineProcess(models.Model):
    """One heartbeat row per process that runs generations; without a beat for a lease it counts as lost."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    started = models.DateTimeField(default=timezone.now)
    beat = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
