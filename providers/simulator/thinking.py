"""The thinking API: POST /v1/chat/completions. It stands in for any plain OpenAI-style server too."""

from typing import Any

from .checks import (
    Range,
    check_number,
    check_ranges,
    includes_usage,
    messages_of,
    model_of,
    stops_of,
    typed,
    wants_json,
)
from .documented import THINKING
from .face import Answer, Body, Choice, Face, Wanted
from .tools import offers_tools
from .wire import Refused

ROLES = ("system", "developer", "user", "assistant", "tool")
RANGES = {"temperature": Range(0, 2), "max_tokens": Range(1, 10_000_000, whole=True), "n": Range(1, 4, whole=True)}
BUDGET = Range(128, 8192, whole=True)
USUAL_REASONING, MOST_REASONING = 110, 8192


class Thinking(Face):
    """Other sampling parameters pass without a word, as on the many servers that copy this path."""

    paths = ("/v1/chat/completions",)
    models = frozenset({"deepseek-chat", "deepseek-reasoner", "deepseek-coder"})
    recordings = THINKING

    def read(self, path: str, body: Body) -> Wanted:
        model = model_of(body)
        check_ranges(body, RANGES)
        messages = messages_of(body, ROLES)
        budget = _budget(model, typed(body, "thinking", dict, {}))
        self.check_model(model)
        return Wanted(
            model=model,
            messages=messages,
            stream=typed(body, "stream", bool, False),
            include_usage=includes_usage(body),
            reasoning=USUAL_REASONING if budget else 0,
            reasoning_limit=budget,
            max_tokens=body.get("max_tokens"),
            stop=stops_of(body),
            n=body.get("n") or 1,
            as_json=wants_json(body),
            seed=typed(body, "seed", int, None),
            tools=offers_tools(body),
        )

    def usage(self, answer: Answer) -> Body:
        """The four counts, in the document's order; reasoning is a part of the completion."""
        return {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "reasoning_tokens": answer.reasoning_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        }

    def message(self, choice: Choice, wanted: Wanted) -> Body:
        message = super().message(choice, wanted)
        if choice.reasoning:
            message["reasoning_content"] = "".join(choice.reasoning)
        return message


def _budget(model: str, thinking: dict[str, Any]) -> int:
    """Tokens that may be thought, 0 when this request is answered without."""
    kind = thinking.get("type", "enabled" if model == "deepseek-reasoner" else "disabled")
    if kind not in ("enabled", "disabled"):
        raise Refused(400, "thinking.type must be enabled or disabled.", param="thinking.type")
    budget = thinking.get("budget_tokens", MOST_REASONING)
    check_number(budget, "thinking.budget_tokens", BUDGET)
    return int(budget) if kind == "enabled" else 0
