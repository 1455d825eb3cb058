"""A limit that the user gave, of calls or tokens a minute, and how many tokens a call will take.

It promises that no minute, wherever a server begins to count it, sees more than the limit, and that starts are spread
over it evenly; where the limit is shared and the share changes, that holds for all processes together. It never waits
itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 61.0
"""Seconds that share one minute's limit. The last of them is for calls that are on their way for different times: two
that start a minute apart may arrive closer to each other. It costs 1.6 % of the pace."""
CREDIT = 0.25
"""Seconds. Starts that came late, as the loop had other work, are made up for; those of a longer pause are not, or
they would come as one burst."""
_ROUNDING = 1e-6


@dataclass(slots=True, eq=False)
class Entry:
    """What one call takes of a budget, until it has left the window."""

    at: float
    cost: float
    counted: bool = True


class Budget:
    """So much a minute. A call that is over the whole limit may start when nothing else is in the window."""

    def __init__(self, a_minute: float) -> None:
        self._whole = a_minute
        self._shares: deque[tuple[float, float]] = deque([(float("-inf"), a_minute)])
        self._due = self._begin = float("-inf")
        self._entries: deque[Entry] = deque()
        self._taken = 0.0

    @property
    def _limit(self) -> float:
        """What is ours of it now, a minute."""
        return self._shares[-1][1]

    @property
    def _rate(self) -> float:
        return self._limit / WINDOW

    def share(self, workers: int, now: float) -> None:
        """From now on ours is one part of so many, for starts at once; what was taken as ours before is not held
        against it, as others have waited for it."""
        self._forget(now)
        before, limit = self._limit, self._whole / workers
        if not self._entries:
            self._shares.clear()
        self._shares.append((now if self._entries else float("-inf"), limit))
        if self._due > now:
            self._due = now + (self._due - now) * before / limit

    def begin(self, at: float) -> None:
        """Nothing is ours before that moment: the first call comes after it as later ones after each other."""
        self._begin = max(self._begin, at)

    def wait(self, cost: float, now: float) -> float:
        """Seconds until a call of this cost may start; ask again then. Not above 0: now."""
        self._forget(now)
        wait = max(self._due, self._begin + cost / self._rate) - now
        over = self._taken + cost - self._allowed(now)
        if self._entries and over > _ROUNDING:
            growth = (self._limit - self._shares[0][1]) / WINDOW
            leaves = self._entries[0].at + WINDOW - now
            wait = max(wait, min(leaves, over / growth) if growth > 0 else leaves)
        return wait

    def _forget(self, now: float) -> None:
        """What has left the window."""
        while self._entries and self._entries[0].at + WINDOW <= now:
            gone = self._entries.popleft()
            gone.counted = False
            self._taken -= gone.cost
        while len(self._shares) > 1 and self._shares[1][0] + WINDOW <= now:
            self._shares.popleft()

    def _allowed(self, now: float) -> float:
        """What the window that ends now may hold: the mean of our shares during it."""
        if len(self._shares) == 1:
            return self._limit
        total, end = 0.0, now
        for since, limit in reversed(self._shares):
            begin = max(since, now - WINDOW)
            total += limit * (end - begin)
            end = begin
        return total / WINDOW

    def take(self, cost: float, now: float) -> Entry:
        """A call starts."""
        entry = Entry(now, cost)
        self._entries.append(entry)
        self._taken += cost
        self._due = max(self._due, now - CREDIT) + cost / self._rate
        return entry

    def correct(self, entry: Entry, cost: float) -> None:
        """What a call that was started really took."""
        more = cost - entry.cost
        entry.cost = cost
        self._due += more / self._rate
        if entry.counted:
            self._taken += more


class TokenEstimate:
    """What a call will take, from the length of its request and from what calls before it took."""

    FIRST_OUTPUT = 400.0
    """Tokens of an answer, until the first is there: an invoice with a few lines."""
    LONGEST_MEMORY = 50
    """Calls. Later ones count as one in so many, so that the estimate follows what documents are like now."""

    def __init__(self) -> None:
        self._per_character = 0.25
        self._output = self.FIRST_OUTPUT
        self._calls = 0

    def tokens(self, characters: int) -> float:
        """Of a request that long and its answer."""
        return characters * self._per_character + self._output

    def learn(self, characters: int, input_tokens: int, output_tokens: int) -> None:
        """A server that counts no tokens teaches nothing."""
        if not (characters and input_tokens):
            return
        self._calls = min(self._calls + 1, self.LONGEST_MEMORY)
        self._per_character += (input_tokens / characters - self._per_character) / self._calls
        self._output += (output_tokens - self._output) / self._calls
