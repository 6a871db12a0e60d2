"""What a request schema is made of: strict types with their ranges, messages, thinking, tools."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

# A field without a value. Whether it was given is asked of `model_fields_set`, so that null stays refusable.
ABSENT: Any = None


def text_of_parts(value: Any) -> Any:
    """The text of a list of `{"type": "text"}` parts, as the SDKs may send it; everything else as it is."""
    if not isinstance(value, list):
        return value
    texts = [part.get("text") for part in value if isinstance(part, Mapping) and part.get("type") == "text"]
    if len(texts) < len(value) or not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError("expected", "a string or a list of text parts")
    return "\n".join(map(str, texts))


def one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def whole_number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def developer_as_system(value: Any) -> Any:
    """Newer SDKs call the system message the developer's; the models behind us know only the old word."""
    return "system" if value == "developer" else value


Text = Annotated[str, BeforeValidator(text_of_parts)]
Sequence = Annotated[str, Field(min_length=1)]
Sequences = Annotated[list[Sequence], Field(max_length=16)]
Stop = Annotated[Sequences, BeforeValidator(one_or_many, json_schema_input_type=Sequence | Sequences)]
Temperature = Annotated[float, Field(ge=0, le=2)]
# No document sets an upper bound that any answer could reach; this one keeps the arithmetic of holds small.
MaxTokens = Annotated[int, Field(ge=1, le=1_000_000)]
Effort = Literal["low", "medium", "high"]
Penalty = Annotated[float, Field(ge=-2, le=2)]


def _without_null_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
        if "default" in field and field["default"] is None:
            del field["default"]


class Schema(BaseModel):
    """Strict: nothing is guessed from a string, no number from a boolean. Unknown fields are passed over."""

    model_config = ConfigDict(
        strict=True, extra="ignore", allow_inf_nan=False, json_schema_extra=_without_null_defaults
    )


class Closed(Schema):
    """An object whose unknown fields are refused by name: a typing error in it must not go unnoticed."""

    model_config = ConfigDict(extra="forbid")


class Open(Schema):
    """An object that is handed on whole; only the fields named here are checked."""

    model_config = ConfigDict(extra="allow")


class NullsAreAbsent(Schema):
    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


class CalledFunction(Schema):
    name: str = Field(description="The function's name")
    arguments: str = Field(description="The arguments as JSON text")


class AskedCall(Schema):
    id: str = Field(description="The call's id, which the answer to it repeats")
    type: Literal["function"] = Field(default="function", description="What is called")
    function: CalledFunction


class PlainMessage(NullsAreAbsent):
    """A message of an upstream that knows no tools."""

    role: Literal["system", "user", "assistant"]
    content: Text = Field(description="The query or the answer")


class Message(NullsAreAbsent):
    """A message of an upstream that knows tools and may give its reasoning."""

    role: Annotated[Literal["system", "user", "assistant", "tool"], BeforeValidator(developer_as_system)]
    content: Text = Field(default="", description="The text of the message")
    reasoning_content: str = Field(default="", description="What the model thought before it answered")
    tool_calls: list[AskedCall] = Field(default=ABSENT, description="The calls that the model asked for")
    tool_call_id: str = Field(default="", description="Which call a tool message answers")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.role != "assistant" and "content" not in self.model_fields_set:
            raise PydanticCustomError("missing_inside", "a string", {"field": "content"})
        if self.role == "tool" and not self.tool_call_id:
            raise PydanticCustomError("missing_inside", "a string", {"field": "tool_call_id"})
        return self


class ThinkingOptions(Closed):
    type: Literal["enabled", "disabled"] = Field(default=ABSENT, description="Whether the model thinks first")
    budget_tokens: Annotated[int, Field(ge=128, le=8192)] = Field(
        default=ABSENT, description="Maximum tokens for thinking"
    )


class FunctionName(Open):
    name: str = Field(min_length=1)


class Tool(Open):
    type: Literal["function"]
    function: FunctionName


class StreamOptions(Schema):
    include_usage: bool = Field(default=False, description="End the stream with a chunk that holds the token counts")
