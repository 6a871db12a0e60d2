"""Token counts: the last ones told are the ones that hold, and none that cannot be believed."""

from decimal import Decimal

import pytest

from providers import dialects
from providers.types import ContentDelta, Finished, UsageReported
from tests.contract.stories import ALL, STREAMING, TOLD, USAGE, chunk, heard, wire


@pytest.mark.parametrize("usage", [{"prompt_tokens": 1, "completion_tokens": 2}, USAGE])
def test_the_last_usage_wins_wherever_it_comes(usage):
    early = {"prompt_tokens": 9, "completion_tokens": 9}
    before = [chunk({"content": "A"}, usage=early), chunk({}, "stop", usage=usage)]
    after = [
        chunk({"content": "A"}, "stop", usage=early),
        {"choices": [], "usage": usage},
        {"choices": [], "usage": None},
    ]
    told = UsageReported(usage["prompt_tokens"], usage["completion_tokens"], usage.get("reasoning_tokens", 0))
    assert heard("deepinfra", wire(before)) == heard("deepinfra", wire(after))
    assert heard("deepinfra", wire(after)) == [ContentDelta(0, "A"), Finished(0, "stop"), told]


@pytest.mark.parametrize("wrong", [-1, True, 1.0, "1", 10**12, [], {}])
@pytest.mark.parametrize("count", ["prompt_tokens", "completion_tokens", "reasoning_tokens"])
@pytest.mark.parametrize("name", ALL)
def test_hostile_usage_is_no_usage(name, count, wrong):
    choice = {"message": {"content": "A"}, "finish_reason": "stop"}
    events = dialects.get(name).decode_answer({"choices": [choice], "usage": USAGE | {count: wrong}})
    assert events == [ContentDelta(0, "A"), Finished(0, "stop")]


@pytest.mark.parametrize(
    "usage", [None, {}, [], "many", {"prompt_tokens": 1}, {"prompt_tokens": 0, "completion_tokens": 0}]
)
def test_usage_that_tells_nothing_is_no_usage(usage):
    assert heard("openai", wire([chunk({}, "stop", usage=usage)])) == [Finished(0, "stop")]


def test_a_last_usage_that_tells_nothing_undoes_an_early_one():
    stream = wire([chunk({}, "stop", usage=USAGE), {"choices": [], "usage": {}}])
    assert heard("openai", stream) == [Finished(0, "stop")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"estimated_cost": 0.00035493}, UsageReported(10, 20, estimated_cost=Decimal("0.00035493"))),
        ({"estimated_cost": -1}, UsageReported(10, 20)),
        ({"estimated_cost": True}, UsageReported(10, 20)),
        ({"estimated_cost": float("nan")}, UsageReported(10, 20)),
        ({"completion_tokens_details": {"reasoning_tokens": 5}}, UsageReported(10, 20, reasoning=5)),
        ({"completion_tokens_details": {"reasoning_tokens": 50}}, UsageReported(10, 20, reasoning=20)),
        ({"prompt_tokens_details": {"cached_tokens": 50}}, UsageReported(10, 20, cached=10)),
        ({"prompt_cache_hit_tokens": 4}, UsageReported(10, 20, cached=4)),
    ],
)
def test_parts_of_usage_stay_within_their_whole(more, told):
    usage = {"prompt_tokens": 10, "completion_tokens": 20} | more
    assert heard("deepinfra", wire([chunk({}, "stop", usage=usage)])) == [Finished(0, "stop"), told]


@pytest.mark.parametrize("name", ALL)
def test_reasoning_is_told_inside_the_completion_and_never_added(name):
    dialect = dialects.get(name)
    events = dialect.decode_answer({"choices": [{"message": {"content": "A"}}], "usage": USAGE})
    assert events[-1] == UsageReported(prompt=15, completion=250, reasoning=180)
    told = dialect.encode_answer(events, id="1", created=1, model="m")["usage"]
    assert [told[count] for count in USAGE] == list(USAGE.values())


@pytest.mark.parametrize("after", [{"choices": []}, {"choices": [{"index": 0, "delta": {"content": ""}}]}, {}])
@pytest.mark.parametrize("name", STREAMING)
def test_usage_may_follow_the_end_without_a_choice_or_with_one_without_text(name, after):
    stream = wire([chunk({"content": "A"}), chunk({}, "stop"), {**after, "usage": USAGE}])
    assert heard(name, stream) == [ContentDelta(0, "A"), Finished(0, "stop"), TOLD]


@pytest.mark.parametrize("name", STREAMING)
def test_a_stream_without_usage_is_whole_and_tells_none(name):
    stream = wire([chunk({"content": "A"}), chunk({}, "stop", usage=None)])
    assert heard(name, stream) == [ContentDelta(0, "A"), Finished(0, "stop")]


@pytest.mark.parametrize("name", ["eigenai", "segmind", "deepinfra", "openai"])
def test_the_cost_is_told_both_ways(name):
    dialect = dialects.get(name)
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "estimated_cost": 0.0000268}
    events = dialect.decode_answer({"choices": [{"message": {"content": "A"}}], "usage": usage})
    assert events[-1] == UsageReported(1, 2, estimated_cost=Decimal("0.0000268"))
    assert dialect.encode_answer(events, id="1", created=1, model="m")["usage"]["estimated_cost"] == 0.0000268
