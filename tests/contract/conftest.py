"""A place for dialects that exist during one test only."""

import sys

import pytest

from providers import dialects


@pytest.fixture
def write_dialect(tmp_path, monkeypatch):
    """Call it with a name and code: the module is part of the package until the test ends."""
    written = []

    def write(name, code):
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        written.append(name)

    monkeypatch.setattr(dialects, "__path__", [*dialects.__path__, str(tmp_path)])
    yield write
    for name in written:
        sys.modules.pop(f"providers.dialects.{name}", None)
        if hasattr(dialects, name):
            delattr(dialects, name)
