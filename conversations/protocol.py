"""The frames a browser may send, and what may stand in them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from providers.types import Effort

LONGEST_TEXT = 400_000
# Of a frame, not of a model: what no sensible list of stop sequences reaches.
MOST_STOPS, LONGEST_STOP = 16, 200
StopText = Annotated[str, Field(max_length=LONGEST_STOP, pattern=r"^[^\x00]*$")]  # a database keeps no NUL


class Params(BaseModel):
    """What a person may set for a turn, in canonical words. None: as the model does by default.

    Types only: a range is written down once, in the schema of the model's dialect, and is checked there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    thinking: bool | None = None
    budget_tokens: int | None = None
    effort: Effort | None = None
    temperature: float | None = None
    top_p: float | None = None
    min_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: list[StopText] | None = Field(default=None, max_length=MOST_STOPS)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    response_format: Literal["text", "json_object"] | None = None

    def as_json(self) -> dict[str, Any]:
        """Only what was set, as it is stored with a turn and its conversation."""
        return self.model_dump(exclude_none=True)


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Watch(Frame):
    type: Literal["watch"]
    conversation: UUID


class Send(Frame):
    type: Literal["send"]
    conversation: UUID | None = None
    parent: UUID | None = None
    text: str = Field(max_length=LONGEST_TEXT)
    model: str = Field(max_length=120)
    params: Params = Params()
    client_id: UUID


class Regenerate(Frame):
    type: Literal["regenerate"]
    message: UUID
    model: str | None = Field(default=None, max_length=120)
    params: Params = Params()
    client_id: UUID


class Stop(Frame):
    type: Literal["stop"]
    generation: UUID


class Resync(Frame):
    type: Literal["resync"]
    generation: UUID


AnyFrame = Watch | Send | Regenerate | Stop | Resync
FRAMES: TypeAdapter[AnyFrame] = TypeAdapter(Annotated[AnyFrame, Field(discriminator="type")])


class BadFrame(ValueError):
    """A frame that is not of the protocol; its text names the field."""


def parse(text: str) -> AnyFrame:
    """The frame in `text`, or BadFrame naming the field at fault and what is wrong with it."""
    try:
        return FRAMES.validate_json(text)
    except ValidationError as error:
        raise BadFrame(in_words(error)) from error


def parse_params(values: dict[str, Any]) -> Params:
    """The same for parameters alone, as a form posts them."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise BadFrame(in_words(error)) from error


def in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "frame"
    return f"{field}: {first['msg']}."
