"""Segmind's DeepSeek Chat: POST /v1/deepseek-chat, messages only, no streaming, credits in a header."""

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal

from .checks import messages_of
from .face import Answer, Body, Face, Wanted
from .wire import Refused

ROLES = ("system", "user", "assistant")
CREDITS, CREDITS_PER_TOKEN = Decimal("100"), Decimal("0.000001")
ACCOUNTS = 1000


class Segmind(Face):
    """The path is the model; every answer says how many credits are left, and the number goes down."""

    paths = ("/v1/deepseek-chat",)
    no_credit = 406

    def __init__(self) -> None:
        self.credits: OrderedDict[str, Decimal] = OrderedDict()

    def key(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-api-key", "").strip()

    def read(self, path: str, body: Body) -> Wanted:
        for name in body:
            if name != "messages":
                raise Refused(400, f"{name} is not a parameter here: the body holds only messages.", param=name)
        messages = messages_of(body, ROLES)
        for index, message in enumerate(messages):
            if not isinstance(message.get("content"), str):
                name = f"messages[{index}].content"
                raise Refused(400, f"{name} must be a string.", param=name)
        return Wanted(model="deepseek-chat", messages=messages)

    def headers(self, key: str, answer: Answer) -> dict[str, str]:
        left = self.credits.pop(key, CREDITS)
        spent = CREDITS_PER_TOKEN * (answer.prompt_tokens + answer.completion_tokens)
        self.credits[key] = max(left - spent, Decimal(0))
        if len(self.credits) > ACCOUNTS:
            self.credits.popitem(last=False)
        return {"x-remaining-credits": f"{self.credits[key]:f}"}
