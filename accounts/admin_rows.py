"""What the admin pages of every room share: rows that are only read, and lists that never count a million of them."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
    Pages = Paginator[Any]
else:  # Django's own classes take no parameters
    Admin = admin.ModelAdmin
    Pages = Paginator

COUNTED = 10_000


class ShortCount(Pages):
    """Counts no further than 10,000 rows: older ones are found by filter and search, not by leafing."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED].count())


class ReadOnlyAdmin(Admin):
    """Rows to look at. Adding, changing and deleting are refused for everybody, forged requests included."""

    actions = None
    show_full_result_count = False
    paginator = ShortCount
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
