"""The share of calls that a server refuses whatever the rate, which is no reason to slow down.

A limit refuses nothing once we are slower than it; chance refuses the same share at any rate. So where calls go on
being refused, some go out markedly slower, as a trial: what is refused of them still is chance. It never waits itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

SUSPECT, ENOUGH = 10, 20
"""Refusals after which a share is worth a trial, and those that make one."""
SLOWER = 0.7
"""A trial's rate, of the one before. A limit that refused no more than MOST of that is above it."""
STILL = 0.5
"""Of the share before, if a trial's is less the refusals were a limit's: not none, as rates are never quite even."""
ENDS_EARLY = 4
"""Refusals that chance would have brought about, when a trial with next to none may end."""
FEWEST, MOST = 0.02, 0.15
"""Of all calls. Fewer are not worth a trial; for a server that refuses more we slow down, whatever its reason."""
BLOCKS_BELIEVED = 20
"""What was found is tried anew after 2, 4, 8 ... times SUSPECT refusals, the later the more often it was found, at most
after so many."""
FIRST = 10
"""Calls that every count is taken to have more: the first few after a decrease say little."""
SIGMAS = 5.0


@dataclass(slots=True)
class Block:
    calls: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        return self.refused / max(self.calls, 1)


class Noise:
    """`share` is what is known to be chance; `fastest` the rate, in calls a second, that a trial must not exceed."""

    def __init__(self) -> None:
        self.share = 0.0
        self.fastest = inf
        self._block = Block()
        self._suspect: Block | None = None
        self._first = 0
        self._blocks = self._agreed = 0
        self._next_trial = 1

    def explains(self, refused: int, calls: int) -> bool:
        """Whether so many of so many may well be chance."""
        share = max(self.share, self._suspect.share) if self._suspect else self.share
        expected = share * (calls + FIRST)
        return refused <= expected + SIGMAS * sqrt(expected)

    def started(self, number: int) -> None:
        """A trial without refusals ends too."""
        if self._suspect:
            expected = (number - self._first) * self._suspect.share
            if expected > 2 * ENOUGH or (expected > ENDS_EARLY and not self._block.refused):
                self._end_of_trial(self._suspect)

    def refused(self, number: int, calls: int, seconds: float) -> float | None:
        """Call `number` was refused, the last of so many calls that started within so many seconds. Returns the rate, a
        second, that the server turns out to bear no worse than a lower one, where that has been found out."""
        block = self._block
        block.calls, block.refused, block.seconds = block.calls + calls, block.refused + 1, block.seconds + seconds
        if self._suspect:
            return self._end_of_trial(self._suspect) if block.refused >= ENOUGH else None
        if block.refused < SUSPECT:
            return None
        self._blocks += 1
        worth = self.share > 0 or FEWEST <= block.share <= MOST
        if worth and self._blocks >= self._next_trial and block.seconds > 0:
            self._suspect = block
            self.fastest = SLOWER * block.calls / block.seconds
            self._first = number
        elif block.share < self.share / 2:
            self.share = block.share
        self._block = Block()
        return None

    def _end_of_trial(self, before: Block) -> float | None:
        block, self._block, self._suspect, self.fastest, self._blocks = self._block, Block(), None, inf, 0
        chance = STILL * before.share <= block.share <= MOST
        self._agreed = self._agreed + 1 if chance == (self.share > 0) else 1
        self._next_trial = min(2**self._agreed, BLOCKS_BELIEVED)
        self.share = block.share if chance else 0.0
        return before.calls / before.seconds if chance else None
