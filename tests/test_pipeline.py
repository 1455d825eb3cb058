"""The laws of a run: every document ends once, is paid for once, and survives whatever becomes of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.batch import Inline, Mortal, Process, answer_for, folder_of, invoice_pdf, records_of
from tests.faults import Fault, FaultyStore
from tests.virtual import virtual_clock, virtually

from counterfoil.audit import audit
from counterfoil.errors import RateLimited, SetupError, Unavailable
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest
from counterfoil.model import Answer, Request, ScriptedModel, Unreachable
from counterfoil.pace import Pace
from counterfoil.pipeline import Run
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source
from counterfoil.store import Entry
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker


def out_store(name: str) -> MemoryStore:
    """A store that `audit` can open by its URL."""
    store = open_store(f"memory://{name}")
    assert isinstance(store, MemoryStore)
    store.__init__(store.url)
    return store


def good(latency: float = 2.0) -> ScriptedModel:
    return ScriptedModel(answer_for, latency=latency)


def statuses(records: dict[str, dict[str, object]]) -> list[object]:
    return sorted({record["status"] for record in records.values()}, key=str)


def test_every_document_ends_and_is_paid_for_once():
    """Forty documents, four calls at once: forty done, forty calls, and `verify` finds nothing."""

    async def law() -> None:
        out, model = out_store("once"), good()
        run = await Process(out, await folder_of(40), model).task
        records = await records_of(out)
        assert (len(records), statuses(records), model.calls) == (40, ["done"], 40)
        assert run.tally.usage.calls == 40
        assert model.most_in_flight == 4
        report = await audit("memory://once")
        assert (report.breaches, report.results) == ([], 40)

    virtually(law())


def test_a_batch_takes_about_as_long_as_its_slowest_call():
    """A hundred calls of 2 s at once, a store with latency: one call's time and little more."""

    async def law() -> None:
        out = out_store("slowest")
        await Process(out, await folder_of(100), good(), concurrency=100).task
        assert asyncio.get_running_loop().time() < 2 + 1.5

    virtually(law())


def test_a_new_batch_is_read_while_the_manifest_takes_its_plan():
    """Reading (10 ms a document at a time) is over when the first claims are there, and costs no time of its own."""

    async def law() -> None:
        source, clock = await folder_of(4), virtual_clock()
        read: list[float] = []

        class Watched(Inline):
            async def run(self, function: Callable[..., Any], *args: Any) -> Any:
                read.append(asyncio.get_running_loop().time())
                return await super().run(function, *args)

        store = Mortal(out_store("early"), latency=1.0)
        known = [entry async for entry in source.list()]
        async with Manifest.open(store, clock=clock) as manifest, Worker.join(manifest) as worker:
            offload: Any = Watched()
            judges: Any = Inline()
            pace = Pace(4, clock=clock)
            run = Run(Tools(Source(source, clock), manifest, worker, offload, judges, pace, good()), Settings())
            begun = asyncio.get_running_loop().time()
            await run.work(known)
        assert run.tally.finished["done"] == 4
        assert [moment - begun < 0.5 for moment in read] == [True] * 4

    virtually(law())


def test_a_bad_document_is_an_outcome_and_not_the_end_of_the_run():
    """Each bad one is `failed` with its reason, the others are done."""

    async def law() -> None:
        out = out_store("bad")
        bad = {"empty.pdf": b"", "text.pdf": b"hello", "image.png": b"\x89PNG\r\n\x1a\n123", "junk.xml": b"<a><b></a>"}
        await Process(out, await folder_of(3, **bad), good()).task
        records = await records_of(out)
        assert {d for d, r in records.items() if r["status"] == "failed"} == set(bad)
        assert all(records[d]["reason"] for d in bad)
        assert "damaged" in records["image.png"]["reason"]
        assert [records[f"inv-{n:03}.pdf"]["status"] for n in range(3)] == ["done"] * 3

    virtually(law())


def test_running_again_does_nothing_that_is_done():
    """No call, no write of the manifest."""

    async def law() -> None:
        out, source, model = out_store("again"), await folder_of(10), good()
        await Process(out, source, model).task
        before = await out.get("manifest/0000.json")
        again = await Process(out, source, model, seed=1).task
        assert model.calls == 10
        assert again.tally.finished.total() == 0
        assert await out.get("manifest/0000.json") == before

    virtually(law())


def test_only_new_and_changed_documents_are_read_on_the_next_run():
    """A changed source is a new input; one that was rewritten with the same bytes adopts its result."""

    async def law() -> None:
        out, source, model = out_store("changed"), await folder_of(5), good()
        await Process(out, source, model).task
        await source.put("inv-001.pdf", invoice_pdf("N-001-corrected", 900))
        await source.put("inv-002.pdf", invoice_pdf("N-002", 102))
        await source.put("new.pdf", invoice_pdf("NEW", 50))
        run = await Process(out, source, model, seed=1).task
        records = await records_of(out)
        assert (len(records), statuses(records), model.calls) == (6, ["done"], 7)
        assert run.tally.adopted == 1
        assert records["inv-001.pdf"]["summary"]["invoice_number"] == "N-001-corrected"
        assert (await audit("memory://changed")).breaches == []

    virtually(law())


def test_equal_documents_are_paid_for_once():
    """Ten copies under ten names, all at once: one call, nine adopted. One is done; nine are duplicates of it."""

    async def law() -> None:
        out, source, model = out_store("equal"), MemoryStore(), good()
        for n in range(10):
            await source.put(f"copy-{n}.pdf", invoice_pdf("SAME"))
        run = await Process(out, source, model, concurrency=10).task
        records = await records_of(out)
        assert (model.calls, run.tally.adopted) == (1, 9)
        [first] = [name for name, record in records.items() if record["status"] == "done"]
        others = [record for name, record in records.items() if name != first]
        assert all((r["status"], r["duplicate"]["of"]) == ("review", first) for r in others)
        assert (await audit("memory://equal")).breaches == []
        assert sum(record["calls"] for record in records.values()) == 1

    virtually(law())


def test_several_runs_share_the_work():
    """Four processes started together on one OUT: every document done, none paid twice, nothing lost."""

    async def law() -> None:
        out, source, model = out_store("share"), await folder_of(120), good()
        runs = [Process(out, source, model, seed=n, concurrency=16) for n in range(4)]
        done = await asyncio.gather(*(run.task for run in runs))
        records = await records_of(out)
        assert (len(records), statuses(records), model.calls) == (120, ["done"], 120)
        assert sum(run.tally.finished.total() for run in done) == 120
        assert (await audit("memory://share")).breaches == []

    virtually(law())


@pytest.mark.parametrize("moment", [0.05, 0.3, 1.0, 2.05, 2.1, 2.15, 2.2, 4.1, 4.15, 6.5])
def test_a_kill_at_any_moment_loses_only_the_calls_in_flight(moment: float):
    """I8, I9: after kill -9 another process finishes everything, and pays again only for calls that were in flight."""

    async def law() -> None:
        out, source, model = out_store(f"kill{moment}"), await folder_of(20), good()
        first = Process(out, source, model, seed=1)
        await asyncio.sleep(moment)
        in_flight = model.in_flight
        first.kill()
        await asyncio.sleep(5)
        await Process(out, source, model, seed=2).task
        records = await records_of(out)
        assert (len(records), statuses(records)) == (20, ["done"])
        assert model.calls <= 20 + max(in_flight, 4)
        assert sum(record["calls"] for record in records.values()) >= model.calls
        assert sum(record["unknown_calls"] for record in records.values()) <= 4
        assert (await audit(f"memory://kill{moment}")).breaches == []

    virtually(law())


def test_a_result_that_was_stored_before_the_crash_is_adopted_and_its_cost_counted():
    """The answer was paid for and kept; only the record is missing. No second call, and no cent forgotten."""

    async def law() -> None:
        out, source, model = out_store("adopt"), await folder_of(1), good()
        first = Process(out, source, model, seed=1)
        await asyncio.sleep(2.2)
        while not [entry async for entry in out.list("results")]:
            await asyncio.sleep(0.005)
        first.kill()
        await Process(out, source, model, seed=2).task
        (record,) = (await records_of(out)).values()
        assert (record["status"], record["adopted"], record["calls"], model.calls) == ("done", True, 1, 1)
        assert (record["unknown_calls"], record["output_tokens"] > 0) == (0, True)
        assert (await audit("memory://adopt")).breaches == []

    virtually(law())


def test_no_call_goes_out_before_the_record_says_that_it_does():
    """First calls, repairs and retries alike: at each call the store holds its intent and what came before it."""

    async def law() -> None:
        out, told = out_store("intent"), list[tuple[int, int]]()

        class Watched(ScriptedModel):
            async def complete(self, request: Request) -> Answer:
                told.extend((r["asking"], r.get("calls", 0)) for r in (await records_of(out)).values() if "asking" in r)
                return await super().complete(request)

        replies = iter([RateLimited("429"), "nonsense"])
        model = Watched(lambda request: next(replies, None) or answer_for(request), latency=1.0)
        await Process(out, await folder_of(1), model).task
        assert told == [(1, 0), (2, 1), (3, 2)]

    virtually(law())


def test_after_a_kill_the_spend_that_is_told_is_the_spend_that_was_made():
    """Half way through, four calls in flight: they are of unknown outcome, and no call is told that was not made."""

    async def law() -> None:
        out, source, model = out_store("told"), await folder_of(20), good()
        first = Process(out, source, model, seed=1)
        while model.calls < 14 or model.in_flight < 4:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # until those that were answered are recorded
        first.kill()
        await asyncio.sleep(5)
        assert (await audit("memory://told")).calls_out == 4
        await Process(out, source, model, seed=2).task
        report = await audit("memory://told")
        assert (report.spent.calls, report.spent.unknown_calls, report.calls_out) == (model.calls, 4, 0)
        assert report.breaches == []

    virtually(law())


def test_what_failed_attempts_took_outlives_their_process():
    """A worker dies in its third call: the two before it are told with their tokens, the third as unknown."""

    async def law() -> None:
        out, source = out_store("attempts"), await folder_of(1)
        model = ScriptedModel(lambda _: "nonsense", latency=1.0)
        first = Process(out, source, model, seed=1)
        while model.calls < 3:
            await asyncio.sleep(0.01)
        first.kill()
        good_model = good()
        await Process(out, source, good_model, seed=2).task
        (record,) = (await records_of(out)).values()
        assert (record["status"], record["calls"], record["unknown_calls"]) == ("done", 4, 1)
        taken = [event for event in record["history"] if event["event"] == "taken over"]
        assert [(event["calls"], event["unknown_calls"]) for event in taken] == [(1, 1)]
        assert (await audit("memory://attempts")).breaches == []

    virtually(law())


def test_a_paid_answer_outlives_a_409_that_took_no_write():
    """S3 answers 409 to one of two conditional writes at a moment, and neither may have landed: it is written again."""

    async def law() -> None:
        store = out_store("busy")
        out, model = FaultyStore(store), good()
        refused: list[str] = []

        def fault(_: str, key: str) -> Fault | None:
            if key.startswith("results/") and refused.count(key) < 2:
                refused.append(key)
                return "refused"
            return None

        out.fault = fault
        await Process(out, await folder_of(3), model).task
        assert (statuses(await records_of(store)), model.calls, len(refused)) == (["done"], 3, 6)

    virtually(law())


def test_stopping_lets_calls_in_flight_end_and_gives_the_rest_back():
    """The first Ctrl-C: what was being paid for is recorded, nothing else is started, no claim is left behind."""

    async def law() -> None:
        out, source, model = out_store("stop"), await folder_of(30), good()
        process = Process(out, source, model)
        await asyncio.sleep(1.5)
        assert process.run is not None
        process.run.stop()
        await process.task
        records = await records_of(out)
        assert (statuses(records), model.calls) == (["done", "pending"], 4)
        assert sum(record["status"] == "done" for record in records.values()) == 4
        assert (await audit("memory://stop")).breaches == []

    virtually(law())


@pytest.mark.parametrize(("moment", "calls"), [(0.8, 1), (10.0, 2)])
def test_what_a_call_took_is_told_however_it_ends(moment: float, calls: int):
    """Stopped before a bad answer was repaired, or cut off in the repair after its grace: report and record agree."""

    async def law() -> None:
        slow_to_repair = iter([1.0, 500.0])

        class Misfit(ScriptedModel):
            async def complete(self, request: Request) -> Answer:
                self.calls += 1
                await asyncio.sleep(next(slow_to_repair))
                return Answer("no JSON", 10, 10, self.name)

        out = out_store("told")
        process = Process(out, await folder_of(1), Misfit(answer_for), grace=5.0)
        await asyncio.sleep(moment)
        assert process.run is not None
        process.run.stop()
        run = await process.task
        (record,) = (await records_of(out)).values()
        assert (run.tally.usage.calls, record["calls"], record["status"]) == (calls, calls, "pending")
        assert (await audit("memory://told")).breaches == []

    virtually(law())


def test_a_plan_that_fails_for_whatever_reason_is_no_finished_run():
    """A defect in our own code must not pass for an empty source."""

    class Defective(MemoryStore):
        async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
            for entry in [entry async for entry in super().list(prefix)]:
                yield entry
            raise RuntimeError("a defect")

    async def law() -> None:
        with pytest.raises(RuntimeError, match="a defect"):
            await Process(out_store("unplanned"), Defective(), good()).task

    virtually(law())


def test_stopping_does_not_wait_for_documents_that_only_wait_for_another_attempt():
    """Nobody is being paid: the claims are given back at once, with what the attempts so far have cost."""

    async def law() -> None:
        out, source = out_store("backoff"), await folder_of(4)
        process = Process(out, source, ScriptedModel(lambda request: RateLimited("slow down", 500.0)))
        await asyncio.sleep(3)
        assert process.run is not None
        began = asyncio.get_running_loop().time()
        process.run.stop()
        await process.task
        assert asyncio.get_running_loop().time() - began < 2
        records = await records_of(out)
        assert statuses(records) == ["pending"]
        assert sum(record.get("calls", 0) for record in records.values()) == 4

    virtually(law())


def test_a_set_up_error_of_the_model_stops_the_run_and_fails_no_document():
    """A wrong key is not the documents' fault: they stay pending, and the sentence reaches the user."""

    async def law() -> None:
        out = out_store("setup")
        model = ScriptedModel(lambda request: SetupError("the key was refused"))
        with pytest.raises(SetupError, match="the key was refused"):
            await Process(out, await folder_of(10), model).task
        assert statuses(await records_of(out)) == ["pending"]

    virtually(law())


def test_a_model_that_was_never_reached_stops_the_run_and_fails_no_document():
    """A wrong address is not the documents' fault; once a call has been answered, the network's faults are theirs."""

    async def law() -> None:
        out = out_store("unreachable")
        with pytest.raises(SetupError, match="can't be reached"):
            await Process(out, await folder_of(10), ScriptedModel(lambda request: Unreachable("refused"))).task
        assert statuses(await records_of(out)) == ["pending"]

    virtually(law())


def test_a_model_that_stays_away_fails_its_document_with_what_it_cost():
    """Other documents are not held up, and the calls that were made are in the record."""

    def script(request: Request) -> str | Unavailable:
        return Unavailable("busy") if "N-001" in request.turns[-1].content else answer_for(request)

    async def law() -> None:
        out = out_store("away")
        await Process(out, await folder_of(4), ScriptedModel(script, latency=1)).task
        records = await records_of(out)
        assert [records[f"inv-{n:03}.pdf"]["status"] for n in range(4)] == ["done", "failed", "done", "done"]
        assert records["inv-001.pdf"]["calls"] == 6
        assert "busy" in records["inv-001.pdf"]["reason"]
        assert (await audit("memory://away")).breaches == []

    virtually(law())


def test_faults_of_the_model_cost_attempts_and_no_document():
    """A third of the calls are refused for their rate, or garbage: every document is done in the end."""
    count = iter(range(10_000))

    def script(request: Request) -> str | RateLimited:
        turn = next(count)
        if turn % 3 == 1:
            return RateLimited("slow down", 1.0) if turn % 2 else "{not json"
        return answer_for(request) if "Net " in request.turns[-1].content else "{not json"

    def forgiving(request: Request) -> str | RateLimited:
        outcome = script(request)
        repaired = len(request.turns) > 2
        return answer_for(Request(request.turns[:2], request.schema, request.schema_name)) if repaired else outcome

    async def law() -> None:
        out = out_store("faults")
        await Process(out, await folder_of(30), ScriptedModel(forgiving, latency=0.5)).task
        assert statuses(await records_of(out)) == ["done"]
        assert (await audit("memory://faults")).breaches == []

    virtually(law())


def test_a_document_that_vanished_from_the_source_fails_with_that_reason():
    """It was planned, then deleted: the others go on."""

    async def law() -> None:
        out, source = out_store("vanished"), await folder_of(40)
        process = Process(out, source, good(), concurrency=1)
        await asyncio.sleep(1)
        await source.delete("inv-039.pdf")
        await process.task
        records = await records_of(out)
        assert "no longer in the source" in records["inv-039.pdf"]["reason"]
        assert sum(record["status"] == "done" for record in records.values()) == 39

    virtually(law())


def test_a_defect_in_our_own_code_costs_one_document_and_is_named():
    """An unexpected exception is a failed record that asks to be reported, never a hang or a lost document."""

    def script(request: Request) -> str:
        if "N-002" in request.turns[-1].content:
            raise ZeroDivisionError("a defect")
        return answer_for(request)

    async def law() -> None:
        out = out_store("defect")
        await Process(out, await folder_of(4), ScriptedModel(script)).task
        records = await records_of(out)
        assert "ZeroDivisionError" in records["inv-002.pdf"]["reason"]
        assert sum(record["status"] == "done" for record in records.values()) == 3

    virtually(law())


def test_a_zombie_makes_no_call_for_a_document_that_was_taken_over():
    """I8: a process that was cut off past its lease comes back, learns whose its documents are, and pays nothing."""

    async def law() -> None:
        out, source, model = out_store("zombie"), await folder_of(12), good(latency=10)
        zombie = Process(out, source, model, seed=1, concurrency=1)
        await asyncio.sleep(5)
        assert model.calls == 1
        zombie.store.connected.clear()
        await Process(out, source, good(latency=1), seed=2, concurrency=12).task
        zombie.store.connected.set()
        await zombie.task
        assert model.calls == 1
        assert statuses(await records_of(out)) == ["done"]
        assert (await audit("memory://zombie")).breaches == []

    virtually(law())
