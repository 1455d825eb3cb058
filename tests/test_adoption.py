"""The laws of adoption: what another claim left is found before a call, and a first run asks the store for nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from tests.batch import Process, answer_for, folder_of, invoice_pdf, records_of
from tests.virtual import virtual_clock, virtually

from counterfoil.adoption import Adoption
from counterfoil.claims import Claim
from counterfoil.jsonfile import encode
from counterfoil.model import ScriptedModel
from counterfoil.results import FORMAT, Results, input_of, result_key
from counterfoil.store_memory import MemoryStore


class Counting(MemoryStore):
    """Says which results were asked for."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[str] = []

    async def get(self, key: str) -> Any:
        if key.startswith("results/"):
            self.asked.append(key)
        return await super().get(key)


SAME = invoice_pdf("N-1")


def test_a_first_run_asks_for_no_result_since_there_can_be_none():
    async def law() -> None:
        out = Counting("memory://first")
        await Process(out, await folder_of(6), ScriptedModel(answer_for)).task
        assert ({record["status"] for record in (await records_of(out)).values()}, out.asked) == ({"done"}, [])

    virtually(law())


def test_equal_documents_of_a_first_run_are_paid_for_once():
    async def law() -> None:
        out, model = Counting("memory://equal"), ScriptedModel(answer_for)
        await Process(out, await folder_of(0, a=SAME, b=SAME, c=SAME), model).task
        records = (await records_of(out)).values()
        assert sorted(record["adopted"] for record in records) == [False, True, True]

    virtually(law())


def test_what_an_earlier_run_left_is_adopted_though_its_manifest_is_gone():
    async def law() -> None:
        out, source = Counting("memory://again"), await folder_of(4)
        await Process(out, source, ScriptedModel(answer_for)).task
        for key in [entry.key async for entry in out.list("") if not entry.key.startswith("results/")]:
            await out.delete(key)
        again = await Process(out, source, ScriptedModel(answer_for), seed=2).task
        assert (again.tally.adopted, again.tally.usage.calls) == (4, 0)

    virtually(law())


def test_a_document_that_was_taken_over_is_looked_for():
    """Its first worker died after the result was written, and before the record was."""

    async def law() -> None:
        out, source = Counting("memory://over"), await folder_of(1)
        first = Process(out, source, ScriptedModel(answer_for))
        first.store.cut = lambda point: first.kill() if point.startswith("after results/") else None
        await asyncio.sleep(30)
        second = await Process(out, source, ScriptedModel(answer_for), seed=2).task
        assert (second.tally.adopted, second.tally.usage.calls) == (1, 0)

    virtually(law())


@pytest.mark.parametrize(("attempt", "company", "looked"), [(1, 1, False), (2, 1, True), (1, 2, True)])
def test_the_look_is_spared_only_for_the_first_claim_of_a_worker_that_is_alone(
    attempt: int, company: int, looked: bool
):
    """The result was written after this worker came: by somebody who died with it, or who is still there."""

    async def law() -> None:
        out = Counting("memory://rare")
        results = Results(out, virtual_clock())
        worker: Any = SimpleNamespace(statuses=Counter(), company=company)
        adoption = Adoption(results, worker)
        adoption.begin()
        await asyncio.sleep(1)
        name = input_of(b"digest", {}, 0)
        await out.put(result_key(name), encode({"format": FORMAT, "status": "done"}))
        found = await adoption.find(Claim("a.pdf", attempt, {}, 0), name)
        assert (found is not None, bool(out.asked)) == (looked, looked)

    virtually(law())
