"""DeepInfra's OpenAI-compatible API: POST /v1/openai/chat/completions."""

from collections.abc import Iterator
from decimal import Decimal

from .checks import Range, check_ranges, includes_usage, messages_of, model_of, stops_of, typed, wants_json
from .documented import DEEPINFRA
from .face import Answer, Body, Choice, Face, Wanted
from .tools import offers_tools
from .wire import Refused

ROLES = ("system", "user", "assistant", "tool")
RANGES = {
    "temperature": Range(0, 2),
    "top_p": Range(0, 1, above_low=True),
    "min_p": Range(0, 1),
    "top_k": Range(0, 1000, whole=True, below_high=True),
    "max_tokens": Range(0, 1_000_000, whole=True),
    "n": Range(1, 4, whole=True),
    "presence_penalty": Range(-2, 2),
    "frequency_penalty": Range(-2, 2),
    "repetition_penalty": Range(0.01, 5),
    "seed": Range(0, 9223372036854776000, whole=True, below_high=True),
}
PRICE_IN, PRICE_OUT = Decimal("0.85"), Decimal("0.90")  # US dollars per million tokens
END_OF_TEXT = "</s>"


class DeepInfra(Face):
    """Every documented parameter, with its documented range."""

    paths = ("/v1/openai/chat/completions",)
    models = frozenset({"deepseek-ai/DeepSeek-V3"})
    recordings = DEEPINFRA
    context = 16_000

    def read(self, path: str, body: Body) -> Wanted:
        model = model_of(body)
        check_ranges(body, RANGES)
        messages = messages_of(body, ROLES)
        _check_order(messages)
        _check_tools(body)
        self.check_model(model)
        return Wanted(
            model=model,
            messages=messages,
            stream=typed(body, "stream", bool, False),
            include_usage=includes_usage(body),
            max_tokens=body.get("max_tokens"),
            stop=stops_of(body),
            n=body.get("n") or 1,
            as_json=wants_json(body),
            seed=body.get("seed"),
            tools=offers_tools(body),
        )

    def usage(self, answer: Answer) -> Body:
        cost = PRICE_IN * answer.prompt_tokens + PRICE_OUT * answer.completion_tokens
        return {**super().usage(answer), "estimated_cost": cost / 1_000_000}

    def deltas(self, choice: Choice, wanted: Wanted) -> Iterator[tuple[Body, int]]:
        """Each delta names its role; the last one is an end-of-text marker and no text, as the document shows."""
        for piece in choice.content:
            yield {"role": "assistant", "content": piece}, 1
        if choice.tool_call:
            for delta, tokens in choice.tool_call.deltas():
                yield {"role": "assistant", "content": None, **delta}, tokens
        if choice.finish_reason == "stop":
            yield {"role": "assistant", "content": END_OF_TEXT}, 0


def _check_order(messages: list[Body]) -> None:
    roles = [message["role"] for message in messages]
    if roles.count("system") > 1:
        raise Refused(400, "messages may hold only one system message.", param="messages")
    if [role for role in roles if role != "system"][-1:] not in (["user"], ["tool"]):
        raise Refused(400, "messages must end with a user's message.", param="messages")


def _check_tools(body: Body) -> None:
    typed(body, "tools", list, [])
    typed(body, "user", str, "")
    if body.get("tool_choice") not in (None, "none", "auto"):
        raise Refused(400, "tool_choice must be none or auto.", param="tool_choice")
