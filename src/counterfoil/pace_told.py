"""What a server said is left of one of its limits, less what was started since: the end is seen before it is reached.

It never waits itself.
"""

from __future__ import annotations

from .allowance import Allowance

SCARCE = 0.05
"""Of the limit. What is left below that is spread over the time until there is more."""
UNTOLD_RESET = 1.0
"""Seconds, where the server did not say when there is more."""


class Told:
    """The newest word on requests or on tokens. A cost is 1, or the tokens of a call."""

    def __init__(self, longest_hold: float) -> None:
        self._longest_hold = longest_hold
        self._newest = 0
        self._left = 0.0
        self._limit = 0
        self._until = self._due = float("-inf")

    def heard(self, allowance: Allowance, number: int, started: float, spent_since: float, now: float) -> float:
        """Takes the word of the reply to call `number`, if newer; returns for how long nothing is left, in seconds."""
        if number < self._newest:
            return 0.0
        self._newest = number
        reset = UNTOLD_RESET if allowance.reset is None else allowance.reset
        # As of when the call went out: a reply that took longer than the reset says nothing of now.
        self._until = min(started + reset, now + self._longest_hold)
        self._limit = max(self._limit, allowance.limit, allowance.remaining)
        self._left = allowance.remaining - spent_since
        self._spread(0.0, now)
        return self._until - now if allowance.remaining <= 0 else 0.0

    def wait(self, cost: float, now: float) -> float:
        """Seconds until a call of this cost may start; ask again then. Not above 0: now."""
        if now >= self._until:
            return 0.0
        return self._until - now if self._left < cost else self._due - now

    def started(self, cost: float, now: float) -> None:
        self._left -= cost
        self._spread(cost, now)

    def _spread(self, cost: float, now: float) -> None:
        scarce = 0 < self._left < SCARCE * self._limit and now < self._until
        self._due = now + cost * (self._until - now) / self._left if scarce else now
