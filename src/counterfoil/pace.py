"""When the next model call may start: no more than so many at once, and none before the server wants to hear from us.

One `Pace` is shared by all tasks that call one model, first attempts and retries alike, so that one refusal slows all
of them. It promises first come, first served. It never makes, counts or retries a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .clock import Clock

LONGEST_HOLD = 600.0
"""Seconds. A server that asks for more (a day's quota, say) is asked again after this long."""
WIDEST_SPREAD = 2.0
"""Seconds over which the starts that a hold kept back are spread, at most; a quarter of the hold if that is less."""


class Pace:
    """Bounds the calls in flight to `concurrency`, and keeps back new starts while a server's `Retry-After` lasts."""

    def __init__(self, concurrency: int, *, clock: Clock | None = None) -> None:
        self._free = asyncio.Semaphore(concurrency)
        self._clock = clock or Clock()
        self._held_until = self._clock.monotonic()
        self._spread = 0.0
        self.in_flight = 0
        """Calls that have their slot now."""

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Waits for its turn, and takes up one of the slots for as long as the block lasts. Hold it for one call only,
        not while backing off."""
        async with self._free:
            await self._wait_out_the_hold()
            self.in_flight += 1
            try:
                yield
            finally:
                self.in_flight -= 1

    def limited(self, retry_after: float | None) -> None:
        """A server refused a call for its rate: no call starts for `retry_after` seconds (None: nobody else waits)."""
        if retry_after is None or retry_after <= 0:
            return
        hold = min(retry_after, LONGEST_HOLD)
        self._spread = min(hold / 4, WIDEST_SPREAD)
        self._held_until = max(self._held_until, self._clock.monotonic() + hold)

    async def _wait_out_the_hold(self) -> None:
        # A loop, as another refusal may have prolonged the hold while this one slept.
        while (left := self._held_until - self._clock.monotonic()) > 0:
            await self._clock.sleep(left + self._clock.random() * self._spread)
