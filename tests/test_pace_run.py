"""Attempts of a whole run, in virtual time: bounded, and beside those of other documents."""

from __future__ import annotations

import asyncio

from tests.batch import Process, answer_for, invoice_pdf, records_of
from tests.virtual import virtually

from counterfoil.allowance import Allowance
from counterfoil.errors import CounterfoilError, Unavailable
from counterfoil.model import Answer, Request, ScriptedModel
from counterfoil.store_memory import MemoryStore

BAD = 12


async def source_of(count: int) -> MemoryStore:
    """The first documents of it are those that fail."""
    source = MemoryStore()
    for number in range(count):
        await source.put(f"{number:03}.pdf", invoice_pdf(f"N-{number}"))
    return source


def fails_for_some(request: Request) -> str | CounterfoilError:
    number = int(request.turns[-1].content.split("Invoice number: N-")[1].split()[0])
    return Unavailable("busy") if number < BAD else answer_for(request)


def test_documents_that_keep_failing_hold_up_nobody():
    """A dozen back off for minutes, three times as many as there are slots; the rest are done long before they end."""

    async def story() -> tuple[dict[str, str], dict[str, str]]:
        out, source = MemoryStore(), await source_of(BAD + 28)
        model = ScriptedModel(fails_for_some, latency=0.2)
        process = Process(out, source, model, concurrency=4, max_attempts=8)
        await asyncio.sleep(40)
        early = {d: r["status"] for d, r in (await records_of(out)).items()}
        await process.task
        return early, {d: r["status"] for d, r in (await records_of(out)).items()}

    early, late = virtually(story())
    assert sum(status in ("done", "review") for status in early.values()) == 28
    assert sum(status == "failed" for status in early.values()) < BAD
    assert sum(status == "failed" for status in late.values()) == BAD


def test_a_document_fails_after_as_many_calls_as_it_was_given():
    """Two each for a dozen that fail."""

    async def story() -> int:
        model = ScriptedModel(fails_for_some, latency=0.2)
        await Process(MemoryStore(), await source_of(BAD), model, concurrency=4, max_attempts=2).task
        return model.calls

    assert virtually(story()) == 2 * BAD


def test_what_an_answer_says_of_the_limit_holds_back_the_next_document():
    """Nothing is left for two minutes; four documents, one call at a time, take three such pauses."""

    async def story() -> float:
        left = (Allowance("requests", 0, 120.0),)
        model = ScriptedModel(lambda request: Answer(answer_for(request), 900, 300, "m", allowances=left))
        await Process(MemoryStore(), await source_of(4), model, concurrency=1).task
        return asyncio.get_running_loop().time()

    assert 360 <= virtually(story()) < 400
