"""EigenAI's Deepseek V3.1 Chat: POST /api/v1/generate and /api/v1/generate/stream."""

from collections.abc import Iterator

from .checks import Range, check_ranges, includes_usage, messages_of, model_of, typed
from .face import Body, Choice, Face, Wanted
from .wire import Refused

STREAM_PATH = "/api/v1/generate/stream"
ROLES = ("system", "user", "assistant", "tool")
RANGES = {"temperature": Range(0, 2), "max_tokens": Range(1, 10_000_000, whole=True)}
DEFAULT_MAX_TOKENS = 4096
EFFORTS = {"low": 45, "medium": 90, "high": 180}


class EigenAI(Face):
    """The document shows no answer, so this speaks the OpenAI shape."""

    paths = ("/api/v1/generate", STREAM_PATH)
    models = frozenset({"deepseek-v31-terminus"})

    def read(self, path: str, body: Body) -> Wanted:
        model = model_of(body)
        check_ranges(body, RANGES)
        messages = messages_of(body, ROLES)
        self.check_model(model)
        return Wanted(
            model=model,
            messages=messages,
            stream=path == STREAM_PATH and typed(body, "stream", bool, False),
            include_usage=includes_usage(body),
            reasoning=_reasoning(body),
            inline_reasoning=not typed(body, "separate_reasoning", bool, False),
            max_tokens=typed(body, "max_tokens", int, DEFAULT_MAX_TOKENS),
        )

    def message(self, choice: Choice, wanted: Wanted) -> Body:
        content, reasoning = "".join(choice.content), "".join(choice.reasoning)
        if reasoning and wanted.inline_reasoning:
            return {"role": "assistant", "content": "<think>" + reasoning + _after(choice) + content}
        separate = {"reasoning_content": reasoning} if reasoning else {}
        return {"role": "assistant", "content": content, **separate}

    def deltas(self, choice: Choice, wanted: Wanted) -> Iterator[tuple[Body, int]]:
        if not (choice.reasoning and wanted.inline_reasoning):
            yield from super().deltas(choice, wanted)
            return
        yield {"role": "assistant", "content": "<think>"}, 0
        for piece in choice.reasoning:
            yield {"content": piece}, 1
        yield {"content": _after(choice)}, 0
        for piece in choice.content:
            yield {"content": piece}, 1


def _after(choice: Choice) -> str:
    """An answer cut short while it was thinking never closes its tag."""
    return "" if choice.finish_reason == "length" and not choice.content else "</think>\n\n"


def _reasoning(body: Body) -> int:
    effort = typed(body, "reasoning_effort", str, "medium")
    if effort not in EFFORTS:
        raise Refused(400, "reasoning_effort must be low, medium or high.", param="reasoning_effort")
    thinking = typed(typed(body, "chat_template_kwargs", dict, {}), "thinking", bool, False)
    return EFFORTS[effort] if thinking else 0
