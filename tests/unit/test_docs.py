"""The documents name only what is there: files, commands, settings, and names from the code."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
SOURCES = ("*.py", "*.js", "*.toml", "*.yml", "*.html")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)\"""")
FILE = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*(?:/|\.(?:py|js|mjs|css|html|md|toml|txt|yml|sh|example|png)|/Caddyfile)")
# What a person or a running site makes; it is in no clone.
MADE = re.compile(r"(var|\.venv)/.*|FILE\.toml|models\.toml|backup\.\w+|.*<.*")

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def prose(document):
    return FENCE.sub("", document.read_text())


def code(document):
    """What the document writes as code: whole blocks and spans in a line."""
    return FENCE.findall(document.read_text()) + re.findall(r"`([^`\n]+)`", prose(document))


def anchor(heading):
    """A heading as the address of its section."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def anchors(document):
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)}


@cache
def words_of_the_code():
    folders = ("accounts", "billing", "chatsite", "conversations", "panel", "providers", "static", "tests", "tools")
    files = [path for folder in folders for kind in SOURCES for path in (ROOT / folder).rglob(kind)]
    text = "".join(path.read_text() for path in files if path != Path(__file__))
    return set(re.findall(r"\w+", text + (ROOT / "docker-compose.yml").read_text()))


@each_document
def test_every_link_leads_to_a_file_and_a_heading(document):
    links = {a or b for a, b in LINK.findall(prose(document))}
    local = [link.partition("#") for link in links if not re.match(r"\w+:", link)]

    assert [path for path, _, _ in local if path and not (document.parent / path).exists()] == []
    assert [
        f"{path}#{part}"
        for path, _, part in local
        if part and part not in anchors((document.parent / path) if path else document)
    ] == []


@each_document
def test_every_file_it_names_exists(document):
    words = {word for text in code(document) for word in text.split() if FILE.fullmatch(word)}
    named = {word for word in words if not MADE.fullmatch(word)}
    # A bare `turns.py` stands for the one in a folder.
    found = {word for word in named if any(ROOT.glob(word)) or ("/" not in word and any(ROOT.glob(f"*/{word}")))}

    assert named - found == set()


@each_document
def test_every_make_target_it_names_exists(document):
    named = {target for text in code(document) for target in re.findall(r"\bmake ([a-z][a-z-]*)", text)}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert named - targets == set()


@each_document
def test_every_command_it_names_exists(document):
    named = {command for text in code(document) for command in re.findall(r"manage\.py ([a-z]\w*)", text)}

    assert named - set(get_commands()) == set()


@each_document
def test_every_name_with_an_underscore_stands_in_the_code(document):
    """Constraints, tests, functions, fields and frames: what was renamed there is renamed here."""
    spans = [span for span in re.findall(r"`([^`\n]+)`", prose(document)) if "/" not in span and "." not in span]
    named = {name for span in spans for name in re.findall(r"[A-Za-z]+(?:_[A-Za-z0-9]+)+", span)}

    assert named - words_of_the_code() == set()


def test_the_settings_are_those_of_the_example():
    page = (ROOT / "docs" / "operations.md").read_text()
    section = re.search(r"^## Settings$(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1]
    example = (ROOT / ".env.example").read_text()

    described = re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE)

    assert sorted(described) == sorted(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))


def test_every_make_target_is_explained_to_contributors():
    shown = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    table = re.findall(r"^\| `make ([a-z-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)

    assert sorted(table) == sorted(set(shown) - {"help"})


def test_every_room_of_the_house_is_in_the_table_of_the_readme():
    table = set(re.findall(r"\[`([\w/]+)/`\]", (ROOT / "README.md").read_text()))
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert rooms - table == set()
