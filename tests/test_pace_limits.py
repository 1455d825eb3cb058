"""How near to a server's limit a pace comes, and how seldom over it: given limits, found ones, and none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from tests.virtual import virtual_clock, virtually

from counterfoil.pace import Pace
from counterfoil.pace_found import FEW, MINUTE, FoundRate, Start
from limiters import FixedWindow, Limiter, SlidingWindow, TokenBucket, drive

SERVERS: dict[str, Callable[[float], Limiter]] = {
    "a sliding window": SlidingWindow,
    "a fixed window": FixedWindow,
    "a bucket of a minute": lambda limit: TokenBucket(limit, limit),
    "a bucket of seconds": lambda limit: TokenBucket(limit, max(limit / 30, 2)),
}
servers = pytest.mark.parametrize("server", SERVERS)


@servers
@pytest.mark.parametrize("rpm", [20, 600])
def test_a_given_limit_is_used_and_never_exceeded(server: str, rpm: int):
    """From the first second on: under 1 % refused (here none), and at least 95 % of what is allowed."""
    course = drive(SERVERS[server](rpm), rpm=rpm)
    assert not course.refused
    assert course.pace(0, 300) >= 0.95 * rpm


def test_a_given_limit_makes_no_bursts():
    """Nowhere are more calls in a second than a second's share and a few that were late."""
    taken = drive(None, rpm=600, seconds=120).taken
    assert max(sum(at <= other < at + 1 for other in taken) for at in taken) <= 10 + 5


@pytest.mark.parametrize("server", ["a sliding window", "a fixed window"])
def test_given_tokens_a_minute_are_used_and_not_exceeded(server: str):
    """The estimate is wrong at first and calls differ tenfold; under 1 % refused, at least 90 % of the tokens used."""
    sizes = [random.Random(1).choice([300, 1000, 3000]) for _ in range(10_000)]
    course = drive(SERVERS[server](200_000), tpm=200_000, cost=lambda number: sizes[number])
    assert course.share() < 0.01
    assert course.pace(60, 300) * (sum(sizes) / len(sizes)) >= 0.9 * 200_000


def test_an_estimate_that_was_too_high_is_given_back():
    """Calls that take a fifth of what is thought at first: the pace is by what they take."""
    course = drive(None, tpm=24_000, cost=lambda _: 240)
    assert course.pace(120, 300) * 240 == pytest.approx(24_000, rel=0.05)


def test_a_call_larger_than_the_whole_limit_starts_alone():
    """It is for the server to refuse it; it holds up nobody for ever."""

    async def story() -> float:
        pace, clock = Pace(2, tpm=100, clock=virtual_clock()), virtual_clock()
        for _ in range(2):
            async with pace.slot(100_000) as slot:
                pace.answered(slot, 25_000, 100)
        return clock.monotonic()

    assert 0 < virtually(story()) < 16_000


@servers
@pytest.mark.parametrize("says_when", [True, False], ids=["Retry-After", "no word"])
def test_an_unknown_limit_is_found(server: str, says_when: bool):
    """After two minutes: under 5 % refused, and at least 85 % of what is allowed."""
    course = drive(SERVERS[server](300), seconds=360, says_when=says_when)
    assert course.pace(120, 360) >= 0.85 * 300
    assert course.share(since=120) < 0.05


@pytest.mark.parametrize("server", ["a sliding window", "a fixed window"])
def test_a_limit_by_the_minute_is_known_after_its_first_refusals(server: str):
    """The second minute is at the limit already, even if a thousand calls ran into it at once."""
    course = drive(SERVERS[server](300), concurrency=1000, latency=5, seconds=240)
    assert course.pace(60, 240) >= 0.85 * 300
    assert course.share(since=60) < 0.05


@servers
def test_a_limit_that_the_headers_tell_is_seen_before_it_is_reached(server: str):
    """With what is left in every reply, an unknown limit costs next to no refusals after the first burst."""
    course = drive(SERVERS[server](300), headers=True, seconds=300)
    assert course.pace(60, 300) >= 0.85 * 300
    assert course.share(since=15) < 0.01


def test_a_server_without_limits_is_never_slowed_below_the_concurrency():
    """All slots are taken at once, and always."""
    course = drive(None, concurrency=500, latency=2, seconds=60)
    assert course.most == 500
    assert course.pace(0, 60) > 500 / 2.5 * 60 * 0.95


class Moody:
    """Refuses calls by chance, whatever the rate, and asks for a second without calls each time."""

    def __init__(self, share: float, seed: int = 3) -> None:
        self.share, self.chance = share, random.Random(seed)

    def take(self, cost: float, now: float) -> float | None:
        return 1.0 if self.chance.random() < self.share else None

    def left(self, now: float) -> tuple[float, float]:
        return 1e6, 0.0


@pytest.mark.parametrize("share", [0.002, 0.05])
def test_a_server_that_refuses_now_and_then_whatever_the_rate_is_not_slowed_to_nothing(share: float):
    """Its pauses are kept, and count as pauses; the pace does not wither away within five minutes."""
    course = drive(Moody(share), seconds=360)
    assert course.pace(300, 360) > 0.4 * course.pace(0, 60)


@pytest.mark.parametrize("seed", [3, 4])
def test_refusals_that_have_nothing_to_do_with_the_rate_leave_nine_tenths_of_full_speed(seed: int):
    """One call in twenty, without a word of when, for six minutes; full speed is 128 calls of two seconds."""
    course = drive(Moody(0.05, seed), seconds=360, says_when=False)
    assert course.pace(60, 360) >= 0.85 * 64 * 60


def test_a_limit_that_only_headers_tell_is_used_after_a_burst_too():
    """A thousand run into it, no Retry-After comes, and the second minute is used as much as any."""
    course = drive(FixedWindow(300), headers=True, says_when=False, concurrency=1000, latency=5, seconds=180)
    assert course.pace(60, 120) >= 0.85 * 300
    assert course.share(since=60) < 0.01


# What one refusal does


def started(rate: FoundRate, count: int, at: float = 0.0, first: int = 1) -> list[Start]:
    starts = [Start(number, at) for number in range(first, first + count)]
    for start in starts:
        rate.started(start)
    return starts


def test_without_a_refusal_there_is_no_rate():
    """Ten thousand starts at one moment wait for nothing."""
    rate = FoundRate()
    started(rate, 10_000)
    assert rate.wait(0.0) <= 0 and rate.rate(0.0) == float("inf")


def test_many_refusals_of_one_round_trip_are_one_decrease():
    """A thousand start at once and the server takes 300: however the refusals come, the rate is what 300 say."""
    rate = FoundRate()
    starts = started(rate, 1000)
    for start in starts[300:]:
        rate.refused(start, 30.0, 0.1)
    assert rate.rate(30.0) == pytest.approx(0.98 * 300 / MINUTE, rel=0.01)


def test_one_refusal_of_a_thousand_in_flight_is_one_decrease():
    """999 calls that were taken show what the server bears: nearly as much as before."""
    rate = FoundRate()
    starts = started(rate, 1000)
    rate.refused(starts[-1], 30.0, 0.1)
    assert rate.rate(30.0) == pytest.approx(0.98 * 999 / MINUTE, rel=0.01)


def test_a_refusal_of_a_later_start_is_a_decrease_again():
    """It went out at the lower rate, which therefore was still too high."""
    rate = FoundRate()
    starts = started(rate, 600)
    rate.refused(starts[-1], 20.0, 0.1)
    later = started(rate, 1, at=70.0, first=601)
    before = rate.rate(70.0)
    rate.refused(later[0], None, 70.1)
    assert rate.rate(70.1) < before


def test_a_rate_grows_slowly_near_what_was_refused_and_quickly_beyond():
    """Back at the limit in about half a minute, 5 % over it after another, then twice of it."""
    rate = FoundRate()
    rate.refused(started(rate, 600)[-1], 20.0, 0.0)
    limit = 599 / MINUTE
    assert [rate.rate(20.0 + after) / limit for after in (0, 33, 76, 153)] == pytest.approx(
        [0.98, 1.0, 1.05, 2.0], rel=0.01
    )


def test_a_server_that_took_nothing_is_asked_a_few_times_a_minute_at_first():
    """Nothing is known of it; the growth is quick then."""
    rate = FoundRate()
    rate.refused(started(rate, 1)[0], 30.0, 0.0)
    assert rate.rate(30.0) == pytest.approx(0.98 * FEW / MINUTE)
    assert rate.rate(30.0 + 60) > 2


def test_a_server_that_is_shut_is_asked_less_and_less():
    """Each first call after a hold refused without a word of when: the holds double, to 16 s."""
    rate, now, holds = FoundRate(), 0.0, list[float]()
    for number in range(1, 9):
        start = started(rate, 1, at=now, first=number)[0]
        holds.append(rate.refused(start, None, now))
        now += holds[-1]
    assert holds == [0, 1, 2, 4, 8, 16, 16, 16]


def test_cancelling_whoever_is_first_in_the_line_lets_the_next_one_go():
    """A run that is being stopped leaves nobody behind."""

    async def story() -> float:
        clock = virtual_clock()
        pace = Pace(3, rpm=6, clock=clock)

        async def call() -> float:
            async with pace.slot():
                return clock.monotonic()

        for _ in range(2):
            await call()
        first, second = asyncio.create_task(call()), asyncio.create_task(call())
        await clock.sleep(1)
        first.cancel()
        return await second

    assert virtually(story()) == pytest.approx(2 * 61 / 6, abs=0.5)


@pytest.mark.parametrize("limiter", [SlidingWindow, FixedWindow])
def test_calls_that_overtake_each_other_teach_the_true_limit(limiter: type[SlidingWindow | FixedWindow]):
    """A thousand at once arrive in another order than they left in; what was taken of all of them is what counts."""
    course = drive(limiter(300), concurrency=1000)
    assert course.pace(120, 300) > 0.95 * 300
    assert course.share(120) < 0.02
