"""Servers that enforce a limit, and a crowd of callers that drives one through a `Pace`, all in virtual time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.virtual import virtual_clock, virtually

from counterfoil.allowance import Allowance
from counterfoil.pace import Pace


class Limiter(Protocol):
    """Takes a call of some cost or says after how many seconds to come again."""

    def take(self, cost: float, now: float) -> float | None: ...

    def left(self, now: float) -> tuple[float, float]:
        """What is left, and the seconds until there is more."""
        ...


@dataclass
class SlidingWindow:
    """No more than `limit` in any 60 seconds."""

    limit: float
    taken: deque[tuple[float, float]] = field(default_factory=deque[tuple[float, float]])

    def take(self, cost: float, now: float) -> float | None:
        if cost > self.left(now)[0]:
            return self.left(now)[1]
        self.taken.append((now, cost))
        return None

    def left(self, now: float) -> tuple[float, float]:
        while self.taken and self.taken[0][0] + 60 <= now:
            self.taken.popleft()
        return self.limit - sum(c for _, c in self.taken), self.taken[0][0] + 60 - now if self.taken else 0.0


@dataclass
class FixedWindow:
    """No more than `limit` from minute to minute; `ends` is when the first one ends."""

    limit: float
    ends: float = 37.0
    taken: float = 0.0

    def take(self, cost: float, now: float) -> float | None:
        left, reset = self.left(now)
        if cost > left:
            return reset
        self.taken += cost
        return None

    def left(self, now: float) -> tuple[float, float]:
        while now >= self.ends:
            self.ends, self.taken = self.ends + 60, 0.0
        return self.limit - self.taken, self.ends - now


@dataclass
class TokenBucket:
    """Refilled with `limit` a minute, and holds `burst` at most."""

    limit: float
    burst: float
    level: float | None = None
    at: float = 0.0

    def take(self, cost: float, now: float) -> float | None:
        left, _ = self.left(now)
        if cost > left:
            return (cost - left) * 60 / self.limit
        self.level = left - cost
        return None

    def left(self, now: float) -> tuple[float, float]:
        level = self.burst if self.level is None else self.level
        self.level, self.at = min(self.burst, level + (now - self.at) * self.limit / 60), now
        return self.level, (self.burst - self.level) * 60 / self.limit


@dataclass
class Course:
    """When calls were taken and refused, by the server's clock; the most in flight."""

    taken: list[float] = field(default_factory=list[float])
    refused: list[float] = field(default_factory=list[float])
    most: int = 0

    def pace(self, since: float, until: float) -> float:
        """Calls taken a minute."""
        return 60 * sum(since <= at < until for at in self.taken) / (until - since)

    def share(self, since: float = 0.0) -> float:
        """Refused of all calls."""
        refused = sum(at >= since for at in self.refused)
        return refused / max(refused + sum(at >= since for at in self.taken), 1)


def drive(
    limiter: Limiter | None,
    *,
    concurrency: int = 128,
    seconds: float = 300.0,
    latency: float = 2.0,
    says_when: bool = True,
    headers: bool = False,
    cost: Callable[[int], float] = lambda _: 1.0,
    **limits: float,
) -> Course:
    """As many callers as there are slots, and a few more, each with one call after another."""

    async def story() -> Course:
        clock, course, flying = virtual_clock(), Course(), 0
        pace = Pace(concurrency, clock=clock, **limits)
        number = 0

        async def one_call() -> float:
            nonlocal flying, number
            async with pace.slot(3200) as slot:
                flying += 1
                course.most = max(course.most, flying)
                number += 1
                price = cost(number)
                await clock.sleep(0.01 + 0.08 * clock.random())  # on its way
                now = clock.monotonic()
                wait = limiter.take(price, now) if limiter else None
                told: tuple[Allowance, ...] = ()
                if headers and limiter:
                    left, reset = limiter.left(now)
                    told = (Allowance("requests", int(left), reset),)
                (course.taken if wait is None else course.refused).append(now)
                await clock.sleep(0.05 if wait is not None else latency * (0.75 + 0.5 * clock.random()))
                flying -= 1
                if wait is not None:
                    pace.refused(slot, wait if says_when else None, told)
                    return wait if says_when else clock.random()
                pace.answered(slot, int(price * 0.8), int(price * 0.2), told)
                return 0.0

        async def caller() -> None:
            while True:
                await clock.sleep(await one_call())

        crowd = [asyncio.create_task(caller()) for _ in range(concurrency * 5 // 4)]
        await clock.sleep(seconds)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        return course

    return virtually(story())
