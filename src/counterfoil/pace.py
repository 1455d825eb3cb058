"""When the next model call may start: so many at once, so many a minute, and never before the server wants to hear us.

One `Pace` is shared by all tasks that call one model, first attempts and retries alike, so that one refusal slows all
of them. It promises first come, first served; that limits given in calls or tokens a minute are kept in any minute,
without bursts; and that without a refusal, a limit or a word of the server's nothing is slowed below `concurrency`.
It never makes, counts or retries a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import isfinite

from .allowance import Allowance
from .clock import Clock
from .pace_budget import Budget, Entry, TokenEstimate
from .pace_found import FoundRate, Start
from .pace_told import Told

LONGEST_HOLD = 600.0
"""Seconds. A server that asks for more (a day's quota, say) is asked again after this long."""
WIDEST_SPREAD = 2.0
"""Seconds by which a hold ends later at most, a quarter of it if that is less: other processes wait for its end too."""
LONGEST_NAP = 1.0
"""Seconds after which whoever is first in the line looks again: a newer reply may have said that there is more."""
_INSTANT = 1e-6


@dataclass(slots=True, eq=False)
class Slot:
    """One call's place. `spent` are all tokens that were thought to be taken up to its start, its own included."""

    start: Start
    characters: int
    spent: float
    entry: Entry | None


class Pace:
    """At most `concurrency` calls in flight, `rpm` calls and `tpm` tokens a minute, and what the server bears."""

    def __init__(
        self, concurrency: int, *, rpm: float | None = None, tpm: float | None = None, clock: Clock | None = None
    ) -> None:
        self._free = asyncio.Semaphore(concurrency)
        self._line = asyncio.Lock()
        self._clock = clock or Clock()
        self._held_until = self._clock.monotonic()
        self._requests = Budget(rpm) if rpm else None
        self._tokens = Budget(tpm) if tpm else None
        self._budgets = [budget for budget in (self._requests, self._tokens) if budget]
        self._found = FoundRate()
        self._told = {"requests": Told(LONGEST_HOLD), "tokens": Told(LONGEST_HOLD)}
        self._estimate = TokenEstimate()
        self._workers = 1
        self._started = 0
        self._spent = 0.0
        self._refusals = 0
        self.in_flight = 0
        """Calls that have their slot now."""

    @asynccontextmanager
    async def slot(self, characters: int = 0) -> AsyncGenerator[Slot]:
        """Waits for its turn, and takes up one of the slots for as long as the block lasts. Hold it for one call only,
        not while backing off, and tell `answered` or `refused` how it went. `characters` are those of the request."""
        async with self._free:
            async with self._line:
                slot = await self._start(characters)
            self.in_flight += 1
            try:
                yield slot
            finally:
                self.in_flight -= 1

    def told(self) -> dict[str, float | None]:
        """For people who watch: calls in flight, refusals for the rate so far, seconds that the server wants to hear
        nothing, and the calls a minute that it was found to bear (None: no limit was met)."""
        now = self._clock.monotonic()
        rate, held = self._found.rate(now), max(self._held_until - now, 0.0)
        found = round(60 * rate, 1) if isfinite(rate) else None
        return {"in_flight": self.in_flight, "refused": self._refusals, "held_s": round(held, 1), "a_minute": found}

    def now(self) -> float:
        """Seconds on the clock that the pace goes by."""
        return self._clock.monotonic()

    def share(self, workers: int) -> None:
        """Of `rpm` and `tpm` one part of `workers` is this process's from now on. May be called at any time."""
        workers = max(workers, 1)
        if workers != self._workers:
            self._workers = workers
            for budget in self._budgets:
                budget.share(workers, self._clock.monotonic())

    def hold(self, seconds: float) -> None:
        """Nobody starts for so long: a process that joins others waits until they have seen it, and made room."""
        self._hold_until(self._clock.monotonic() + seconds)
        for budget in self._budgets:
            budget.begin(self._held_until)

    def answered(
        self, slot: Slot, input_tokens: int = 0, output_tokens: int = 0, allowances: Iterable[Allowance] = ()
    ) -> None:
        """The call was answered; tokens as the server counted them, 0 where it did not."""
        self._estimate.learn(slot.characters, input_tokens, output_tokens)
        if input_tokens + output_tokens:
            self._correct(slot, input_tokens + output_tokens)
        self._hear(slot, allowances)

    def refused(self, slot: Slot, retry_after: float | None = None, allowances: Sequence[Allowance] = ()) -> None:
        """The server refused the call for its rate, and asked for `retry_after` seconds without calls."""
        self._refusals += 1
        self._correct(slot, 0)
        emptied = [told.reset or 0.0 for told in allowances if told.remaining <= 0] if retry_after is None else ()
        wait = min(max(retry_after or 0.0, *emptied, 0.0), LONGEST_HOLD)
        self._hold_apart(self._found.refused(slot.start, wait, self._clock.monotonic()))
        self._hear(slot, allowances)

    def _hear(self, slot: Slot, allowances: Iterable[Allowance]) -> None:
        now = self._clock.monotonic()
        for told in allowances:
            since = self._started - slot.start.number if told.of == "requests" else self._spent - slot.spent
            empty = self._told[told.of].heard(told, slot.start.number, slot.start.at, since, now)
            if empty > 0:  # as good as a refusal, and it cost none
                self._found.decrease(slot.start, empty, now)

    def _correct(self, slot: Slot, tokens: float) -> None:
        if self._tokens and slot.entry:
            self._tokens.correct(slot.entry, tokens)

    def _hold_apart(self, seconds: float) -> None:
        if seconds > 0:
            late = self._clock.random() * min(seconds / 4, WIDEST_SPREAD)
            self._hold_until(self._clock.monotonic() + seconds + late)

    def _hold_until(self, moment: float) -> None:
        self._held_until = max(self._held_until, moment)

    async def _start(self, characters: int) -> Slot:
        """Only the first in the line is in here. A loop, as what is said meanwhile may prolong its wait or end it."""
        tokens = self._estimate.tokens(characters)
        while (wait := self._wait(tokens, self._clock.monotonic())) > _INSTANT:
            await self._clock.sleep(min(wait, LONGEST_NAP))
        return self._go(characters, tokens, self._clock.monotonic())

    def _wait(self, tokens: float, now: float) -> float:
        return max(
            self._held_until - now,
            self._requests.wait(1, now) if self._requests else 0.0,
            self._tokens.wait(tokens, now) if self._tokens else 0.0,
            self._found.wait(now),
            self._told["requests"].wait(1, now),
            self._told["tokens"].wait(tokens, now),
        )

    def _go(self, characters: int, tokens: float, now: float) -> Slot:
        self._started += 1
        self._spent += tokens
        slot = Slot(Start(self._started, now), characters, self._spent, None)
        if self._requests:
            self._requests.take(1, now)
        if self._tokens:
            slot.entry = self._tokens.take(tokens, now)
        self._found.started(slot.start)
        self._told["requests"].started(1, now)
        self._told["tokens"].started(tokens, now)
        return slot
