"""Poison: a document that kills its worker whenever it is read fails after three deaths; whatever was only at hand when
workers died never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.batch import Process, answer_for, records_of
from tests.virtual import virtually

from counterfoil.audit import audit
from counterfoil.document import Reading
from counterfoil.extract import Examined, Extraction
from counterfoil.invoice import Invoice
from counterfoil.locations import open_store
from counterfoil.model import ScriptedModel
from counterfoil.store_memory import MemoryStore


class Reader:
    """Reads two documents at a time, each in 0.05 s; reading `KILLER` ends the process that has it read."""

    def __init__(self, *, asks: bool) -> None:
        self._asks, self._readers = asks, asyncio.Semaphore(2)
        self.kill: Callable[[], None] = lambda: None

    async def run(self, _function: Any, body: bytes, *_how: Any) -> Examined:
        async with self._readers:
            if body == b"KILLER":
                self.kill()
            await asyncio.sleep(0.05)
        reading = Reading("pdf", body.decode(), 1)
        return Examined(reading, None if self._asks else Extraction(Invoice(invoice_number=reading.text), "xml", ()))


async def folder_of(count: int) -> MemoryStore:
    source = MemoryStore("memory://source")
    for n in range(count):
        text = f"Paper Mill Ltd\nInvoice number: N-{n:03}\nInvoice date: 2025-12-30\nNet {n}.00\nTotal {n}.00 EUR"
        await source.put(f"inv-{n:03}.pdf", text.encode())
    return source


def begun(where: str, source: MemoryStore, seed: int, *, asks: bool) -> Process:
    """One more run, by a worker on a machine of its own, that is gone when `KILLER` is read."""
    model, reader = ScriptedModel(answer_for, latency=2.0) if asks else None, Reader(asks=asks)
    process = Process(open_store(where), source, model, seed=seed, offload=reader, concurrency=128)
    reader.kill = process.kill
    return process


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("moment", [0.1, 0.4, 0.9])
def test_sixty_documents_whose_workers_are_killed_four_times_all_come_to_their_end(moment: float, asks: bool):
    """Each so long after it has claimed: in their reading, in their calls, or before either. None is to blame."""
    where = f"memory://preempted-{moment}-{asks}"

    async def law() -> None:
        source = await folder_of(60)
        for seed in range(4):
            process = begun(where, source, seed, asks=asks)
            while not (process.task.done() or (process.run and process.run.tools.worker.held)):
                await asyncio.sleep(0.01)
            await asyncio.sleep(moment)
            process.kill()
        await begun(where, source, 9, asks=asks).task
        records = await records_of(open_store(where))
        assert len(records) == 60
        assert {record["status"] for record in records.values()} <= {"done", "review"}
        assert max(record.get("deaths", 0) for record in records.values()) in (1, 2)
        assert (await audit(where)).breaches == []

    virtually(law())


@pytest.mark.parametrize("asks", [True, False])
def test_a_document_that_kills_its_worker_at_each_try_fails_after_three_deaths(asks: bool):
    """Among forty others, which all come to their end; it kills no fourth."""
    where = f"memory://killer-{asks}"

    async def law() -> None:
        source, killed = await folder_of(40), 0
        await source.put("inv-020-killer.pdf", b"KILLER")
        for seed in range(6):
            process = begun(where, source, seed, asks=asks)
            await asyncio.wait([process.task], timeout=300)
            if process.task.done():
                break
            killed += 1
        records = await records_of(open_store(where))
        killer = records.pop("inv-020-killer.pdf")
        assert (killed, killer["status"], killer["deaths"]) == (3, "failed", 3)
        assert killer["reason"] == "3 workers died with this document; look at it, then `retry` it"
        assert len(records) == 40
        assert {record["status"] for record in records.values()} <= {"done", "review"}
        assert (await audit(where)).breaches == []

    virtually(law())
