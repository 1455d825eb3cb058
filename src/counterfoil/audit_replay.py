"""The life of a document, told by its history: what `verify` replays, by rules of its own.

They are written anew, independent of the code that wrote the records. It reads and writes nothing.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from .audit_review import REVIEWS, Reviews
from .commit import Record

FINISHES = {"done", "review", "failed"}
_SUMS = ("calls", "unknown_calls", "input_tokens", "output_tokens")


class Replay:
    """The life of a document, told by its history."""

    def __init__(self) -> None:
        self.status = "absent"
        self.owner: str | None = None
        self.attempt = 0
        self.asking = False
        self.spent = Counter[str]()
        self.cost: Decimal | None = Decimal(0)
        self.reviews = Reviews()
        self._events = 0

    def step(self, event: Record) -> str | None:
        """Takes one event; says what is wrong with it, None if nothing is."""
        kind, at = event["event"], event["at"]
        self._spend(event)
        before, events = self.status, self._events
        self._events += 1
        if kind == "outdated":
            return None if before == "approved" else f"outdated at {at} while it was {before}"
        if kind in REVIEWS:
            self.status = self.reviews.next(kind)
            return self.reviews.step(event, before, events)
        self.status = self._next(kind)
        self.reviews.begin(kind)
        if wrong := self._ask(kind, event, before):
            return wrong
        if kind == "planned":
            return None if before == "absent" else f"planned again at {at}"
        if kind in ("retried", "source changed"):
            return f"{kind} at {at} while it was {before}" if before in ("running", "approved") else None
        if kind in ("claimed", "taken over", "resumed"):
            return self._claim(kind, event, before)
        if kind == "failed" and "dead" in event:
            return None if before == "running" and event["dead"] == self.owner else f"declared poison at {at} unclaimed"
        if kind in FINISHES or kind in ("begun", "read", "released", "asking", "batched", "collected"):
            return self._by_holder(kind, event, before)
        return f"unknown event {kind!r} at {at}"

    def _next(self, kind: str) -> str:
        if kind in ("claimed", "taken over", "resumed", "begun", "read", "asking", "collected"):
            return "running"
        return kind if kind in FINISHES else "pending"

    def _claim(self, kind: str, event: Record, before: str) -> str | None:
        owner, attempt = self.owner, self.attempt
        self.owner, self.attempt = event["by"], event["attempt"]
        if event["attempt"] != attempt + 1:
            return f"attempt {event['attempt']} at {event['at']} follows attempt {attempt}"
        if kind == "taken over":
            return None if before == "running" and event["dead"] == owner else f"taken over at {event['at']} unclaimed"
        again = before == "running" and event["by"] == owner
        fine = again if kind == "resumed" else again or before == "pending"
        return None if fine else f"{kind} at {event['at']} while it was {before}"

    def _ask(self, kind: str, event: Record, before: str) -> str | None:
        """A call that was out when its claim was taken away is counted then, as one of unknown outcome."""
        taken = before == "running" and (kind in ("claimed", "taken over") or "dead" in event)
        lost = taken and self.asking
        if kind not in ("resumed", "begun", "read"):
            self.asking = kind == "asking" or (kind in ("claimed", "taken over") and "asking" in event)
        if taken and (event.get("calls", 0), event.get("unknown_calls", 0)) != (lost, lost):
            return f"{kind} at {event['at']} while a call was {'' if lost else 'not '}out, and it says otherwise"
        return None

    def _by_holder(self, kind: str, event: Record, before: str) -> str | None:
        if before != "running":
            return f"{kind} at {event['at']} by {event['by']}, though it was {before}"
        if (event["by"], event["attempt"]) != (self.owner, self.attempt):
            return f"{kind} at {event['at']} by {event['by']}, who did not hold it"
        return None

    def _spend(self, event: Record) -> None:
        self.spent.update({key: event[key] for key in _SUMS if key in event})
        if "cost_usd" in event:
            cost = event["cost_usd"]
            self.cost = None if cost is None or self.cost is None else self.cost + Decimal(cost)

    def same_spend(self, record: Record) -> bool:
        cost = record.get("cost_usd", "0")
        same_cost = self.cost is None if cost is None else self.cost == Decimal(cost)
        return same_cost and all(self.spent[key] == record.get(key, 0) for key in _SUMS)
