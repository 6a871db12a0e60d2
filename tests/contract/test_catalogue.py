"""A catalogue may name every dialect there is, and no other."""

import pytest

from panel.catalog_file import CatalogError, read
from providers import dialects
from providers.forms import address_problem

ENTRY = """
[[deployments]]
model = "house-model"
dialect = "{}"
base_url = "https://llm.example.org{}"
context_window = 32000
max_output = 4000
"""


@pytest.fixture
def read_text(tmp_path):
    def run(text):
        (tmp_path / "own.toml").write_text(text, encoding="utf-8")
        return read(tmp_path / "own.toml")

    return run


@pytest.mark.parametrize("name", dialects.DIALECTS)
def test_every_dialect_can_serve_a_model(read_text, name):
    (entry,) = read_text(ENTRY.format(name, ""))
    assert entry.dialect == name


def test_an_unknown_dialect_is_refused_with_those_there_are(read_text):
    with pytest.raises(CatalogError, match=f"dialect: Input should be one of {', '.join(dialects.DIALECTS)}"):
        read_text(ENTRY.format("anthropic", ""))


def test_a_base_address_has_a_path_only_where_the_dialect_leaves_it_open(read_text):
    assert read_text(ENTRY.format("openai", "/v1"))[0].address == "https://llm.example.org/v1"
    for name in ("deepinfra", "eigenai", "segmind", "thinking"):
        with pytest.raises(CatalogError, match=f"the {name} dialect knows the path"):
            read_text(ENTRY.format(name, "/v1"))


def test_the_address_of_an_unknown_dialect_is_judged_for_its_host_alone():
    assert address_problem("", "https://llm.example.org/v1") == ""
    assert "https" in address_problem("", "ftp://llm.example.org")


def test_a_dialect_that_was_added_can_serve_a_model(read_text, write_dialect, monkeypatch):
    write_dialect("added", "from providers.dialects.thinking import *\nNAME, HOST_ONLY = 'added', False\n")
    monkeypatch.setattr(dialects, "DIALECTS", dialects.find())
    assert read_text(ENTRY.format("added", "/v1"))[0].dialect == "added"
