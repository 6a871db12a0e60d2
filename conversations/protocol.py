"""The frames a browser may send, and what may stand in them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

LONGEST_TEXT = 400_000


class Params(BaseModel):
    """What the composer may set for a turn. None: as the model does by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    thinking: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)


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
