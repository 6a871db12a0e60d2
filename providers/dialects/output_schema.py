"""What the schemas of answers are made of: the Chat Completions shape, with what each document adds to it."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from providers.dialects.schema import ABSENT, AskedCall, Closed
from providers.types import FinishReason

Count = Annotated[int, Field(ge=0)]
Index = Annotated[int, Field(ge=0)]
Seconds = Annotated[int, Field(ge=0, description="Seconds since 1970 began")]
Speaker = Annotated[Literal["assistant"], Field(description="Who speaks")]
Cost = Annotated[float, Field(ge=0, description="What the request costs")]
Thought = Annotated[str, Field(description="What the model thought before it answered, if it did")]


class Counts(Closed):
    """The tokens of the request."""

    prompt_tokens: Count = Field(description="Tokens of the messages that were sent")
    completion_tokens: Count = Field(description="Tokens of the answer, its reasoning included")
    total_tokens: Count = Field(description="The sum of both")


class ReasoningCounts(Counts):
    """The tokens of the request, and how many of them were reasoning."""

    reasoning_tokens: Count = Field(description="How many of the completion tokens were reasoning")


class PricedCounts(Counts):
    """The tokens of the request, and what they cost."""

    reasoning_tokens: Count = Field(
        default=ABSENT, description="How many of the completion tokens were reasoning, if any were"
    )
    estimated_cost: Cost = ABSENT


class CompletionDetails(Closed):
    """Parts of the completion tokens."""

    reasoning_tokens: Count = Field(description="How many of the completion tokens were reasoning")


class PromptDetails(Closed):
    """Parts of the prompt tokens."""

    cached_tokens: Count = Field(description="How many of the prompt tokens the provider had in its cache")


class DetailedCounts(ReasoningCounts):
    """The tokens of the request, their parts, and what they cost."""

    completion_tokens_details: CompletionDetails
    prompt_tokens_details: PromptDetails
    estimated_cost: Cost = ABSENT


class Message(Closed):
    """The message that the model wrote."""

    role: Speaker
    content: str = Field(description="The text of the answer")
    reasoning_content: Thought = ABSENT


class CallingMessage(Closed):
    """The message that the model wrote, or the calls that it asks for."""

    role: Speaker
    content: str | None = Field(description="The text of the answer; null where there are only calls")
    reasoning_content: Thought = ABSENT
    tool_calls: list[AskedCall] = Field(default=ABSENT, min_length=1, description="The calls that the model asks for")


class ReasoningMessage(CallingMessage):
    """The message that the model wrote, or the calls that it asks for, and always what it thought."""

    reasoning_content: Thought


class Delta(Closed):
    """What the message goes on with."""

    role: Speaker = ABSENT
    content: str = Field(default=ABSENT, description="The next piece of the text")
    reasoning_content: str = Field(default=ABSENT, description="The next piece of the reasoning")


class FunctionPiece(Closed):
    """A piece of a call."""

    name: str = Field(default=ABSENT, description="The function's name, with the first piece")
    arguments: str = Field(description="The next piece of the arguments, which are JSON text")


class CallPiece(Closed):
    """The next piece of a call: those of one index belong together."""

    index: Index = Field(description="Which call of the message this belongs to")
    id: str = Field(default=ABSENT, description="The call's id, with the first piece")
    type: Literal["function"] = Field(default=ABSENT, description="With the first piece")
    function: FunctionPiece


class CallingDelta(Delta):
    """What the message or its calls go on with."""

    tool_calls: list[CallPiece] = Field(default=ABSENT, min_length=1, description="Pieces of calls")


M = TypeVar("M", bound=BaseModel)
U = TypeVar("U", bound=BaseModel)


class _Named(Closed):
    """Generic, and called in a schema what it is called here."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return cls.__name__


class Choice(_Named, Generic[M]):
    """One of the answers that were asked for."""

    index: Index = Field(description="Which answer this is, if several were asked for")
    message: M
    finish_reason: FinishReason = Field(description="Why the answer ends here")


class ChoicePiece(_Named, Generic[M]):
    """The next piece of one of the answers."""

    index: Index = Field(description="Which answer this belongs to, if several were asked for")
    delta: M
    finish_reason: FinishReason | None = Field(description="Why the answer ends here; null until it does")


class Answer(_Named, Generic[M, U]):
    """A whole answer with messages M and counts U."""

    id: str = Field(description="What this answer is called")
    object: Literal["chat.completion"] = Field(description="What this object is")
    created: Seconds
    model: str = Field(description="The model that was asked for")
    choices: list[Choice[M]] = Field(min_length=1, description="The answers, one unless more were asked for")
    usage: U


class Chunk(_Named, Generic[M, U]):
    """One event of a stream with deltas M and counts U."""

    id: str = Field(description="The same in every event of the stream")
    object: Literal["chat.completion.chunk"] = Field(description="What this object is")
    created: Seconds
    model: str = Field(description="The model that was asked for")
    choices: list[ChoicePiece[M]] = Field(max_length=1, description="What goes on; empty where the tokens are told")
    usage: U = Field(default=ABSENT, description="The tokens, in the last event")
