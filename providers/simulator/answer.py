"""From a request and its steering to the tokens that will be sent."""

import json
import secrets
import time
from dataclasses import replace

from . import phrases
from .checks import last_question, text_of, tool_result
from .face import Answer, Body, Choice, Wanted
from .pieces import count, split
from .steering import Steering, without_directives
from .story import Story
from .tools import ToolCall
from .wire import Refused

TEMPLATE_TOKENS, TOKENS_PER_MESSAGE = 3, 4


def compose(wanted: Wanted, steering: Steering, echo: Body, *, context: int) -> Answer:
    """The whole answer, or Refused where the question alone is longer than `context` tokens."""
    asked = prompt_tokens(wanted.messages)
    if asked > context:
        raise _too_long(asked, context)
    wanted = replace(wanted, max_tokens=_most(wanted.max_tokens, context - asked))
    return Answer(
        id="chatcmpl-" + secrets.token_hex(8),
        created=int(time.time()),
        model=wanted.model,
        prompt_tokens=asked,
        choices=[_choice(index, wanted, steering, echo) for index in range(wanted.n)],
    )


def prompt_tokens(messages: list[Body]) -> int:
    """A rough count: our pieces are about as long as a model's tokens."""
    return TEMPLATE_TOKENS + sum(TOKENS_PER_MESSAGE + count(text_of(message)) for message in messages)


def _too_long(asked: int, context: int) -> Refused:
    message = f"The context of this model is {context} tokens, and these messages have {asked}. Shorten them."
    return Refused(400, message, param="messages", code="context_length_exceeded")


def _most(max_tokens: int | None, room: int) -> int:
    return room if max_tokens is None else min(max_tokens, room)


def _choice(index: int, wanted: Wanted, steering: Steering, echo: Body) -> Choice:
    story = Story(without_directives(last_question(wanted.messages)), variant=index, seed=wanted.seed)
    reasoning = story.reasoning(_reasoning_length(wanted, steering))
    most = wanted.max_tokens
    room = None if most is None else max(0, most - len(reasoning))
    calls = _calls(wanted, steering)
    arguments = split(steering.args) if calls else []
    content = [] if calls else _until_stop(_content(story, wanted, steering, echo, room), wanted.stop)
    cut = most is not None and len(reasoning) + len(content) + len(arguments) > most
    return Choice(
        index=index,
        reasoning=reasoning[:most],
        content=content[:room],
        finish_reason="length" if cut or most == 0 else "tool_calls" if calls else "stop",
        tool_call=ToolCall("call_" + secrets.token_hex(12), steering.tool or "", arguments[:room]) if calls else None,
    )


def _calls(wanted: Wanted, steering: Steering) -> bool:
    """A tool is called once: what it gave is spoken about."""
    return wanted.tools and steering.tool is not None and tool_result(wanted.messages) is None


def _reasoning_length(wanted: Wanted, steering: Steering) -> int:
    if not wanted.reasoning:
        return 0
    length = wanted.reasoning if steering.reasoning is None else steering.reasoning
    return length if wanted.reasoning_limit is None else min(length, wanted.reasoning_limit)


def _content(story: Story, wanted: Wanted, steering: Steering, echo: Body, room: int | None) -> list[str]:
    if steering.echo:
        return split(json.dumps(echo, ensure_ascii=False))
    if steering.say is not None:
        return split(steering.say)
    result = tool_result(wanted.messages)
    if wanted.as_json:
        said = {"speaker": "This is the simulated upstream", "about": story.topic}
        return split(json.dumps(said if result is None else {**said, "tool": result}, ensure_ascii=False))
    if result is not None:
        return split(f"{phrases.HONEST_FIRST} The tool answered: “{result}”")
    length = story.usual_length() if steering.length is None else steering.length
    # What will be cut off at the end has to be said at the beginning.
    return story.answer(length, honest_first=room is not None and room < length)


def _until_stop(content: list[str], stops: tuple[str, ...]) -> list[str]:
    text = "".join(content)
    ends = [text.index(stop) for stop in stops if stop in text]
    return split(text[: min(ends)]) if ends else content
