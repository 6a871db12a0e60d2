"""The canonical vocabulary: what chat, gateway and billing speak. No dialect leaks past `providers`."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Effort = Literal["low", "medium", "high"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
UsageSource = Literal["reported", "counted"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call asked for by the model; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str = ""
    reasoning_content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Thinking:
    """How much the model may reason. None everywhere means: as the upstream does by default."""

    enabled: bool | None = None
    budget_tokens: int | None = None
    effort: Effort | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the answer is drawn. None means: not asked for, the upstream's default applies."""

    temperature: float | None = None
    top_p: float | None = None
    min_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    response_format: dict[str, Any] | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request to a model, in nobody's wire format. `user_hash` never holds an id or an e-mail in clear."""

    model: str
    messages: tuple[ChatMessage, ...]
    thinking: Thinking = field(default_factory=Thinking)
    sampling: Sampling = field(default_factory=Sampling)
    user_hash: str = ""
    stream: bool = True


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ContentDelta:
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the call at `position` of choice `index`; id and name come with the first piece."""

    index: int
    position: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finished:
    index: int
    reason: FinishReason


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Token counts of one answer. `reasoning` is part of `completion`, `cached` is part of `prompt`."""

    prompt: int
    completion: int
    reasoning: int = 0
    cached: int = 0
    estimated_cost: Decimal | None = None
    source: UsageSource = "reported"


@dataclass(frozen=True, slots=True)
class CreditsRemaining:
    """What the upstream says is left on the key, in its own credits. It comes before the answer, and is none of it."""

    amount: Decimal


Event = ReasoningDelta | ContentDelta | ToolCallDelta | Finished | UsageReported
# What a call gives: the answer's events, after what is said of the key.
Received = Event | CreditsRemaining
