"""Fields and checks that the admin, the settings and the catalogue share."""

from typing import Any
from urllib.parse import urlsplit

from django import forms

from providers import dialects
from providers.addresses import check_base_url
from providers.errors import InvalidRequest

MASKS = ("…", "•", "*")


class NewKeyField(forms.CharField):
    """A provider key, write-only. Empty, or the mask that a page shows, becomes "": keep the saved one."""

    def __init__(self, **options: Any) -> None:
        quiet = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off", "class": "vTextField"}
        widget = forms.PasswordInput(render_value=False, attrs=quiet)
        super().__init__(**{"required": False, "widget": widget, **options})

    def clean(self, value: Any) -> str:
        key = str(super().clean(value))
        return "" if key.startswith(MASKS) else key


def address_problem(dialect: str, address: str) -> str:
    """What is wrong with a deployment's base address, in sentences; empty when nothing is."""
    try:
        check_base_url(address)
    except InvalidRequest as error:
        return error.message
    known = dialects.DIALECTS.get(dialect)  # a form may be asked about a dialect that it is about to refuse
    if known and known.HOST_ONLY and urlsplit(address).path.strip("/"):
        return f"The address is scheme and host only: the {dialect} dialect knows the path."
    return ""
