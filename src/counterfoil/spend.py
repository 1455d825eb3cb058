"""What records, events and results say that model calls took, and how it is summed. Pure functions of JSON values.

Every sum that anybody is shown is made here, from the records, when it is asked for: none is kept where it could drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from .document import Usage

NOTHING = Usage()
LOST_CALL = Usage(calls=1, unknown_calls=1)
"""A call that was out when its worker died or was superseded: it may have been answered, and then it has to be paid."""
_TAKEN_UP = frozenset({"claimed", "taken over"})


def usage_of(said: Mapping[str, Any]) -> Usage:
    """What a record, an event or a result's `usage` says; nothing where it says nothing."""
    cost = said.get("cost_usd", "0")
    return Usage(
        said.get("calls", 0),
        said.get("input_tokens", 0),
        said.get("output_tokens", 0),
        None if cost is None else Decimal(cost),
        said.get("unknown_calls", 0),
    )


def as_json(usage: Usage) -> dict[str, Any]:
    """A usage as it stands in records and results: the inverse of `usage_of`."""
    return {
        "calls": usage.calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": money(usage.cost_usd),
        "unknown_calls": usage.unknown_calls,
    }


def spent(usage: Usage) -> dict[str, Any]:
    """What a usage adds to a history event: nothing where there was none."""
    return as_json(usage) if usage != NOTHING else {}


def added(record: Mapping[str, Any], usage: Usage) -> dict[str, Any]:
    """The sums of a record with `usage` added; a cost becomes null once a part of it isn't known."""
    return as_json(usage_of(record) + usage)


def batch_request(record: Mapping[str, Any]) -> bool:
    """Whether a batch holds a request that this record will tell of, once it is collected."""
    batch = record.get("batch")
    return bool(batch) and not batch.get("shared")


def money(amount: Decimal | None) -> str | None:
    """Decimal text without an exponent."""
    return None if amount is None else format(amount, "f")


def told_of_claim(history: Iterable[Mapping[str, Any]], worker: str, attempt: int) -> Usage:
    """What a history says of the calls of one claim: that of `worker` that was, or became, this attempt.

    That is what the worker said itself, and the call that was counted as lost when the claim was taken from it.
    """
    told, ours = NOTHING, False
    for event in history:
        by = event.get("by")
        if event["event"] in _TAKEN_UP or "dead" in event:
            if ours:  # the end of our claim, told by whoever came next
                told += usage_of(event)
            ours = by == worker and event.get("attempt", attempt + 1) <= attempt
            told = NOTHING if ours else told
        elif ours:
            told += usage_of(event) if by == worker else NOTHING
            ours = event["event"] in ("asking", "resumed")
    return told
