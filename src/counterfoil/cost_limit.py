"""`--max-cost`: whether another call may go out, judged by what the records of the whole OUT say was spent.

It promises that a call is admitted only if what is known to be spent, with each call under way or of unknown outcome
counted as much as the dearest document so far, stays within the limit: across processes, and after any crash, since
nothing but the records is asked. So the limit is passed only if calls turn out dearer than that. Of several workers
each takes its share of what is left between two looks, a second apart at most; when so little is left that all of them
together might take it up in that time, each looks again between its intent and its call. It stores nothing.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from .claims import Claim
from .clock import Clock
from .errors import SetupError, Unanswered, Unavailable
from .model import Answer, Model, Request
from .worker import Worker

NEAR = Decimal("0.25")
"""Of the limit: the least that must be left for workers to rely on their last look."""
_LOOK_HOLDS = 1.0
_WAIT = 1.0
_TOLD_WITHIN = 5.0
"""Seconds from an answer to its record, as a rule: what it cost less than was reckoned is known by then."""


class CostReached(Exception):
    """Nothing more can be afforded, and no call of ours is under way that may turn out cheaper."""


class Withdrawn(Exception):
    """Others have taken up what was left: the intent of this call is to be taken back."""


class CostLimit:
    """At most `most` US dollars for all calls of an OUT, of which each worker makes `concurrency` at once.

    `clock.sleep` may end by raising when the run is stopping."""

    def __init__(self, most: Decimal, worker: Worker, concurrency: int, clock: Clock) -> None:
        self._most, self._worker, self._concurrency, self._clock = most, worker, concurrency, clock
        self._line, self._looking = asyncio.Lock(), asyncio.Lock()
        self._looks = 0
        self._looked_at = float("-inf")
        self._left = Decimal(0)
        self._taken = Decimal(0)
        self._pending = 0
        self._calling: set[Claim] = set()
        self._free: set[Claim] = set()
        self._last_over = float("-inf")

    def watching(self, model: Model, claim: Claim) -> Model:
        """The model, for the calls of one claim: the limit is told when each is over."""
        return _Watched(model, self, claim)

    async def admit(self, claim: Claim, guess: Decimal) -> None:
        """Returns once the next call of this claim may go out, its intent recorded. `guess` (US dollars, rather too
        much) is what it may cost, for as long as no call has told.

        Raises `CostReached`, `Withdrawn`, and what `Worker.intend` raises.
        """
        async with self._line:
            await self._until_it_fits(guess)
            self._pending += 1
        try:
            await self._worker.deeds.intend(claim)
        finally:
            self._pending -= 1
            self._free.discard(claim)
        if self._near(guess):
            await self._look(guess)
            if self._left < 0:
                raise Withdrawn
        self._calling.add(claim)

    def over(self, claim: Claim, *, free: bool) -> None:
        """A call has ended; `free`: with a refusal, so that it costs nothing, though its record says it is out."""
        self._calling.discard(claim)
        self._last_over = self._clock.monotonic()
        if free:
            self._free.add(claim)

    def ended(self, claim: Claim) -> None:
        """This claim makes no more calls, and its record tells what they took."""
        self._free.discard(claim)

    def _near(self, guess: Decimal) -> bool:
        """Whether others may have taken up what was left since the last look."""
        company = self._worker.company
        at_once = company * self._concurrency * self._call(guess)
        return company > 1 and self._left - self._taken < max(NEAR * self._most, at_once)

    async def _until_it_fits(self, guess: Decimal) -> None:
        if self._worker.company > 1 and self._clock.monotonic() - self._looked_at > _LOOK_HOLDS:
            await self._look(guess)
        while not self._fits(guess):
            await self._look(guess)
            if self._fits(guess):
                break
            if not self._may_be_cheaper:
                raise CostReached
            await self._clock.sleep(_WAIT)

    @property
    def _may_be_cheaper(self) -> bool:
        """Whether a call of ours may yet turn out to cost less than is reckoned."""
        return bool(self._calling or self._pending) or self._clock.monotonic() - self._last_over < _TOLD_WITHIN

    def _fits(self, guess: Decimal) -> bool:
        call = self._call(guess)
        probes = not self._known() and not self._may_be_cheaper  # a guess alone must not forbid the first call
        if (self._taken + call) * self._worker.company > self._left and call and not probes:
            return False
        self._taken += call
        return True

    async def _look(self, guess: Decimal) -> None:
        """What is left by a view of all records that began after this call of it did."""
        seen = self._looks
        async with self._looking:
            if self._looks > seen:
                return
            self._looks += 1
            self._looked_at = self._clock.monotonic()
            await self._worker.survey()
            spending = self._worker.spending
            under_way = max(spending.out - len(self._free), 0) + self._pending
            open_calls = spending.spent.unknown_calls + under_way
            self._left = self._most - self._known() - open_calls * self._call(guess)
            self._taken = Decimal(0)

    def _call(self, guess: Decimal) -> Decimal:
        """What a call is reckoned to cost."""
        return self._worker.spending.dearest or guess

    def _known(self) -> Decimal:
        cost = self._worker.spending.spent.cost_usd
        if cost is None:
            raise SetupError(
                "calls of unknown cost are recorded in this OUT, so --max-cost can't hold; use another --out, or go on "
                "without it"
            )
        return cost


class _Watched:
    def __init__(self, model: Model, limit: CostLimit, claim: Claim) -> None:
        self.name = model.name
        self._model, self._limit, self._claim = model, limit, claim

    async def complete(self, request: Request) -> Answer:
        free = False
        try:
            return await self._model.complete(request)
        except Unavailable as error:
            free = not isinstance(error, Unanswered)
            raise
        finally:
            self._limit.over(self._claim, free=free)
