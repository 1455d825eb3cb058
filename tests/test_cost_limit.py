"""The laws of --max-cost: it holds for a whole OUT, and what can't be afforded stays pending."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.batch import Process, answer_for, folder_of, records_of
from tests.virtual import virtually

from counterfoil.audit import audit
from counterfoil.errors import SetupError, Unavailable
from counterfoil.locations import open_store
from counterfoil.model import Answer, ScriptedModel
from counterfoil.prices import LIST_PRICES, Prices, Rate
from counterfoil.store_memory import MemoryStore

CALL = Decimal("0.01")
"""What each call of the scripted model costs."""
PRICES = Prices(Rate(Decimal(0), Decimal(100), Decimal(0)))


def priced(latency: float = 2.0) -> ScriptedModel:
    """Answers well, in 100 tokens at 100 dollars a million."""
    return ScriptedModel(lambda request: Answer(answer_for(request), 500, 100, "m"), latency=latency)


def out_store(name: str) -> MemoryStore:
    store = open_store(f"memory://{name}")
    assert isinstance(store, MemoryStore)
    store.__init__(store.url)
    return store


async def spent_in(out: MemoryStore) -> tuple[int, dict[str, int]]:
    records = (await records_of(out)).values()
    statuses = [str(record["status"]) for record in records]
    return sum(int(record.get("calls", 0)) for record in records), {s: statuses.count(s) for s in set(statuses)}


def within(dollars: str, **more: Any) -> dict[str, Any]:
    return {"max_cost": Decimal(dollars), "prices": PRICES, **more}


def test_a_run_stops_cleanly_at_its_limit_and_leaves_the_rest_pending():
    """Twelve of thirty calls can be afforded: twelve are made, eighteen documents wait, nothing is held."""

    async def law() -> None:
        out, model = out_store("cost"), priced()
        run = await Process(out, await folder_of(30), model, **within("0.12")).task
        assert run.cost_reached
        assert model.calls == 12
        assert await spent_in(out) == (12, {"done": 12, "pending": 18})
        assert (await audit("memory://cost")).breaches == []

    virtually(law())


def test_the_limit_holds_across_restarts_and_goes_on_when_it_is_raised():
    """The same run again makes no call; with more money it makes as many as that buys."""

    async def law() -> None:
        out, source, model = out_store("restart"), await folder_of(30), priced()
        for seed in (1, 2):
            assert (await Process(out, source, model, seed=seed, **within("0.12")).task).cost_reached
            assert model.calls == 12
        await Process(out, source, model, seed=3, **within("0.20")).task
        assert model.calls == 20
        run = await Process(out, source, model, seed=4, **within("5")).task
        assert (model.calls, run.cost_reached) == (30, False)

    virtually(law())


def test_a_call_of_unknown_outcome_is_reckoned_with():
    """Four calls were out when a process was killed: they may have to be paid, so they count like the others."""

    async def law() -> None:
        out, source, model = out_store("unknown"), await folder_of(40), priced()
        first = Process(out, source, model, seed=1, **within("0.20"))
        while model.calls < 10 or model.in_flight < 4:
            await asyncio.sleep(0.1)
        first.kill()
        await asyncio.sleep(40)
        await Process(out, source, model, seed=2, **within("0.20")).task
        assert 19 <= model.calls <= 20  # the dead one may still pass for alive, and its share be left
        report = await audit("memory://unknown")
        assert report.spent.calls + report.calls_out == model.calls
        assert report.spent.unknown_calls + report.calls_out == 4

    virtually(law())


def test_calls_that_fail_at_no_cost_neither_use_the_budget_up_nor_stretch_it():
    """Every third call is refused with a 500: twelve answers are bought all the same, and not one more."""

    async def law() -> None:
        out, answers = out_store("failing"), 0

        def script(request: Any) -> Answer | Unavailable:
            nonlocal answers
            if model.calls % 3 == 0:
                return Unavailable("500")
            answers += 1
            return Answer(answer_for(request), 500, 100, "m")

        model = ScriptedModel(script, latency=2.0)
        assert (await Process(out, await folder_of(30), model, **within("0.12")).task).cost_reached
        assert answers == 12
        assert (await spent_in(out))[1] == {"done": 12, "pending": 18}

    virtually(law())


@pytest.mark.parametrize("processes", [2, 5])
def test_several_processes_keep_one_limit(processes: int):
    """Together they spend no more, and leave at most what one call of each would cost."""

    async def law() -> None:
        out, source, model = out_store(f"several{processes}"), await folder_of(200), priced()
        runs = [Process(out, source, model, seed=n, concurrency=16, **within("1")) for n in range(1, processes + 1)]
        await asyncio.gather(*(run.task for run in runs))
        assert 100 - processes <= model.calls <= 100

    virtually(law())


def test_before_a_call_has_told_its_price_only_what_is_surely_affordable_goes_out():
    """A hundred slots are free, but a call may cost forty times what it then turns out to."""

    async def law() -> None:
        out, model = out_store("first"), priced()
        await Process(out, await folder_of(40), model, **within("0.9", concurrency=40)).task
        assert model.calls == 40
        assert model.most_in_flight < 40

    virtually(law())


def test_where_a_cost_is_not_known_no_limit_is_feigned():
    """Earlier calls of a model without a price: one sentence, no call."""

    async def law() -> None:
        out, source, model = out_store("unpriced"), await folder_of(3), priced()
        await Process(out, source, model, seed=1, prices=LIST_PRICES).task
        await source.put("new.pdf", (await source.get("inv-000.pdf")).body + b" ")  # type: ignore[union-attr]
        with pytest.raises(SetupError, match="unknown cost"):
            await Process(out, source, model, seed=2, **within("5")).task
        assert model.calls == 3

    virtually(law())
