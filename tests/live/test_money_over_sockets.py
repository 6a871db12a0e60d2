"""Many sends at once over sockets, and credits for few of them."""

import asyncio
from uuid import uuid4

import pytest

from billing.models import UsageRecord
from billing.services import grant, wallet_of
from providers.threads import in_thread
from tests.factories import make_model
from tests.live.conftest import Tab

pytestmark = pytest.mark.django_db(transaction=True)
TABS, SENDS, AFFORDED = 12, 5, 7


async def answers_to(tab, model, word):
    """Send so many messages without waiting; how each was answered, by its client id."""
    wanted, heard = {str(uuid4()) for _ in range(SENDS)}, {}
    for client_id in wanted:
        await tab.tell(type="send", text=f"[[speed=0 length=50]] {word}", model=model.name, client_id=client_id)
    while heard.keys() != wanted:
        frame = await tab.until_any("turn.started", "turn.refused")
        heard[frame["client_id"]] = frame.get("generation") or frame["code"]
    return list(heard.values())


async def test_sixty_sends_and_credits_for_seven_are_seven_calls(engine, bob, upstream, settings):
    settings.SIMULATOR_URL = upstream.url
    # The upstream reports exactly the five tokens that are held for, so that every answer costs its whole hold.
    prices = {"input": 0, "output": 1_000_000, "max_output": 5}
    model = await in_thread(make_model)("deepseek-ai/DeepSeek-V3", "deepinfra", "https://api.deepinfra.com", **prices)
    await in_thread(grant)(user=bob, amount=5 * AFFORDED + 4, reason="To try it")
    tabs = [await Tab(bob).open() for _ in range(TABS)]
    answered = await asyncio.gather(*(answers_to(tab, model, "sixty-sends") for tab in tabs))
    results = [result for each in answered for result in each]
    assert results.count("insufficient_credits") == TABS * SENDS - AFFORDED == 53
    await engine.drain(10)
    calls = await asyncio.to_thread(upstream.calls, "sixty-sends")
    assert len(calls) == AFFORDED
    charges = await in_thread(lambda: list(UsageRecord.objects.values_list("charge", flat=True)))()
    wallet = await in_thread(wallet_of)(bob)
    assert (charges, wallet.posted, wallet.held) == ([5] * AFFORDED, 4, 0)
    for tab in tabs:
        await tab.close()
