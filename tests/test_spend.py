"""The laws of the sums: what records, events and results say that calls took."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from counterfoil.display import spending
from counterfoil.document import Usage
from counterfoil.spend import LOST_CALL, NOTHING, as_json, spent, told_of_claim, usage_of

TWO = Usage(2, 100, 10, Decimal("0.5"))
ONE = Usage(1, 50, 5, Decimal("0.25"))


def event(kind: str, by: str, attempt: int | None = None, usage: Usage = NOTHING, **more: Any) -> dict[str, Any]:
    return {"event": kind, "by": by, **({"attempt": attempt} if attempt else {}), **spent(usage), **more}


@pytest.mark.parametrize("usage", [Usage(), TWO, LOST_CALL, Usage(3, 1, 1, None, 2)])
def test_a_usage_comes_back_from_json_as_it_was(usage: Usage):
    """An unknown cost stays unknown, and is no zero."""
    assert usage_of(as_json(usage)) == usage


def test_what_a_history_tells_of_a_claim_is_what_its_worker_said_and_the_call_that_was_lost():
    """Not what was spent on the claims before it, nor on those after it."""
    history = [
        event("claimed", "a", 1),
        event("released", "a", 1, TWO),
        event("claimed", "b", 2),
        event("asking", "b", 2, ONE),
        event("taken over", "a", 3, LOST_CALL, dead="b"),
        event("asking", "a", 3, TWO),
    ]
    assert told_of_claim(history, "b", 2) == ONE + LOST_CALL
    assert told_of_claim(history, "a", 3) == TWO
    assert told_of_claim(history, "c", 4) == Usage()


def test_a_claim_that_was_resumed_is_one_claim():
    """Its attempt has another number, its calls are the same."""
    history = [
        event("claimed", "a", 1),
        event("asking", "a", 1, ONE),
        event("resumed", "a", 2),
        event("asking", "a", 2, TWO),
        event("taken over", "b", 3, LOST_CALL, dead="a"),
    ]
    assert told_of_claim(history, "a", 2) == ONE + TWO + LOST_CALL


def test_calls_of_unknown_outcome_are_named_and_never_free():
    """What they would cost is told by the mean of the others; where that isn't known, nothing is claimed."""
    assert "2 of the calls of unknown outcome, about $0.5000 more" in spending(TWO + LOST_CALL + LOST_CALL)
    assert "1 of the calls of unknown outcome, were" in spending(LOST_CALL)
    assert "unknown outcome" not in spending(TWO)
