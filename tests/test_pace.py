"""When a call may start."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.virtual import virtual_clock, virtually

from counterfoil.clock import Clock
from counterfoil.pace import LONGEST_HOLD, WIDEST_SPREAD, Pace


class Virtual:
    """Time that passes only by being slept through."""

    def __init__(self, chance: float = 0.0) -> None:
        self.now = 1000.0
        self.chance = chance
        self.clock = Clock(monotonic=lambda: self.now, sleep=self.sleep, random=lambda: self.chance)

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, end)


async def start_of(pace: Pace, time: Virtual) -> float:
    async with pace.slot():
        return time.now - 1000


def test_no_more_calls_than_the_concurrency_are_in_flight():
    """Fifty tasks want in, three are in at any moment, and all get their turn."""

    async def story() -> tuple[int, int]:
        pace, inside, most, done = Pace(3), 0, 0, 0

        async def call() -> None:
            nonlocal inside, most, done
            async with pace.slot():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                done += 1

        await asyncio.gather(*(call() for _ in range(50)))
        return most, done

    assert asyncio.run(story()) == (3, 50)


async def refused(pace: Pace, *waits: float | None) -> None:
    """As many calls as there are waits start at once, and are all refused."""
    async with AsyncExitStack() as stack:
        slots = [await stack.enter_async_context(pace.slot()) for _ in waits]
    for slot, wait in zip(slots, waits, strict=True):
        pace.refused(slot, wait)


def first_start(*waits: float | None, chance: float = 0.0) -> float:
    """When the next call after such refusals starts."""

    async def story() -> float:
        time = Virtual(chance)
        pace = Pace(10, clock=time.clock)
        await refused(pace, *waits)
        return await start_of(pace, time)

    return asyncio.run(story())


def test_one_refusal_holds_back_the_starts_of_everybody():
    """After a Retry-After of 7 s no task starts before 7 s are over."""

    async def story() -> list[float]:
        time = Virtual()
        pace = Pace(10, clock=time.clock)
        await refused(pace, 7)
        return await asyncio.gather(*(start_of(pace, time) for _ in range(20)))

    starts = asyncio.run(story())
    assert starts[0] == pytest.approx(7)
    assert starts == sorted(starts)


def test_a_refusal_that_gives_no_time_holds_back_nobody_else():
    """Only the refused call backs off then; this is its caller's business."""
    assert first_start(None) == 0


def test_a_shorter_wait_never_ends_a_longer_one():
    """The latest moment that any refusal named is the one that counts."""
    assert first_start(30, 1) == pytest.approx(30)


def test_a_hold_that_is_prolonged_while_a_task_waits_is_waited_out_whole():
    """A task that already sleeps looks again before it starts."""

    async def story() -> float:
        time = Virtual()
        pace = Pace(10, clock=time.clock)
        async with pace.slot() as first, pace.slot() as second:
            pace.refused(first, 5)
            start = asyncio.create_task(start_of(pace, time))
            await asyncio.sleep(0)
            pace.refused(second, 9)
            return await start

    assert asyncio.run(story()) >= 9


@pytest.mark.parametrize(("hold", "spread"), [(4, 1), (100, WIDEST_SPREAD)])
def test_processes_that_are_held_alike_do_not_come_back_at_once(hold: float, spread: float):
    """The last lucky draw ends the hold a quarter later, at most two seconds."""
    assert first_start(hold, chance=1.0) == pytest.approx(hold + spread)


def test_a_server_can_not_hold_us_for_a_day():
    """A wait without reason is cut to ten minutes, after which the server is asked again."""
    assert first_start(86_400) == pytest.approx(LONGEST_HOLD)


def test_calls_start_in_the_order_in_which_they_came():
    """A retry whose time has come stands behind who came before it, and before who comes after."""

    async def story() -> list[str]:
        clock, order = virtual_clock(), list[str]()
        pace = Pace(8, rpm=60, clock=clock)

        async def call(name: str, comes: float = 0.0) -> None:
            await clock.sleep(comes)
            async with pace.slot():
                order.append(name)

        waiting = [call(f"first attempt {number}") for number in range(20)]
        await asyncio.gather(*waiting, call("comes later", 7.1), call("retry", 7.0))
        return order

    assert virtually(story()) == [*(f"first attempt {number}" for number in range(20)), "retry", "comes later"]


def test_a_cancelled_waiter_takes_no_slot_with_it():
    """Of two waiters for one slot the first is cancelled, the second gets in."""

    async def story() -> bool:
        pace = Pace(1)
        entered = asyncio.Event()

        async def wait() -> None:
            async with pace.slot():
                entered.set()

        async with pace.slot():
            first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.sleep(0)
        await second
        return entered.is_set()

    assert asyncio.run(story())


def test_an_error_inside_a_slot_gives_the_slot_back():
    """A failed call frees its place."""

    async def story() -> None:
        pace = Pace(1)
        with pytest.raises(ValueError):
            async with pace.slot():
                raise ValueError
        async with asyncio.timeout(1), pace.slot():
            pass

    asyncio.run(story())
