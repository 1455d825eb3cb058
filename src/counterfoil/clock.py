"""Time and chance as one argument, so that tests and simulations can bring their own. It never touches the wall clock
except in `utc`, which is for people to read and is compared with nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`monotonic` and `sleep` in seconds; `random` in [0, 1)."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    utc: Callable[[], datetime] = _utc
    random: Callable[[], float] = random.random

    def stamp(self) -> str:
        """The time for people: UTC, ISO 8601, to the second."""
        return self.utc().strftime("%Y-%m-%dT%H:%M:%SZ")

    async def back_off(self, attempt: int, *, base: float = 0.05, cap: float = 5.0) -> None:
        """Sleeps a random time up to `base` x 2^attempt, at most `cap` (full jitter), so that rivals spread out."""
        await self.sleep(self.random() * min(cap, base * 2 ** min(attempt, 16)))
