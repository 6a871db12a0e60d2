"""The format of a catalogue: deployments, their prices and where their keys are, as a TOML file."""

import difflib
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from billing.money import to_nano
from providers import dialects
from providers.forms import address_problem

# Abilities that follow from the wire format, with the parameter that carries each.
CARRIED_BY = {"tools": "tools", "json": "response_format"}


class CatalogError(ValueError):
    """The file cannot be applied; the message says where and why."""


def _nano(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("a price is a number of credits per million tokens, such as 0.40 or “0.40”")
    nano = to_nano(str(value))
    if nano < 0:
        raise ValueError("a price is not negative")
    return nano


def _dialect(name: str) -> str:
    if name not in dialects.DIALECTS:
        raise ValueError(f"Input should be one of {', '.join(dialects.DIALECTS)}")
    return name


Nano = Annotated[int, BeforeValidator(_nano)]
Text = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """One `[[deployments]]` of a file. Prices become nanocredits per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: Annotated[str, Field(pattern=r"^\S+$", max_length=120)]
    dialect: Annotated[str, AfterValidator(_dialect)]
    base_url: Annotated[str, Field(max_length=300)]
    upstream_model: Annotated[str, Field(max_length=200)] = ""
    key_env: Annotated[str, Field(pattern=r"^\w*$")] = ""
    context_window: Annotated[int, Field(gt=0, lt=2**31)]
    max_output: Annotated[int, Field(gt=0, lt=2**31)]
    input_price: Nano | None = None
    output_price: Nano | None = None
    cached_input_price: Nano | None = None
    reasoning_price: Nano | None = None
    enabled: bool | None = None
    needs_key: bool | None = None
    title: Annotated[str, Field(max_length=120)] | None = None
    description: str | None = None
    abilities: tuple[Literal["thinking", "tools", "json"], ...] | None = Field(default=None, strict=False)
    order: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    groups: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] | None = Field(default=None, strict=False)

    @model_validator(mode="after")
    def check(self) -> Self:
        problem = address_problem(self.dialect, self.base_url)
        if problem:
            raise ValueError(f"base_url: {problem}")
        if self.max_output > self.context_window:
            raise ValueError("max_output is larger than context_window")
        known = {parameter.name for parameter in dialects.get(self.dialect).parameters()}
        for ability in self.abilities or ():
            if CARRIED_BY.get(ability, "") and CARRIED_BY[ability] not in known:
                raise ValueError(f"abilities: the {self.dialect} dialect cannot carry “{ability}”")
        return self

    @property
    def address(self) -> str:
        return self.base_url.rstrip("/")

    @property
    def name_there(self) -> str:
        return self.upstream_model or self.model

    @property
    def prices(self) -> tuple[int, int, int | None, int | None]:
        """Input, output, cached input, reasoning. Where no price is documented: 0."""
        return self.input_price or 0, self.output_price or 0, self.cached_input_price, self.reasoning_price

    @property
    def priced(self) -> bool:
        return self.input_price is not None and self.output_price is not None


def read(path: Path) -> list[Entry]:
    """The file's entries; CatalogError names the first thing that is wrong with it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise CatalogError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CatalogError(f"{path} is not TOML: {error}.") from error
    unknown = sorted(set(document) - {"deployments"})
    tables = document.get("deployments", [])
    if unknown or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        wrong = f"unknown field “{unknown[0]}”" if unknown else "“deployments” is not a list of tables"
        raise CatalogError(f"{path}: {wrong}. A catalogue holds [[deployments]] and nothing else.")
    entries = [_entry(table, index) for index, table in enumerate(tables)]
    _refuse_twins(entries)
    return entries


def _entry(table: dict[str, Any], index: int) -> Entry:
    try:
        return Entry.model_validate(table)
    except ValidationError as error:
        raise CatalogError(f"deployments[{index}] ({table.get('model', 'no model')}): {_words(error)}.") from error


def _words(error: ValidationError) -> str:
    """The first complaint, with the field's name."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, Entry.model_fields, n=1)
        return f"unknown field “{field}”" + (f", did you mean “{near[0]}”?" if near else "")
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


def _identity(entry: Entry) -> tuple[str, str, str, str]:
    return entry.model, entry.dialect, entry.address, entry.name_there


def _refuse_twins(entries: list[Entry]) -> None:
    seen: set[tuple[str, str, str, str]] = set()
    for entry in entries:
        if _identity(entry) in seen:
            raise CatalogError(f"{entry.model} at {entry.address} is listed twice.")
        seen.add(_identity(entry))
