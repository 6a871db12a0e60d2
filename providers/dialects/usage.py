"""Token counts as upstreams report them, and as our faces do."""

import math
from decimal import Decimal
from typing import Any

from providers.types import UsageReported

# No answer is this long. A larger count is a broken or hostile server, and would not fit the ledger either.
COUNT_LIMIT = 1_000_000_000


def read_usage(usage: object) -> UsageReported | None:
    """The counts, or None when they cannot be believed: then the caller counts. Reasoning is part of completion."""
    if not isinstance(usage, dict):
        return None
    prompt: Any = usage.get("prompt_tokens")
    completion: Any = usage.get("completion_tokens")
    reasoning = _first(usage.get("reasoning_tokens"), _inside(usage, "completion_tokens_details", "reasoning_tokens"))
    cached = _first(_inside(usage, "prompt_tokens_details", "cached_tokens"), usage.get("prompt_cache_hit_tokens"))
    if not all(_is_count(count) for count in (prompt, completion, reasoning, cached)) or prompt == completion == 0:
        return None
    return UsageReported(
        prompt=prompt,
        completion=completion,
        reasoning=min(reasoning, completion),
        cached=min(cached, prompt),
        estimated_cost=_cost(usage.get("estimated_cost")),
    )


def four_counts(usage: UsageReported) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "reasoning_tokens": usage.reasoning,
        "total_tokens": usage.prompt + usage.completion,
    }


def three_counts(usage: UsageReported) -> dict[str, Any]:
    """The plain counts; the cost when it is known, and the reasoning when there was any."""
    counts = four_counts(usage)
    if not usage.reasoning:
        del counts["reasoning_tokens"]
    return counts | cost_of(usage)


def all_counts(usage: UsageReported) -> dict[str, Any]:
    return (
        four_counts(usage)
        | {
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
            "prompt_tokens_details": {"cached_tokens": usage.cached},
        }
        | cost_of(usage)
    )


def cost_of(usage: UsageReported) -> dict[str, Any]:
    return {} if usage.estimated_cost is None else {"estimated_cost": float(usage.estimated_cost)}


def _first(*counts: Any) -> Any:
    return next((count for count in counts if count is not None), 0)


def _inside(usage: dict[str, Any], owner: str, name: str) -> Any:
    details = usage.get(owner)
    return details.get(name) if isinstance(details, dict) else None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= COUNT_LIMIT


def _cost(value: Any) -> Decimal | None:
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= COUNT_LIMIT:
        return None
    return Decimal(str(value))
