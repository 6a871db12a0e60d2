"""Requests both ways, for every dialect: a client's body into canonical words, and those into an upstream's body."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import BaseModel

from providers.dialects.refusals import refuse_half_characters, validated
from providers.errors import InvalidRequest
from providers.types import ChatMessage, ChatRequest, Sampling, Thinking, ToolCall

SAMPLING = tuple(field.name for field in fields(Sampling))
# The value of each parameter that asks for nothing: without a place for it, it can be left out unheard.
OFF: dict[str, Any] = {
    "temperature": 1,
    "top_p": 1,
    "min_p": 0,
    "top_k": 0,
    "n": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "repetition_penalty": 1,
    "response_format": {"type": "text"},
    "tool_choice": "none",
    "thinking": False,
}
# Where a schema may take what the chat calls thinking, its budget and its effort.
PLACES = {
    "thinking": ("thinking", "chat_template_kwargs"),
    "thinking.budget_tokens": ("thinking",),
    "reasoning_effort": ("reasoning_effort",),
}


def read_body(schema: type[BaseModel], body: Mapping[str, Any]) -> dict[str, Any]:
    """What a client gave, checked, under the schema's names. A top-level null is as good as absent."""
    if not isinstance(body, Mapping):
        raise InvalidRequest("The body must be a JSON object.")
    refuse_half_characters(body)
    model = validated(schema, {name: value for name, value in body.items() if value is not None})
    return {name: getattr(model, name) for name in schema.model_fields if name in model.model_fields_set}


def unknown_fields(schema: type[BaseModel], body: Mapping[str, Any]) -> list[str]:
    """The top-level fields of a client's body that the schema passes over."""
    return [name for name, value in body.items() if name not in schema.model_fields and value is not None]


def canonical(given: Mapping[str, Any], thinking: Thinking, *, model: str = "") -> ChatRequest:
    """The request in canonical words. The client's own `user` is not carried: it may be an e-mail in clear."""
    return ChatRequest(
        model=model or given["model"],
        messages=tuple(_read_message(message) for message in given["messages"]),
        thinking=thinking,
        sampling=Sampling(**{name: _plain(given[name]) for name in SAMPLING if name in given}),
        stream=given.get("stream", False),
    )


def read_thinking(given: Mapping[str, Any]) -> Thinking:
    """Thinking as 001 writes it, with the effort that others give beside it."""
    options = given.get("thinking")
    kind = getattr(options, "type", None)
    return Thinking(
        enabled=None if kind is None else kind == "enabled",
        budget_tokens=getattr(options, "budget_tokens", None),
        effort=given.get("reasoning_effort"),
    )


def write_thinking(thinking: Thinking) -> dict[str, Any]:
    kind = {None: None, True: "enabled", False: "disabled"}[thinking.enabled]
    options = {"type": kind, "budget_tokens": thinking.budget_tokens}
    given = {name: value for name, value in options.items() if value is not None}
    return {"thinking": given} if given else {}


def with_usage(request: ChatRequest) -> dict[str, Any]:
    """A stream tells its token counts only when asked."""
    return {"stream_options": {"include_usage": True}} if request.stream else {}


def with_user(request: ChatRequest) -> dict[str, Any]:
    return {"user": request.user_hash} if request.user_hash else {}


def write_body(
    schema: type[BaseModel], request: ChatRequest, model: str, extra: Mapping[str, Any], *, rich: bool = True
) -> dict[str, Any]:
    """The body for an upstream of this schema, checked against it: its ranges are the upstream's ranges.

    `extra` is what only the dialect can say. `rich` messages may carry reasoning and tool calls.
    Raises InvalidRequest naming what this upstream cannot honour.
    """
    request = _without_off(schema, request)
    for name in _asked(request):
        if not _has_place(schema, name):
            raise InvalidRequest(f"This model has no {name}: leave it out, or choose another model.", param=name)
    body: dict[str, Any] = {"model": model} if model else {}
    body["messages"] = [_write_message(message, place, rich) for place, message in enumerate(request.messages)]
    body |= {name: _number(value) for name, value in _asked_sampling(request.sampling).items()}
    body |= extra
    if request.stream and "stream" in schema.model_fields:
        body["stream"] = True
    validated(schema, body)
    return body


def drop_unsupported(schema: type[BaseModel], request: ChatRequest) -> tuple[ChatRequest, list[str]]:
    """The request without what an upstream of this schema lacks, and the names of what was asked for in vain."""
    request = _without_off(schema, request)
    lacking = [name for name in _asked(request) if not _has_place(schema, name)]
    return _without(request, lacking), lacking


def _has_place(schema: type[BaseModel], name: str) -> bool:
    return any(place in schema.model_fields for place in PLACES.get(name, (name,)))


def _asked(request: ChatRequest) -> dict[str, Any]:
    """Everything that was asked for, under the names that clients know."""
    thinking = request.thinking
    asked = {
        "thinking": thinking.enabled,
        "thinking.budget_tokens": thinking.budget_tokens,
        "reasoning_effort": thinking.effort,
    }
    return {name: value for name, value in asked.items() if value is not None} | _asked_sampling(request.sampling)


def _asked_sampling(sampling: Sampling) -> dict[str, Any]:
    asked = {name: getattr(sampling, name) for name in SAMPLING}
    if asked["n"] == 1:
        del asked["n"]
    stop = list(sampling.stop)
    asked["stop"] = stop[0] if len(stop) == 1 else stop
    asked["tools"] = list(sampling.tools)
    return {name: value for name, value in asked.items() if value is not None and value != []}


def _without_off(schema: type[BaseModel], request: ChatRequest) -> ChatRequest:
    asked = _asked(request)
    off = [name for name, value in asked.items() if not _has_place(schema, name) and _is_off(name, value, request)]
    return _without(request, off)


def _is_off(name: str, value: Any, request: ChatRequest) -> bool:
    if request.thinking.enabled is False and name in PLACES:
        return True
    if name == "tool_choice" and not request.sampling.tools:
        return value in ("none", "auto")
    return name in OFF and bool(value == OFF[name])


def _without(request: ChatRequest, names: list[str]) -> ChatRequest:
    if not names:
        return request
    blank, thinking = Sampling(), request.thinking
    return replace(
        request,
        sampling=replace(request.sampling, **{name: getattr(blank, name) for name in names if name in SAMPLING}),
        thinking=Thinking(
            enabled=None if "thinking" in names else thinking.enabled,
            budget_tokens=None if "thinking.budget_tokens" in names else thinking.budget_tokens,
            effort=None if "reasoning_effort" in names else thinking.effort,
        ),
    )


def _plain(value: Any) -> Any:
    """A checked value as canonical words hold it: lists as tuples, models as the dictionaries they were."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return tuple(_plain(item) for item in value) if isinstance(value, list) else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_message(message: Any) -> ChatMessage:
    given = {name: getattr(message, name) for name in message.model_fields_set}
    calls = given.pop("tool_calls", ())
    return ChatMessage(
        **given, tool_calls=tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in calls)
    )


def _write_message(message: ChatMessage, place: int, rich: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if not rich:
        if message.tool_calls:
            param = f"messages[{place}].tool_calls"
            raise InvalidRequest(f"This model has no tools: {param} has to be left out.", param=param)
        return body
    if message.reasoning_content:
        body["reasoning_content"] = message.reasoning_content
    if message.tool_calls:
        body["content"] = message.content or None
        body["tool_calls"] = [_write_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    return body


def _write_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
