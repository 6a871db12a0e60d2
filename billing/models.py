"""The ledger's rows. Every amount is a whole number of nanocredits; `docs/ledger.md` has the rules in words."""

from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.ids import new_id
from billing.money import LIMIT
from providers.models import Deployment


class Account(models.Model):
    """Where credits are: a person's wallet, or a house account (which caches nothing)."""

    class Kind(models.TextChoices):
        WALLET = "wallet"
        GRANTS = "grants"
        USAGE = "usage"
        WRITE_OFF = "write_off"
        OPERATIONS = "operations"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="wallet")
    posted = models.BigIntegerField(default=0)  # what the transfers add up to
    held = models.BigIntegerField(default=0)  # the part of it promised to open holds

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="account_wallet_has_one_owner",
                condition=Q(kind="wallet", user__isnull=False) | (~Q(kind="wallet") & Q(user__isnull=True)),
            ),
            models.CheckConstraint(
                name="account_holds_are_covered", condition=Q(held__gte=0, posted__gte=F("held"), posted__lt=LIMIT)
            ),
            models.UniqueConstraint(
                name="account_one_house_account_per_kind", fields=["kind"], condition=~Q(kind="wallet")
            ),
        ]

    def __str__(self) -> str:
        return f"wallet of {self.user}" if self.user else self.get_kind_display()

    @property
    def available(self) -> int:
        """Nanocredits that can be promised now."""
        return self.posted - self.held


def house_id(kind: str) -> UUID:
    """The id of a house account: the same in every database, so that no statement has to look it up."""
    return uuid5(NAMESPACE_URL, f"chatsite:account:{kind}")


class Price(models.Model):
    """One version of what a deployment costs, in nanocredits per million tokens. Never edited."""

    class Source(models.TextChoices):
        DOCUMENTED = "documented", "documented by the provider"
        ADMIN = "admin", "set by an admin"
        DEMO = "demo", "for the simulated upstream only"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="prices")
    input = models.BigIntegerField()
    output = models.BigIntegerField()
    cached_input = models.BigIntegerField(null=True, blank=True)
    reasoning = models.BigIntegerField(null=True, blank=True)
    effective_from = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.ADMIN)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering: ClassVar[list[str]] = ["-effective_from", "-id"]
        constraints = [
            models.CheckConstraint(
                name="price_is_not_negative",
                condition=Q(input__gte=0, output__gte=0)
                & (Q(cached_input__isnull=True) | Q(cached_input__gte=0))
                & (Q(reasoning__isnull=True) | Q(reasoning__gte=0)),
            ),
            models.CheckConstraint(
                name="price_is_bounded",
                condition=Q(input__lt=LIMIT, output__lt=LIMIT)
                & (Q(cached_input__isnull=True) | Q(cached_input__lt=LIMIT))
                & (Q(reasoning__isnull=True) | Q(reasoning__lt=LIMIT)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.deployment}, from {self.effective_from:%Y-%m-%d}"


class Transfer(models.Model):
    """Credits moved, once, from one account to another. Never updated, never deleted."""

    class Kind(models.TextChoices):
        GRANT = "grant"
        TOP_UP = "top_up"
        REDEMPTION = "redemption"
        CHARGE = "charge"
        REFUND = "refund"
        ADJUSTMENT = "adjustment"
        WRITE_OFF = "write_off"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    debit = models.ForeignKey(Account, models.PROTECT, related_name="debits")
    credit = models.ForeignKey(Account, models.PROTECT, related_name="credits")
    amount = models.BigIntegerField()
    subject = models.CharField(max_length=80)
    key = models.CharField(max_length=120, unique=True)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(name="transfer_amount_is_positive", condition=Q(amount__gt=0, amount__lt=LIMIT)),
            models.CheckConstraint(name="transfer_has_two_sides", condition=~Q(debit=F("credit"))),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class Hold(models.Model):
    """A promise of at most `amount` to one admitted request. It leaves `open` once."""

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        VOIDED = "voided"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="holds")
    subject = models.CharField(max_length=80, unique=True)
    amount = models.BigIntegerField()
    settled = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    # What each candidate costs, as it was when the hold was placed: {deployment id: {version, input, output, …}}.
    prices = models.JSONField(default=dict)
    prompt_tokens = models.BigIntegerField(default=0)  # counted by us, before the request was sent
    most_completion_tokens = models.BigIntegerField(default=0)  # what was asked of the upstream at most
    own_key = models.BooleanField(default=False)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(name="hold_amount_is_not_negative", condition=Q(amount__gte=0, amount__lt=LIMIT)),
            models.CheckConstraint(
                name="hold_settles_within_its_amount", condition=Q(settled__gte=0, settled__lte=F("amount"))
            ),
            models.CheckConstraint(name="hold_charges_only_when_settled", condition=Q(state="settled") | Q(settled=0)),
        ]
        indexes = [models.Index(name="hold_open", fields=["wallet"], condition=Q(state="open"))]

    def __str__(self) -> str:
        return self.subject


class UsageRecord(models.Model):
    """What one admitted request used and cost: written once, when its hold closes, and never changed."""

    class Outcome(models.TextChoices):
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"
        INTERRUPTED = "interrupted"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    hold = models.OneToOneField(Hold, models.PROTECT, related_name="usage")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    subject = models.CharField(max_length=80)
    purpose = models.CharField(max_length=12)
    model_name = models.CharField(max_length=120)
    deployment = models.ForeignKey(Deployment, models.PROTECT, null=True, blank=True, related_name="+")
    price = models.ForeignKey(Price, models.PROTECT, null=True, blank=True, related_name="+")
    own_key = models.BooleanField(default=False)
    simulated = models.BooleanField(default=False)
    attempts = models.JSONField(default=list)
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    source = models.CharField(max_length=8, default="counted")
    raw_usage = models.JSONField(null=True, blank=True)
    upstream_cost = models.DecimalField(max_digits=24, decimal_places=12, null=True, blank=True)
    charge = models.BigIntegerField(default=0)
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created"]
        constraints = [
            models.CheckConstraint(
                name="usage_counts_are_consistent",
                condition=Q(
                    prompt_tokens__gte=0,
                    completion_tokens__gte=F("reasoning_tokens"),
                    reasoning_tokens__gte=0,
                    cached_tokens__gte=0,
                    cached_tokens__lte=F("prompt_tokens"),
                    charge__gte=0,
                ),
            ),
            models.CheckConstraint(name="usage_source_is_known", condition=Q(source__in=["reported", "counted"])),
        ]
        indexes = [
            models.Index(name="usage_of_a_user", fields=["user", "-created"]),
            models.Index(name="usage_of_a_user_and_model", fields=["user", "model_name", "-created"]),
        ]

    def __str__(self) -> str:
        return self.subject
