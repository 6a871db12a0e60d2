"""Forms about people."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import AdminUserCreationForm, BaseUserCreationForm, UserChangeForm

from accounts.models import User


class PlainAddress:
    """Addresses are kept in lower case, so that nobody has two."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class FirstAdminForm(PlainAddress, BaseUserCreationForm):  # type: ignore[type-arg]  # takes none at run time
    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["email"]


class AddUserForm(PlainAddress, AdminUserCreationForm):  # type: ignore[type-arg]  # takes none at run time
    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["email", "name"]


class ChangeUserForm(PlainAddress, UserChangeForm):  # type: ignore[type-arg]  # takes none at run time
    class Meta:
        model = User
        fields = forms.ALL_FIELDS
