"""Several processes that share one limit, each with a part of it that changes as others come and go."""

from __future__ import annotations

import asyncio
from bisect import bisect_left

import pytest
from tests.virtual import virtual_clock, virtually

from counterfoil.clock import Clock
from counterfoil.pace import Pace
from counterfoil.pace_budget import WINDOW, Budget

HELD, NOTICED = 4.0, 2.0
"""Seconds that a newcomer waits, and after which the others have seen it at the latest."""


class Crowd:
    """One process: as many callers as would keep any limit busy. `starts` are moments, one for each call's cost."""

    def __init__(self, clock: Clock, starts: list[tuple[float, float]], workers: int, **limits: float) -> None:
        self.pace = Pace(64, clock=clock, **limits)
        self.pace.share(workers)
        self._clock, self._starts = clock, starts
        self._tasks = [asyncio.create_task(self._calls()) for _ in range(64)]

    async def _calls(self) -> None:
        while True:
            async with self.pace.slot(2000) as slot:
                tokens = self._clock.random() * 1600 + 100
                self._starts.append((self._clock.monotonic(), tokens))
                await self._clock.sleep(1.5 + self._clock.random())
                self.pace.answered(slot, int(tokens / 2), int(tokens / 2))

    def leave(self) -> None:
        for task in self._tasks:
            task.cancel()


async def come_and_go(**limits: float) -> list[tuple[float, float]]:
    """One from 0 s, three more from 200 s that hold, known to the first two seconds later; two leave at 400 s."""
    clock, starts = virtual_clock(), list[tuple[float, float]]()
    crowds = [Crowd(clock, starts, 1, **limits)]
    await clock.sleep(200)
    for _ in range(3):
        crowds.append(Crowd(clock, starts, 4, **limits))
        crowds[-1].pace.hold(HELD)
    await clock.sleep(NOTICED)
    crowds[0].pace.share(4)
    await clock.sleep(200 - NOTICED)
    for crowd in crowds[:2]:
        crowd.leave()
    for crowd in crowds[2:]:
        await clock.sleep(NOTICED)
        crowd.pace.share(2)
    await clock.sleep(200 - 2 * NOTICED)
    for crowd in crowds:
        crowd.leave()
    return starts


def most_in_a_minute(starts: list[tuple[float, float]]) -> int:
    moments = [at for at, _ in starts]
    return max(bisect_left(moments, at + 60) - first for first, at in enumerate(moments))


@pytest.mark.parametrize("rpm", [20, 60, 600])
def test_processes_that_come_and_go_never_start_more_than_the_limit_together(rpm: int):
    """In no 60 s of ten minutes, and after each change they use nine tenths of it within a minute."""
    starts = virtually(come_and_go(rpm=rpm))
    assert most_in_a_minute(starts) <= rpm
    for change in (0, 200, 400):
        assert sum(change + 60 <= at < change + 120 for at, _ in starts) >= 0.9 * rpm


def test_a_process_whose_share_shrank_goes_on_at_once_at_the_new_rate():
    """What it took as its own before is no reason to wait: 15 in the next minute, not none."""
    budget, now, starts = Budget(60), 0.0, list[float]()
    while now < 300:
        if now >= 200 and budget._limit == 60:  # pyright: ignore[reportPrivateUsage]
            budget.share(4, now)
        if budget.wait(1, now) <= 0:
            budget.take(1, now)
            starts.append(now)
        now += 0.05
    assert 13 <= sum(201 <= at < 261 for at in starts) <= 15
    assert starts[-1] > 290


def test_a_share_that_grows_back_is_used_at_once():
    """The next start is due in a second, not in the four of the smaller share."""
    budget = Budget(WINDOW)
    budget.share(4, 0.0)
    budget.take(1, 0.0)
    assert budget.wait(1, 0.0) == pytest.approx(4, abs=0.3)
    budget.share(1, 0.0)
    assert budget.wait(1, 0.0) == pytest.approx(1, abs=0.1)


def test_tokens_are_shared_as_calls_are():
    """Calls whose tokens differ widely, known only afterwards: 100,000 a minute for all together, to a few calls."""
    starts = virtually(come_and_go(tpm=100_000))
    for begin in range(0, 540, 5):
        assert sum(tokens for at, tokens in starts if begin <= at < begin + 60) <= 100_000 * 1.03
    assert sum(tokens for at, tokens in starts if 260 <= at < 320) >= 0.85 * 100_000


def test_a_hold_lets_nobody_start_and_what_is_not_shared_is_not_slowed():
    """A newcomer's first call starts when the hold ends; without a limit a share changes nothing."""

    async def story() -> list[float]:
        clock, starts = virtual_clock(), list[tuple[float, float]]()
        crowd = Crowd(clock, starts, 4)
        crowd.pace.hold(HELD)
        await clock.sleep(HELD + 0.5)
        crowd.leave()
        return [at for at, _ in starts]

    assert virtually(story()) == [pytest.approx(HELD)] * 64
