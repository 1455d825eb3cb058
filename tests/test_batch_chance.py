"""Batches under chance: runs that die anywhere, a provider that loses replies, lists late, fails and expires."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.batch import answer_for, invoice_pdf, records_of
from tests.batch_provider import Fate, Provider
from tests.batch_runs import BatchProcess, provider
from tests.faults import Fault, FaultyStore
from tests.test_pipeline import folder_of, out_store
from tests.virtual import virtually

from counterfoil.audit import audit
from counterfoil.model import Request
from counterfoil.spend import batch_request

BILLED = ("answer", "refused", "length")


@pytest.fixture(autouse=True, scope="module")
def graves() -> Iterator[None]:
    """The dead are buried here, not in the middle of whatever test comes next."""
    yield
    gc.collect()


def fickle(chance: random.Random) -> Provider:
    """A provider at which anything may become of a request."""

    def fate(name: str, request: Request) -> Fate:
        draw = chance.random()
        if draw < 0.1:
            return Fate("expired")
        if draw < 0.2:
            return Fate("error", "busy")
        if draw < 0.3:
            return Fate(text="no JSON")
        return Fate(text=answer_for(Request(request.turns[:2], request.schema, "invoice")))

    at = provider(fate, takes=chance.choice([30.0, 3600.0]))
    at.late, at.drop_replies = chance.choice([0.0, 200.0]), chance.randrange(3)
    return at


class Storm:
    """Runs that are killed at a random point, and started again, until one of each comes to its end."""

    def __init__(self, chance: random.Random, out: Any, source: Any, at: Provider) -> None:
        self.chance, self.out, self.source, self.at = chance, out, source, at
        self.seeds = iter(range(1, 1000))

    async def one(self) -> None:
        for life in range(4):
            process = BatchProcess(self.out, self.source, self.at, seed=next(self.seeds), max_attempts=20)
            if life < 3:
                self._doom(process, self.chance.randrange(5, 120))
            while not process.task.done() and process.store.connected.is_set():
                await asyncio.sleep(5)
            if process.task.done():
                await process.task
                return
            await asyncio.sleep(self.chance.choice([0, 10, 1000]))

    def _doom(self, process: BatchProcess, points: int) -> None:
        left = points

        def cut(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                process.kill()

        assert process.service is not None
        process.store.cut = process.service.cut = cut


@pytest.mark.parametrize("seed", [*range(12), 174, 224, 308])
def test_whatever_dies_every_answer_is_paid_for_once_and_told_once(seed: int):
    """All documents end, and the records tell exactly what the provider billed, but for what a batch still holds."""

    async def law() -> None:
        chance = random.Random(seed)
        store, at, source = out_store(f"chance-{seed}"), fickle(chance), await folder_of(8)
        await source.put("copy.pdf", invoice_pdf("N-000", 100))
        out = FaultyStore(store)
        faults: list[Fault | None] = ["lost", "lied", "refused", "unsent", *[None] * 36]
        out.fault = lambda op, key: chance.choice(faults)
        storm = Storm(chance, out, source, at)
        await asyncio.gather(storm.one(), storm.one())
        records = await records_of(store)
        assert sum(_is_fine(record) for record in records.values()) == 9
        held = {r["batch"]["request"] for r in records.values() if batch_request(r)}  # too many died with these
        fates = [item for kept in at.batches.values() for item in kept.fates.items()]
        billed = sum(fate.kind in BILLED and request not in held for request, fate in fates)
        assert sum(record.get("calls", 0) for record in records.values()) == billed
        assert (await audit(f"memory://chance-{seed}")).breaches == []

    virtually(law())


def _is_fine(record: dict[str, Any]) -> bool:
    """Read, or failed for what the model did, or for how many workers died with it: its batch is still there then."""
    reason = record.get("reason", "")
    return record["status"] in ("done", "review") or "did not fit" in reason or "workers died" in reason
