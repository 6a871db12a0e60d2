"""Every module that is found holds what the protocol says, with the same signatures."""

import inspect
from dataclasses import dataclass
from typing import get_args, get_type_hints

import pytest
from pydantic import BaseModel

from providers import dialects
from providers.dialects import DIALECTS, Dialect

NAMES = ["deepinfra", "eigenai", "openai", "segmind", "thinking"]
FUNCTIONS = [name for name, member in vars(Dialect).items() if inspect.isfunction(member) and name[0] != "_"]
COPY = "from providers.dialects.thinking import *\n"


def taken(function):
    """Names, kinds and types of what a function takes, without `self`."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return [(one.name, one.kind, one.annotation, one.default) for one in parameters if one.name != "self"]


def given(function):
    return inspect.signature(function, eval_str=True).return_annotation


@dataclass
class Misfit:
    """The thinking dialect, with one member of another kind."""

    member: str
    value: object

    def __getattr__(self, name):
        return self.value if name == self.member else getattr(dialects.get("thinking"), name)


def misfits(dialect):
    """The names of the members that do not do what the protocol says."""
    wrong = [name for name, kind in get_type_hints(Dialect).items() if not _is(getattr(dialect, name), kind)]
    for name in FUNCTIONS:
        here, there = getattr(dialect, name), getattr(Dialect, name)
        narrower = (given(there), *get_args(given(there)))
        if taken(here) != taken(there) or given(here) not in narrower:
            wrong.append(name)
    schemas = {"Request": True, "Answer": True, "Chunk": dialect.STREAMS}
    return wrong + [name for name, there in schemas.items() if _is_schema(getattr(dialect, name)) is not there]


def _is(value, kind):
    return isinstance(value, getattr(kind, "__origin__", kind)) and value != ""


def _is_schema(value):
    return isinstance(value, type) and issubclass(value, BaseModel)


def test_the_dialects_are_found_in_order_and_under_their_own_names():
    assert [name for name in DIALECTS if name in NAMES] == NAMES
    assert list(DIALECTS) == sorted(DIALECTS)
    found = {name: (dialect.NAME, dialect.__name__) for name, dialect in DIALECTS.items()}
    assert found == {name: (name, f"providers.dialects.{name}") for name in DIALECTS}


def test_every_name_fits_its_column():
    assert [name for name in DIALECTS if len(name) > 16] == []


def test_the_protocol_is_what_is_checked():
    assert {"read_request", "remaining_credits", "encode_error", "parameters", "decode_end"} <= set(FUNCTIONS)
    assert set(FUNCTIONS) | set(get_type_hints(Dialect)) | {"Request", "Answer", "Chunk"} == set(
        dialects.protocol.MEMBERS
    )


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_holds_what_the_protocol_says(name):
    assert misfits(dialects.get(name)) == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("TITLE", ""),
        ("STREAMS", "yes"),
        ("EXAMPLE", None),
        ("Answer", None),
        ("Chunk", dict),
        ("url", lambda base_url: base_url),
        ("headers", lambda key: {"x-key": key}),
        ("decode_end", dialects.get("thinking").decode_event),
    ],
)
def test_a_member_of_another_kind_is_noticed(member, value):
    assert member in misfits(Misfit(member, value))


def test_a_module_with_a_name_is_found_and_one_without_is_not(write_dialect):
    write_dialect("added", COPY + "NAME = 'added'\n")
    write_dialect("helper", "WORDS = ()\n")
    assert set(dialects.find()) - set(DIALECTS) == {"added"}
    assert list(dialects.find()) == sorted(["added", *DIALECTS])
    assert dialects.find()["added"].TITLE == "Thinking API"


def test_a_module_that_is_not_whole_is_refused_with_what_it_lacks(write_dialect):
    write_dialect("added", COPY + "NAME = 'added'\ndel TITLE, decode_end\n")
    with pytest.raises(ImportError, match="dialects.added lacks TITLE, decode_end: see providers.dialects.protocol"):
        dialects.find()


def test_a_module_that_takes_anothers_name_is_refused(write_dialect):
    write_dialect("added", COPY)
    with pytest.raises(ImportError, match="calls itself “thinking”"):
        dialects.find()
