"""From a request and its steering to the tokens that will be sent."""

import json
import secrets
import time

from .checks import last_question, text_of
from .face import Answer, Body, Choice, Wanted
from .pieces import count, split
from .steering import Steering, without_directives
from .story import Story

TEMPLATE_TOKENS, TOKENS_PER_MESSAGE = 3, 4


def compose(wanted: Wanted, steering: Steering, echo: Body) -> Answer:
    return Answer(
        id="chatcmpl-" + secrets.token_hex(8),
        created=int(time.time()),
        model=wanted.model,
        prompt_tokens=prompt_tokens(wanted.messages),
        choices=[_choice(index, wanted, steering, echo) for index in range(wanted.n)],
    )


def prompt_tokens(messages: list[Body]) -> int:
    return TEMPLATE_TOKENS + sum(TOKENS_PER_MESSAGE + count(text_of(message)) for message in messages)


def _choice(index: int, wanted: Wanted, steering: Steering, echo: Body) -> Choice:
    story = Story(without_directives(last_question(wanted.messages)), variant=index)
    reasoning = story.reasoning(_reasoning_length(wanted, steering))
    room = None if wanted.max_tokens is None else max(0, wanted.max_tokens - len(reasoning))
    content = _until_stop(_content(story, wanted, steering, echo, room), wanted.stop)
    cut = wanted.max_tokens is not None and len(reasoning) + len(content) > wanted.max_tokens
    return Choice(
        index=index,
        reasoning=reasoning[: wanted.max_tokens],
        content=content[:room],
        finish_reason="length" if cut or wanted.max_tokens == 0 else "stop",
    )


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
    if wanted.as_json:
        return split(
            json.dumps({"speaker": "This is the simulated upstream", "about": story.topic}, ensure_ascii=False)
        )
    length = story.usual_length() if steering.length is None else steering.length
    # What will be cut off at the end has to be said at the beginning.
    return story.answer(length, honest_first=room is not None and room < length)


def _until_stop(content: list[str], stops: tuple[str, ...]) -> list[str]:
    text = "".join(content)
    ends = [text.index(stop) for stop in stops if stop in text]
    return split(text[: min(ends)]) if ends else content
