"""Whenever a tab joins: what it was told first and the pieces after it make up the row."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations import events
from conversations.engine.answer import Answer
from conversations.engine.store import MemoryStore, Subscription
from conversations.models import Generation
from providers.threads import in_thread
from tests.live.conftest import Tab, assembled, text_of

# Letters, a sign outside the basic plane, a combining mark, a line end: whatever may be counted wrongly.
PIECES = st.lists(
    st.tuples(st.sampled_from(["text", "reasoning"]), st.text("aé☕𝄞\u0301\n", max_size=4), st.booleans()), max_size=12
)


async def heard_by(subscription):
    subscription.put({"type": "last"})
    return [json.loads(frame) for frame in await subscription.frames()]


def written(script):
    """Write an answer by `script`, while one more listener joins at every moment; all, and what each was told."""
    store, generation = MemoryStore(), Generation()
    store.begin(generation.pk, generation.conversation_id, generation.answer_id)
    answer, topic, listeners = Answer(generation, store), events.topic_of(generation.conversation_id), []

    def join():
        listener = Subscription()
        store.listen(listener, topic)
        listener.put(store.snapshot(generation.pk))
        listeners.append(listener)

    for channel, text, flushed in script:
        join()
        answer.add(channel, text)
        join()
        if flushed:
            answer.flush()
    join()
    answer.flush()
    return str(generation.pk), answer.draft(), listeners


@settings(max_examples=150, deadline=None)
@given(PIECES)
def test_a_listener_that_joins_at_any_moment_puts_the_whole_together(script):
    async def check():
        generation, draft, listeners = written(script)
        for listener in listeners:
            frames = await heard_by(listener)
            assert assembled(frames, generation, "text") == draft.text
            assert assembled(frames, generation, "reasoning") == draft.reasoning

    asyncio.run(check())


@pytest.mark.django_db(transaction=True)
async def test_a_tab_that_joins_at_any_moment_ends_with_the_stored_text(tab, alice, model):
    started = await tab.send("[[speed=80 length=60 delay=0.2]] Hello", model, params={"thinking": True})
    joined = []
    for _ in range(15):
        late = await Tab(alice).open()
        await late.tell(type="watch", conversation=started["conversation"])
        joined.append(late)
        await asyncio.sleep(0.06)
    await tab.until("turn.ended")
    stored = await in_thread(text_of)(started["message"])
    for late in joined:
        if (await late.until("watching"))["running"]:
            await late.until("turn.ended")
            assert late.text(started["generation"]) == stored
        await late.close()
    assert tab.text(started["generation"]) == stored != ""
