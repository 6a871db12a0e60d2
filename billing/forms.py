"""Credits as people type them, in the admin."""

from typing import Any, ClassVar
from uuid import uuid4

from django import forms

from accounts.models import User
from billing.models import Price
from billing.money import plain, to_nano
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


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameters when it runs
    """A new version. Amounts are typed as credits per million tokens."""

    input = CreditsField(label="Input", help_text="Credits per million tokens.")
    output = CreditsField(label="Output", help_text="Credits per million tokens, reasoning included.")
    cached_input = CreditsField(label="Cached input", required=False, help_text="Empty: as input.")
    reasoning = CreditsField(label="Reasoning", required=False, help_text="Empty: as output.")

    class Meta:
        model = Price
        fields: ClassVar[list[str]] = ["deployment", "input", "output", "cached_input", "reasoning"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "deployment" in self.fields:
            offered = Deployment.objects.select_related("model").order_by("model__position", "position")
            self.fields["deployment"].queryset = offered  # type: ignore[attr-defined]  # it is a choice of rows


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
