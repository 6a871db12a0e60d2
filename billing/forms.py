"""Credits as people type them, in the admin."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.utils import timezone

from accounts.models import User
from billing.money import plain, to_nano
from billing.prices import Change
from billing.pricing import Rates
from providers.models import Deployment


class CreditsField(forms.Field):
    """A decimal number of credits; its value is nanocredits, or None when it is empty."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "maxlength": "30"})
        super().__init__(**{"widget": widget, **options})

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            nano = to_nano(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        if nano < 0:
            raise forms.ValidationError("This is not negative.")
        return nano

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, int) else value


class RateField(CreditsField):
    """A price in credits per million tokens; its value is nanocredits per million tokens."""

    MOST = 1_000_000  # a credit a token: the dearest long answer is still an amount that a wallet can hold
    ALLOWED = "Write 0 to 1,000,000 credits per million tokens as plain digits with a point and at most nine decimals."

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        # Stricter than Decimal, which also reads 1e30, NaN, 1_0, and rounds what is longer than 28 digits.
        if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,9})?", text) or Decimal(text) > self.MOST:
            raise forms.ValidationError(f"“{text[:40]}” is no price. {self.ALLOWED}")
        return to_nano(text)


class PriceForm(forms.Form):
    """A version that is asked for. `change` is what it comes to, once the form is valid."""

    deployment = forms.ModelChoiceField(
        Deployment.objects.select_related("model").order_by("model__position", "model__name", "position", "id"),
        error_messages={"required": "Choose a deployment.", "invalid_choice": "This deployment is not there any more."},
    )
    input = RateField(label="Input", help_text="Credits per million tokens.")
    output = RateField(label="Output", help_text="Credits per million tokens.")
    cached_input = RateField(label="Cached input", required=False, help_text="Empty: as input.")
    reasoning = RateField(label="Reasoning", required=False, help_text="Empty: as output.")
    effective_from = forms.DateTimeField(
        required=False,
        label="From",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Write a moment like 2026-12-01 09:00, or leave it empty for at once."},
    )
    reason = forms.CharField(max_length=300, widget=forms.TextInput(attrs={"class": "vTextField"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["effective_from"].help_text = f"Empty: at once. Otherwise a future moment, {zone} time."

    def clean_effective_from(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["effective_from"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError(
                "This moment is over, and what was charged stays charged. "
                "Choose a future one, or leave it empty for at once."
            )
        if moment and moment > timezone.now() + timedelta(days=366):
            raise forms.ValidationError("Choose a moment within a year.")
        return moment

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and self.change().changes_nothing():
            raise forms.ValidationError("This is the price at that time already: there is nothing to change.")
        return cleaned

    def change(self) -> Change:
        wish = self.cleaned_data
        rates = Rates("", wish["input"], wish["output"], wish["cached_input"], wish["reasoning"])
        return Change(wish["deployment"], rates, wish["effective_from"])


class UndoForm(forms.Form):
    """Why a version is undone or withdrawn."""

    reason = forms.CharField(max_length=300, widget=forms.TextInput(attrs={"class": "vTextField"}))


class GrantForm(forms.Form):
    """Who gets how much, and why. `key` makes a second submit the same grant."""

    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        to_field_name="email",
        label="To",
        widget=forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        error_messages={"invalid_choice": "Nobody who can sign in has this e-mail address."},
    )
    amount = CreditsField(label="Credits")
    reason = forms.CharField(max_length=300, widget=forms.TextInput(attrs={"class": "vTextField"}))
    key = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)

    def clean_amount(self) -> int:
        if not self.cleaned_data["amount"]:
            raise forms.ValidationError("Grant more than 0.")
        return int(self.cleaned_data["amount"])
