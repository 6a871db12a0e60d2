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

    def validate_password_for_user(self, user: User, *fields: str) -> None:
        """Say what is wrong with a password where it was chosen; Django says it where it was repeated."""
        super().validate_password_for_user(user, "password1")  # type: ignore[misc]  # not in the stubs


class AddUserForm(PlainAddress, AdminUserCreationForm):  # type: ignore[type-arg]  # takes none at run time
    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["email", "name"]


class ChangeUserForm(PlainAddress, UserChangeForm):  # type: ignore[type-arg]  # takes none at run time
    class Meta:
        model = User
        fields = forms.ALL_FIELDS
