"""What the chat's ordinary forms post."""

from typing import Any

from django import forms

from conversations.protocol import LONGEST_TEXT


class TurnForm(forms.Form):
    """A message as the composer posts it without JavaScript."""

    conversation = forms.UUIDField(required=False)
    parent = forms.UUIDField(required=False)
    text = forms.CharField(required=False, strip=False, max_length=LONGEST_TEXT)
    model = forms.CharField(max_length=120)
    client_id = forms.UUIDField()
    thinking = forms.BooleanField(required=False)
    # The box was there: an unchecked one posts nothing.
    can_think = forms.BooleanField(required=False)
    temperature = forms.FloatField(required=False, min_value=0, max_value=2)
    max_tokens = forms.IntegerField(required=False, min_value=1, max_value=1_000_000)

    def params(self) -> dict[str, Any]:
        """The parameters that were set, by their public names."""
        values = self.cleaned_data
        given = {name: values[name] for name in ("temperature", "max_tokens") if values[name] is not None}
        return given | ({"thinking": values["thinking"]} if values["can_think"] else {})

    def first_error(self) -> str:
        """What is wrong, for the line beside the composer."""
        field, problems = next(iter(self.errors.items()))
        return f"Not sent: {field.replace('_', ' ')}: {problems[0]}"
