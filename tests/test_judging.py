"""The laws of judging: the checks of a paid answer are made off the loop, and the answer outlives whatever happens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from counterfoil.document import PageImage, Reading, Usage
from counterfoil.errors import InputError, SetupError, Unavailable
from counterfoil.extract import Extraction
from counterfoil.invoice import Invoice
from counterfoil.judging import Answered, judged
from counterfoil.offload import Offload

TODAY = date(2026, 3, 1)
TEXT = "Paper Mill Ltd\nInvoice number: 7\nDate 2026-02-01\nNet 100.00 EUR\nVAT 19 % 19.00 EUR\nTotal 119.00 EUR\n"
KNOWN = {"invoice_number": "7", "issue_date": "2026-02-01", "currency": "EUR", "seller_name": "Paper Mill Ltd"}
PAID = Usage(2, 700, 90)
ANSWER = Answered(Invoice.model_validate(KNOWN | {"net_total": "100", "tax_total": "19", "gross_total": "119"}), PAID)


class Broken:
    """Worker processes that end so."""

    ready = True

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def run(self, _function: Callable[..., Any], *_args: Any) -> Any:
        raise self._error


def judge(offload: Any, reading: Reading) -> Extraction:
    return asyncio.run(judged(ANSWER, reading, offload, TODAY, ()))


def test_an_answer_is_judged_in_a_process_of_its_own_and_keeps_what_it_cost():
    async def law() -> tuple[Extraction, int]:
        async with Offload(workers=1) as offload:
            process = await offload.run(os.getpid)
            return await judged(ANSWER, Reading("pdf", TEXT, 1), offload, TODAY, ()), process

    extraction, process = asyncio.run(law())
    assert (extraction.status, extraction.usage, process != os.getpid()) == ("done", PAID, True)


def test_the_first_answers_do_not_wait_for_their_judge_to_start():
    """What waits is lost if the run is killed, and has been paid for."""

    async def law() -> tuple[Extraction, bool]:
        async with Offload(workers=1) as offload:
            return await judged(ANSWER, Reading("pdf", TEXT, 1), offload, TODAY, ()), offload.ready

    extraction, started = asyncio.run(law())
    assert (extraction.status, started) == ("done", False)


@pytest.mark.parametrize("error", [InputError("it took more than 60 s"), Unavailable("closed"), SetupError("no room")])
def test_an_answer_that_nobody_could_check_goes_to_review_and_is_not_lost(error: Exception):
    extraction = judge(Broken(error), Reading("pdf", TEXT, 1))
    assert (extraction.status, extraction.fields, extraction.usage) == ("review", ANSWER.fields, PAID)
    assert [finding.code for finding in extraction.findings] == ["checks.unfinished"]
    assert str(error) in extraction.findings[0].message


def test_pictures_stay_behind_when_an_answer_is_judged():
    """They are large, and no check looks at one: only at which pages were seen."""
    sent: list[Any] = []

    class Watching:
        ready = True

        async def run(self, function: Callable[..., Any], *args: Any) -> Any:
            sent.append(args)
            return function(*args)

    reading = Reading("pdf", TEXT, 2, textless=(2,), images=(PageImage(2, "image/png", b"x" * 1_000_000),))
    assert judge(Watching(), reading).status == "done"
    assert [(image.page, image.data) for image in sent[0][2].images] == [(2, b"")]
