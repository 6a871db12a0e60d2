"""People in the admin. The admin has no door of its own: signing in is the site's, with its limits."""

from typing import Any

import allauth.account.admin  # noqa: F401 - registers its table, which is taken out again below
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group as DjangoGroup
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from accounts.admin_rows import Admin
from accounts.forms import AddUserForm, ChangeUserForm
from accounts.models import Group, User

# The address of a person is the one on the person: a second table of them would be a side door.
admin.site.unregister(EmailAddress)
# Django's groups give staff permissions and have numbers in their addresses; the team's groups are another thing.
admin.site.unregister(DjangoGroup)
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth's documented way

RIGHTS = ("is_staff", "is_superuser", "user_permissions")


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # takes none at run time
    """People sign in by e-mail, so there is no user name."""

    form = ChangeUserForm
    add_form = AddUserForm
    list_display = ("email", "name", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", *RIGHTS)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Who may what is decided by those who may everything: nobody raises themselves."""
        fixed = tuple(self.readonly_fields)
        return fixed if request.user.is_superuser else (*fixed, *RIGHTS)


@admin.register(Group)
class GroupAdmin(Admin):
    """Groups of the team: a model may be open to some of them only."""

    list_display = ("name", "people")
    search_fields = ("name",)
    autocomplete_fields = ("members",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        found: QuerySet[Group] = super().get_queryset(request)
        return found.annotate(people=Count("members"))

    @admin.display(description="people", ordering="people")
    def people(self, group: Any) -> int:
        return int(group.people)
