"""What servers say of their limits: read from headers, and obeyed before it bites."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from aiohttp import web
from tests.virtual import virtual_clock, virtually

from counterfoil.allowance import Allowance
from counterfoil.clock import Clock
from counterfoil.errors import RateLimited
from counterfoil.model import Answer, Request, Turn
from counterfoil.model_allowance import allowances, seconds_until
from counterfoil.pace import LONGEST_HOLD, Pace
from model_server import by, completion, model_behind, refusal

OPENAI = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "12s",
    "x-ratelimit-remaining-tokens": "149000",
    "x-ratelimit-reset-tokens": "6m0s",
}
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("2m59.56s", 179.56), ("1d", 86_400), ("7", 7),
        ("0.25", 0.25), ("1767225630", 30), ("1767225630000", 30), ("2026-01-01T00:00:30Z", 30), ("-3", 0),
        ("s", None), ("", None), ("soon", None),
        ("nan", None), ("inf", None), ("1m1m", None), ("2026-13-01T00:00:00Z", None),
        ("9" * 50, None), (None, None),
    ],
)  # fmt: skip
def test_a_reset_is_read_in_every_form_that_servers_have(value: str | None, seconds: float | None):
    """Durations, numbers, moments by the server's own clock; nonsense is as if it weren't there."""
    assert seconds_until(value, {"Date": DATE}) == (None if seconds is None else pytest.approx(seconds))


def test_what_is_left_is_read_from_headers():
    """OpenAI's, with the whole limit where it is told."""
    assert allowances(OPENAI) == (Allowance("requests", 0, 12, 500), Allowance("tokens", 149_000, 360))


def test_of_several_kinds_of_tokens_the_scarcest_counts():
    """Anthropic tells those of requests and of answers apart."""
    headers = {
        "anthropic-ratelimit-requests-remaining": "7",
        "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:05Z",
        "anthropic-ratelimit-input-tokens-remaining": "9000",
        "anthropic-ratelimit-output-tokens-remaining": "100",
        "anthropic-ratelimit-output-tokens-reset": "2026-01-01T00:00:09Z",
        "Date": DATE,
    }
    assert allowances(headers) == (Allowance("requests", 7, 5), Allowance("tokens", 100, 9))


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "१", "9" * 99])
def test_nonsense_in_a_header_says_nothing(value: str):
    """As if it weren't there."""
    assert allowances({"x-ratelimit-remaining-requests": value}) == ()


def test_answers_and_refusals_bear_what_the_headers_said():
    """Over HTTP, whatever the case of the names."""
    request = Request((Turn("user", "Read this."),), {"type": "object"}, "invoice")

    async def answer(status: int) -> Answer:
        def reply(_: web.Request, body: dict[str, object]) -> web.Response:
            if status != 200:
                return refusal(status, "slow down", headers=OPENAI)
            response = completion("{}", body)
            response.headers.update({name.upper(): value for name, value in OPENAI.items()})
            return response

        async with model_behind(by(reply)) as model:
            return await model.complete(request)

    assert asyncio.run(answer(200)).allowances == allowances(OPENAI)
    with pytest.raises(RateLimited) as refused:
        asyncio.run(answer(429))
    assert refused.value.allowances == allowances(OPENAI)


def starts_after(*told: Allowance, count: int = 3, took: float = 0.0, characters: int = 0) -> list[float]:
    """When the next calls start after one that took so long and whose reply said this, from when it was asked."""

    async def story() -> list[float]:
        clock = virtual_clock()
        pace = Pace(100, clock=clock)
        async with pace.slot() as slot:
            await clock.sleep(took)
        pace.answered(slot, allowances=told)

        async def start() -> float:
            async with pace.slot(characters):
                return clock.monotonic()

        return await asyncio.gather(*(start() for _ in range(count)))

    return virtually(story())


def test_where_nothing_is_left_nobody_starts_before_the_reset():
    """Twelve seconds from when the call was taken in."""
    assert starts_after(Allowance("requests", 0, 12))[0] == pytest.approx(12)


def test_no_more_calls_start_than_there_are_left():
    """Two are left, so the third waits for the reset."""
    first, second, third = starts_after(Allowance("requests", 2, 30))
    assert first <= second < 30
    assert third == pytest.approx(30)


def test_calls_that_started_since_are_no_longer_left():
    """The reply says five, as of when its call went out; four others have started since."""

    async def story() -> list[float]:
        clock = virtual_clock()
        pace = Pace(100, clock=clock)

        async def start() -> float:
            async with pace.slot():
                return clock.monotonic()

        async with pace.slot() as slot:
            for _ in range(4):
                await start()
        pace.answered(slot, allowances=[Allowance("requests", 5, 30)])
        return [await start(), await start()]

    assert virtually(story()) == pytest.approx([0, 30], abs=0.01)


def test_tokens_that_are_left_are_for_calls_that_need_no_more():
    """2,000 characters and an answer are about 900 tokens; of 1,000 that is one call."""
    first, second, *_ = starts_after(Allowance("tokens", 1000, 20), characters=2000)
    assert (first, second) == (pytest.approx(0), pytest.approx(20))


def test_a_word_older_than_its_reset_says_nothing():
    """The reply took 30 s; what was left 30 s ago has come back by now."""
    assert starts_after(Allowance("requests", 0, 12), took=30) == pytest.approx([30, 30, 30])


def test_a_newer_word_ends_the_wait_of_an_older_one():
    """A later call is told that there is plenty."""

    async def story() -> float:
        clock = virtual_clock()
        pace = Pace(100, clock=clock)
        async with pace.slot() as old, pace.slot() as new:
            pace.answered(old, allowances=[Allowance("tokens", 10, 300)])
            waiting = asyncio.create_task(pace.slot(1000).__aenter__())
            await clock.sleep(3)
            pace.answered(new, allowances=[Allowance("tokens", 100_000, 300)])
            await waiting
        return clock.monotonic()

    assert virtually(story()) < 3 + 1.01


def test_the_last_of_a_limit_is_spread_until_the_reset():
    """Of a thousand ten are left for twenty seconds: not ten at once."""
    starts = starts_after(Allowance("requests", 10, 20, 1000), count=10)
    assert max(later - earlier for earlier, later in pairwise(starts)) < 4
    assert starts[-1] > 15


def test_a_reset_tomorrow_is_asked_about_after_ten_minutes():
    """As with Retry-After."""
    assert starts_after(Allowance("requests", 0, 86_400))[0] <= LONGEST_HOLD + 1


def test_plenty_slows_nobody():
    """A hundred calls at one moment."""
    assert set(starts_after(Allowance("requests", 500, 0.1, 500), Allowance("tokens", 10**6, 1), count=98)) == {0.0}


def test_the_constant_part_of_a_prompt_comes_first():
    """Byte for byte the same start of two requests' JSON, past the instructions: providers cache by that."""
    from counterfoil.model_answer import invoice_schema
    from counterfoil.model_chat import payload
    from counterfoil.model_refusals import FEATURES
    from counterfoil.prompt import INSTRUCTIONS, opening

    first, second = (
        json.dumps(payload("m", Request(opening(text, f"{text}.pdf"), invoice_schema(), "invoice"), FEATURES))
        for text in ("one", "two")
    )
    same = next(n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    assert same > len(INSTRUCTIONS)


async def test_who_watches_is_told_what_holds_calls_back():
    """Calls in flight, refusals, the pause that the server asked for, and the rate that was found for it."""
    now = [0.0]
    pace = Pace(4, clock=Clock(monotonic=lambda: now[0], random=lambda: 0.0))
    assert pace.told() == {"in_flight": 0, "refused": 0, "held_s": 0.0, "a_minute": None}
    async with pace.slot() as slot:
        assert pace.told()["in_flight"] == 1
        pace.refused(slot, 7.0)
    told = pace.told()
    assert (told["in_flight"], told["refused"]) == (0, 1)
    assert (told["held_s"] or 0) >= 7
    now[0] += 20
    assert pace.told()["held_s"] == 0
    assert (pace.told()["a_minute"] or 0) > 0
