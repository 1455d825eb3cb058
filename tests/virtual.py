"""A loop whose time is virtual: sleeping costs nothing, and a run is the same every time. For tests of protocols."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from counterfoil.clock import Clock

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Whenever nothing is ready, its time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready:
            timers = [timer._when for timer in self._scheduled if not timer._cancelled]
            self._now = max(self._now, min(timers, default=self._now))
        super()._run_once()


def virtually(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def virtual_clock(seed: int = 0) -> Clock:
    """A clock on the running virtual loop, with chance from `seed`."""
    loop = asyncio.get_running_loop()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return Clock(loop.time, asyncio.sleep, lambda: start + timedelta(seconds=loop.time()), random.Random(seed).random)
