"""The rate of starts that a server turns out to bear, found from what it refuses.

Nothing is limited before the first refusal. A refusal is a decrease to a little less than what the last minute's calls
show that the server takes; then the rate grows again, slowly near what is known and faster the longer it is not
refused (the curve of TCP CUBIC). What is refused alike at any rate (see `pace_noise`) is no reason to decrease. It
promises one decrease a round trip: what was on its way when the rate fell says nothing of the lower one, it only
corrects what the server took. It never waits itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .pace_budget import CREDIT
from .pace_noise import Noise

MINUTE = 60.0
MEMORY = 3 * MINUTE
"""Seconds for which starts are remembered: a minute before the start of a call whose refusal was slow to arrive."""
DECREASE = 0.98
"""Of what fits. Not less, as what fits is measured, not guessed from the rate that was refused; and a server that now
and then refuses a call whatever the rate must not bring us down to nothing."""
GROWTH = 120.0
"""Seconds in which the rate doubles from the last known limit, once back there; from 98 % it is back in 33 s."""
FEW, QUICK_GROWTH = 10, 20.0
"""If fewer calls were taken than FEW, the limit is not known: FEW a minute is where to begin, and growth is quick."""
LONG_WAIT = 10.0
"""Seconds. A server that asks for so long a wait counts by the minute; one refusal alone could be by the second."""
RECENT = 200
"""Calls, of which the share refused is compared with that of chance."""
MOST_CLOSED = 5
CLOSED_HOLD = 0.5


@dataclass(slots=True, eq=False)
class Start:
    """One start of a call; `number` counts from 1."""

    number: int
    at: float
    refused: bool = False


class FoundRate:
    """`wait`, `started` and `refused` are told the time; the rate is in starts a second, infinite until refused."""

    def __init__(self) -> None:
        self._starts: deque[Start] = deque()
        self._first: float | None = None
        self._last_number = 0
        self._decreased: int | None = None
        self._closed = 0
        self._fits = 0.0
        self._span = MINUTE
        self._noise = Noise()
        self._growth = GROWTH
        self._judged_to, self._judged_at = 0, 0.0
        self._holds: deque[tuple[float, float]] = deque()
        self._resumed = self._due = float("-inf")

    def wait(self, now: float) -> float:
        return self._due - now

    def started(self, start: Start) -> None:
        self._first = start.at if self._first is None else self._first
        self._last_number = start.number
        self._starts.append(start)
        self._noise.started(start.number)
        while self._starts[0].at + MEMORY < start.at:
            self._starts.popleft()
        if self._decreased is not None:
            self._due = max(self._due, start.at - CREDIT) + 1 / self.rate(start.at)

    def refused(self, start: Start, retry_after: float | None, now: float) -> float:
        """The server did not take this call. Returns for how many seconds nobody should start."""
        asked = retry_after or 0.0
        if not start.refused:
            start.refused = True
            self._fits -= start.number <= (self._decreased or 0)
        self._note_hold(asked, now)
        if self._is_chance(start, now + asked):
            return asked
        return max(asked, self.decrease(start, asked, now))

    def _is_chance(self, start: Start, resumes: float) -> bool:
        """A refusal of a call that went out at the rate as it is now, and no more than there are at any rate."""
        if self._decreased is None or start.number <= self._decreased:
            return False
        known = self._noise.share > 0
        calls = max(start.number - self._judged_to, 0)
        proved = self._noise.refused(self._last_number, calls, max(start.at - self._judged_at, 0.0))
        self._judged_to = max(self._judged_to, start.number)
        self._judged_at = max(self._judged_at, start.at)
        if proved and proved > self.rate(resumes):
            self._fits, self._span, self._resumed, self._closed = proved * MINUTE, MINUTE, resumes, 0
            self._growth = GROWTH if known else QUICK_GROWTH
        first = max(self._decreased, start.number - RECENT)
        recent = [s.refused for s in self._starts if first < s.number <= start.number]
        return self._noise.explains(sum(recent), len(recent))

    def decrease(self, start: Start, hold: float, now: float) -> float:
        """The server takes no more than it took in the last minute, as the reply to `start` says. Returns as above."""
        if self._decreased is not None and start.number <= self._decreased:
            return 0.0
        asked = hold
        again = self._decreased is not None and start.refused and start.number == self._decreased + 1
        self._closed = min(self._closed + 1, MOST_CLOSED) if again else 0
        if self._closed:  # not too fast but shut: only ask now and then whether it is open again
            hold = max(hold, CLOSED_HOLD * 2**self._closed)
        self._decreased = self._last_number
        # Calls overtake each other on their way: those started after the one that was refused may have been taken in
        # its place. So all that were started are counted, and those of them that turn out refused are taken off.
        since = self._starts[-1].at - MINUTE
        self._fits = sum(s.at > since and not s.refused for s in self._starts)
        age = start.at - (self._first if self._first is not None else start.at)
        self._growth = GROWTH if self._fits >= FEW else QUICK_GROWTH
        self._span = MINUTE if hold >= LONG_WAIT else self._time_used(age, now)
        self._judged_to, self._judged_at = self._last_number, now + (hold if hold > asked or hold >= LONG_WAIT else 0.0)
        self._resumed = self._due = now + hold
        return hold

    def _note_hold(self, hold: float, now: float) -> None:
        """Remembers the time that a short wait forbade us to use: what was taken was taken in the rest."""
        end = self._holds[-1][1] if self._holds else now
        if now + hold > max(end, now) and hold < LONG_WAIT:
            self._holds.append((max(end, now), now + hold))

    def _time_used(self, age: float, now: float) -> float:
        while self._holds and self._holds[0][1] < now - MINUTE:
            self._holds.popleft()
        whole = min(max(age, 1.0), MINUTE)
        held = sum(min(end, now) - start for start, end in self._holds if start < now)
        return max(whole - held, whole / 8)

    def rate(self, now: float) -> float:
        if self._decreased is None:
            return float("inf")
        fits = max(self._fits, FEW)
        limit = fits / self._span
        first = DECREASE * max(min(fits / MINUTE, limit), limit / 2**self._closed)
        growth = self._growth
        back = growth * (1 - first / limit) ** (1 / 3)
        rate = limit * (1 + ((max(now - self._resumed, 0.0) - back) / growth) ** 3)
        return min(rate, self._noise.fastest)
