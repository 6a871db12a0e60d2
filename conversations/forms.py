"""What the chat's ordinary forms post."""

from django import forms

from conversations.protocol import LONGEST_TEXT


class TurnForm(forms.Form):
    """A message as the composer posts it without JavaScript; its parameters are `parameters.read_posted`'s to read."""

    conversation = forms.UUIDField(required=False)
    parent = forms.UUIDField(required=False)
    text = forms.CharField(required=False, strip=False, max_length=LONGEST_TEXT)
    model = forms.CharField(max_length=120)
    client_id = forms.UUIDField()

    def first_error(self) -> str:
        """What is wrong, for the line beside the composer."""
        field, problems = next(iter(self.errors.items()))
        return f"Not sent: {field.replace('_', ' ')}: {problems[0]}"


class ParametersQuery(forms.Form):
    """Whose form of parameters is asked for, with the values of which chat."""

    model = forms.CharField(max_length=120)
    conversation = forms.UUIDField(required=False)
