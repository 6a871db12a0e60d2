"""The form of a chat's parameters, made from the schema of the model's dialect, which has all ranges and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

from conversations.protocol import LONGEST_STOP, Params, parse_params
from providers import dialects
from providers.dialects import Parameter
from providers.errors import ChatsiteError, InvalidRequest
from providers.models import Model

Kind = Literal["switch", "integer", "number", "choice", "lines"]

# What can be set in a chat, in the order of the form, and where a dialect may have it.
PLACES: dict[str, tuple[str, ...]] = {
    "thinking": ("thinking.type", "chat_template_kwargs.thinking"),
    "budget_tokens": ("thinking.budget_tokens",),
    "effort": ("reasoning_effort",),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "min_p": ("min_p",),
    "seed": ("seed",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "repetition_penalty": ("repetition_penalty",),
    "response_format": ("response_format.type",),
    "stop": ("stop",),
}
OF_THINKING = ("budget_tokens", "effort")
LABELS = {"budget_tokens": "Thinking budget", "effort": "Reasoning effort", "stop": "Stop sequences"}
CHOICES = {"low": "Low", "medium": "Medium", "high": "High", "text": "Text", "json_object": "JSON"}
# A browser counts exactly no further, and nobody reads a bound beyond a billion.
EXACT, READABLE = 2**53 - 1, 10**9


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter as the form shows it. A bound that does not exist is None, an undocumented default ""."""

    name: str
    dotted: str
    label: str
    kind: Kind
    hint: str
    default: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    most: int | None = None
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def needs_thinking(self) -> bool:
        return self.name in OF_THINKING

    @property
    def longest(self) -> int:
        """Characters of one line."""
        return LONGEST_STOP

    @property
    def step(self) -> str:
        """What one press of an arrow key adds; any number within the bounds may be typed."""
        if self.kind == "integer":
            return "1"
        wide = (self.maximum or 0) - (self.minimum or 0) > 1 and float(self.minimum or 0).is_integer()
        return "0.1" if wide else "0.01"

    @property
    def range(self) -> str:
        """The bounds in words, short."""
        if self.kind == "lines":
            return f"up to {self.most} lines" if self.most else ""
        return _range(self, READABLE)

    @property
    def rule(self) -> str:
        """What it must be, in words that complete “Must be …”."""
        if self.kind == "choice":
            return "one of " + ", ".join(label for _, label in self.choices)
        if self.kind == "lines":
            return f"at most {self.most} lines of up to {self.longest} characters"
        bounds = _range(self, EXACT)
        joined = f" from {bounds}" if " to " in bounds.replace("up to", "") else f" {bounds}" if bounds else ""
        return ("a whole number" if self.kind == "integer" else "a number") + joined

    def read(self, text: str) -> Any:
        """What was posted, as its type. Raises InvalidRequest; the range is the dialect's to check."""
        try:
            return _read(self.kind, text)
        except ValueError as error:
            raise InvalidRequest(f"{self.label} must be {self.rule}.", param=self.dotted) from error


@dataclass(frozen=True, slots=True)
class Entry:
    """A field with what stands in it, as text, and what is wrong with that."""

    field: Field
    text: str
    error: str = ""

    @property
    def is_set(self) -> bool:
        return self.text not in ("", self.field.default)


@dataclass(frozen=True, slots=True)
class ParameterForm:
    """The fields of one model with their texts. `can_think`: thinking can be switched, and is on if `thinks`."""

    entries: tuple[Entry, ...] = ()
    can_think: bool = False
    thinks: bool = True

    @classmethod
    def of(cls, model: Model | None, texts: Mapping[str, str], refusal: ChatsiteError | None = None) -> Self:
        """`texts` as `texts_of` gives them or as a form posts them; a refusal stands beside the field it names."""
        fields = fields_of(model) if model else ()
        found = [Entry(field, texts.get(field.name, ""), _error(field, refusal)) for field in fields]
        return cls(
            entries=tuple(entry for entry in found if entry.field.kind != "switch"),
            can_think=any(field.kind == "switch" for field in fields),
            thinks=bool(texts.get("thinking")),
        )

    @property
    def set_count(self) -> int:
        """How many values differ from the documented defaults."""
        return sum(entry.is_set and (self.thinks or not entry.field.needs_thinking) for entry in self.entries)

    @property
    def is_refused(self) -> bool:
        return any(entry.error for entry in self.entries)


def fields_of(model: Model) -> tuple[Field, ...]:
    """What can be set for this model in a chat; thinking only where the model thinks."""
    fields = _fields(model.dialect)
    return fields if model.thinks else tuple(f for f in fields if f.name not in ("thinking", *OF_THINKING))


def texts_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Stored parameters as a form holds them. A model that can think does, unless somebody said no."""
    return {"thinking": "on"} | {name: _text(value) for name, value in params.items()}


def texts_posted(posted: Mapping[str, str]) -> dict[str, str]:
    """The same of a form that was posted. Where there was no box for it, nobody said no to thinking."""
    return {**posted} if posted.get("can_think") else {**posted, "thinking": "on"}


def read_posted(posted: Mapping[str, str], fields: tuple[Field, ...]) -> Params:
    """What a plain form posted, of what these fields know. Raises InvalidRequest, or BadFrame."""
    # The box was there: an unchecked one posts nothing.
    given: dict[str, Any] = {"thinking": "thinking" in posted} if posted.get("can_think") else {}
    for field in fields:
        ignored = field.kind == "switch" or (field.needs_thinking and given.get("thinking") is False)
        if not ignored and (text := posted.get(field.name, "").strip("\r\n")):
            given[field.name] = field.read(text)
    if not any(field.kind == "switch" for field in fields):
        given.pop("thinking", None)
    return parse_params(given)


@lru_cache(maxsize=32)
def _fields(dialect: str) -> tuple[Field, ...]:
    known = {parameter.name: parameter for parameter in dialects.get(dialect).parameters()}
    found = [(name, known[dotted]) for name, places in PLACES.items() for dotted in places if dotted in known]
    return tuple(_field(name, kind, parameter) for name, parameter in found if (kind := _kind(name, parameter)))


def _kind(name: str, parameter: Parameter) -> Kind | None:
    """None: of a type that no field can hold."""
    if name == "thinking":
        return "switch"
    if parameter.choices:
        return "choice"
    kinds: dict[str, Kind] = {"integer": "integer", "number": "number", "array": "lines"}
    return kinds.get(parameter.type)


def _field(name: str, kind: Kind, parameter: Parameter) -> Field:
    whole = kind == "integer"
    above, below = parameter.exclusive_minimum, parameter.exclusive_maximum
    return Field(
        name=name,
        dotted=parameter.name,
        label=LABELS.get(name, name.replace("_", " ").capitalize()),
        kind=kind,
        hint=parameter.description,
        default="" if parameter.default is None else _text(parameter.default),
        # For whole numbers an exclusive bound is the next inclusive one.
        minimum=_whole(parameter.minimum, above, 1) if whole else parameter.minimum,
        maximum=_whole(parameter.maximum, below, -1) if whole else parameter.maximum,
        above=None if whole else above,
        below=None if whole else below,
        most=parameter.max_items,
        choices=tuple((choice, CHOICES[choice]) for choice in parameter.choices if choice in CHOICES),
    )


def _whole(inclusive: float | None, exclusive: float | None, inward: int) -> int | None:
    bound = inclusive if exclusive is None else exclusive + inward
    return None if bound is None else max(-EXACT, min(EXACT, int(bound)))


def _range(field: Field, most: int) -> str:
    """`most`: from here on a bound is not worth the words."""
    low, high = field.minimum, field.maximum
    low = low if low is not None and abs(low) <= most else None
    high = high if high is not None and abs(high) <= most else None
    if low is not None and high is not None:
        return f"{_said(low)} to {_said(high)}"
    parts = [
        f"over {_said(field.above)}" if field.above is not None else "",
        f"{_said(low)} or more" if low is not None else "",
        f"up to {_said(high)}" if high is not None else "",
        f"under {_said(field.below)}" if field.below is not None else "",
    ]
    return ", ".join(filter(None, parts))


def _said(bound: float) -> str:
    return f"{bound:,}".replace("-", "−")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    if isinstance(value, list):
        return "\n".join(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _read(kind: Kind, text: str) -> Any:
    if kind == "lines":
        return [line for line in text.replace("\r\n", "\n").split("\n") if line]
    return {"integer": int, "number": float}.get(kind, str)(text)


def _error(field: Field, refusal: ChatsiteError | None) -> str:
    # stop[2] is the third line of stop.
    named = refusal is not None and (refusal.param or "").partition("[")[0] in (field.name, field.dotted)
    return refusal.message if refusal and named else ""
