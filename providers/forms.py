"""Fields and checks that the admin, the settings and the catalogue share."""

from typing import Any
from urllib.parse import urlsplit

from django import forms

from providers.models import Dialect

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
    """What is wrong with a deployment's base address, as the end of a sentence; empty when nothing is."""
    try:
        parts = urlsplit(address)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return "is not an address such as https://api.example.com"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        return "is not an address such as https://api.example.com"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "holds more than scheme, host and path"
    if dialect != Dialect.OPENAI and parts.path.strip("/"):
        return f"is scheme and host only: the {dialect} dialect knows the path"
    return ""
