"""What every page's frame needs: the import map, the chosen theme, icons."""

import json
from functools import cache
from pathlib import Path

from django import template
from django.conf import settings
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

THEMES = ("light", "dark")


@register.simple_tag
def import_map() -> SafeString:
    """The body of the import map: every module under static/js by its path, with the hashed address."""
    return mark_safe(_modules())  # noqa: S308 our own file names, as JSON


@cache
def _modules() -> str:
    root = Path(settings.BASE_DIR) / "static" / "js"
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.js"))
    return json.dumps({"imports": {f"chatsite/{name}": static(f"js/{name}") for name in names}})


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """The theme from the cookie, so that the first paint has it already; anything else means the system's."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else ""
    return chosen if chosen in THEMES else "system"


@register.simple_tag
def icon(name: str, size: int = 16) -> SafeString:
    """An outline icon from the sprite in the page. It is decoration: its button or link carries the name."""
    return format_html(
        '<svg class="icon" width="{0}" height="{0}" aria-hidden="true"><use href="#icon-{1}"/></svg>', size, name
    )
