"""A limit that the user gave, of calls or tokens a minute, and how many tokens a call will take.

It promises that no minute, wherever a server begins to count it, sees more than the limit, and that starts are spread
over it evenly. It never waits itself.
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


@dataclass(slots=True, eq=False)
class Entry:
    """What one call takes of a budget, until it has left the window."""

    at: float
    cost: float
    counted: bool = True


class Budget:
    """So much a minute. A call that is over the whole limit may start when nothing else is in the window."""

    def __init__(self, a_minute: float) -> None:
        self._limit = a_minute
        self._rate = a_minute / WINDOW
        self._due = float("-inf")
        self._entries: deque[Entry] = deque()
        self._taken = 0.0

    def wait(self, cost: float, now: float) -> float:
        """Seconds until a call of this cost may start; ask again then. Not above 0: now."""
        while self._entries and self._entries[0].at + WINDOW <= now:
            gone = self._entries.popleft()
            gone.counted = False
            self._taken -= gone.cost
        wait = self._due - now
        if self._entries and self._taken + cost > self._limit:
            wait = max(wait, self._entries[0].at + WINDOW - now)
        return wait

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
