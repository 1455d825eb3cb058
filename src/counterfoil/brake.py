"""How a run is stopped: whatever waits between two steps asks here whether to take the next.

It promises that no wait outlasts the stop, and that nothing is interrupted in the middle of a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from .clock import Clock


class Stopped(Exception):
    """The run is being stopped before this document's next step: its claim is given back, with what it cost so far."""


class Brake:
    """`news` is called when somebody begins to wait, or the brake is pulled. `resting` counts who waits."""

    def __init__(self, clock: Clock, news: Callable[[], None]) -> None:
        self._clock, self._news = clock, news
        self._pulled = asyncio.Event()
        self.resting = 0
        self.clock = replace(clock, sleep=self._sleep)
        """The clock for waits that end, with `Stopped`, once the brake is pulled."""

    @property
    def pulled(self) -> bool:
        return self._pulled.is_set()

    def pull(self) -> None:
        self._pulled.set()
        self._news()

    def check(self) -> None:
        """Raises `Stopped` once the brake is pulled."""
        if self.pulled:
            raise Stopped

    async def _sleep(self, seconds: float) -> None:
        rest = [asyncio.create_task(self._pulled.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        self.resting += 1
        self._news()
        try:
            await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.resting -= 1
            for task in rest:
                task.cancel()
        self.check()
