"""One module for each wire format, all with the same names: pure mapping, no wire and no database."""

from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from providers.dialects.chat_completions import StreamState
from providers.dialects.parameters import Parameter, json_schema
from providers.dialects.protocol import MEMBERS, Dialect
from providers.dialects.requests import drop_unsupported, unknown_fields

__all__ = [
    "DIALECTS",
    "Dialect",
    "Parameter",
    "StreamState",
    "drop_unsupported",
    "find",
    "get",
    "json_schema",
    "unknown_fields",
]


def find() -> dict[str, Dialect]:
    """The modules of this package that have a NAME, by it, sorted. Raises ImportError for one that is not whole."""
    names = sorted(module.name for module in iter_modules(__path__))
    modules = {name: import_module(f"{__name__}.{name}") for name in names}
    found = {name: module for name, module in modules.items() if hasattr(module, "NAME")}
    for name, module in found.items():
        lacking = [member for member in MEMBERS if not hasattr(module, member)]
        if lacking:
            raise ImportError(f"The dialect {module.__name__} lacks {', '.join(lacking)}: see {Dialect.__module__}.")
        if name != module.NAME:
            raise ImportError(f"The dialect {module.__name__} calls itself “{module.NAME}”: NAME is the file's name.")
    return {name: cast(Dialect, module) for name, module in found.items()}


DIALECTS: dict[str, Dialect] = find()


def get(name: str) -> Dialect:
    """The dialect of this name. Raises KeyError."""
    return DIALECTS[name]
