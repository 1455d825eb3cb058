"""The laws of runs with batches: nothing is asked twice, nothing that was answered is lost, and every cent is told."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tests.batch import Process, answer_for, invoice_pdf, records_of
from tests.batch_provider import Fate, Provider
from tests.batch_runs import BatchProcess, batches_of, good, provider
from tests.test_pipeline import folder_of, out_store, statuses
from tests.virtual import virtually

from counterfoil.audit import audit
from counterfoil.errors import SetupError
from counterfoil.model import Request, ScriptedModel
from counterfoil.prices import LIST_PRICES
from counterfoil.store_memory import MemoryStore

HALF = (LIST_PRICES.cost("openai:gpt-4.1-mini", 1000, 100) or Decimal()) / 2


@pytest.fixture(autouse=True, scope="module")
def graves() -> Iterator[None]:
    """The dead are buried here, not in the middle of whatever test comes next."""
    yield
    gc.collect()


async def sound(name: str, records: dict[str, dict[str, Any]], calls: int) -> None:
    """`verify` finds nothing, and the records tell of `calls` answers at half the price."""
    assert (await audit(f"memory://{name}")).breaches == []
    assert sum(record.get("calls", 0) for record in records.values()) == calls
    assert sum(Decimal(record.get("cost_usd") or 0) for record in records.values()) == calls * HALF


def test_a_batch_answers_for_all_its_documents_at_half_the_price():
    """Forty documents, one batch, one request each; e-invoices need none."""

    async def law() -> None:
        out, at = out_store("whole"), provider()
        run = await BatchProcess(out, await folder_of(40), at).task
        records = await records_of(out)
        assert (len(records), statuses(records)) == (40, ["done"])
        assert (len(at.batches), len(at.submissions)) == (1, 40)
        assert run.tally.usage.calls == 40
        assert run.tally.usage.cost_usd == 40 * HALF
        assert [batch.state for batch in (await batches_of(out)).values()] == ["ended"]
        await sound("whole", records, 40)

    virtually(law())


def test_a_running_batch_is_looked_at_ever_more_seldom():
    """From 5 s to 60 s: a day is some fifteen hundred looks, not seventeen thousand."""

    async def law() -> None:
        process = BatchProcess(out_store("seldom"), await folder_of(2), provider(takes=86_400.0))
        await process.task
        assert process.service is not None
        assert 1400 < process.service.looks < 1500

    virtually(law())


def test_equal_documents_share_one_request():
    """Ten copies, one request, one call on record."""

    async def law() -> None:
        out, source, at = out_store("copies"), MemoryStore(), provider()
        for n in range(10):
            await source.put(f"copy-{n}.pdf", invoice_pdf("SAME"))
        await BatchProcess(out, source, at).task
        records = await records_of(out)
        assert (sorted(statuses(records)), len(at.submissions)) == (["done", "review"], 1)
        await sound("copies", records, 1)

    virtually(law())


def test_two_runs_share_batches_too():
    """Started together on one OUT: no document asked for twice, and either collects what the other has asked."""

    async def law() -> None:
        out, source, at = out_store("two"), await folder_of(80), provider()
        first, second = BatchProcess(out, source, at, seed=1), BatchProcess(out, source, at, seed=2)
        await asyncio.gather(first.task, second.task)
        records = await records_of(out)
        assert (len(records), statuses(records), len(at.submissions)) == (80, ["done"], 80)
        await sound("two", records, 80)

    virtually(law())


def test_a_stopped_run_leaves_its_batch_to_the_next_one():
    """No claim is left behind, the run says what still runs, and nothing is submitted again."""

    async def law() -> None:
        out, source, at = out_store("stopped"), await folder_of(10), provider()
        first = BatchProcess(out, source, at, seed=1)
        await asyncio.sleep(600)
        first.stop()
        run = await first.task
        assert [(batch.state, batch.count) for batch in run.running] == [("submitted", 10)]
        records = await records_of(out)
        assert statuses(records) == ["pending"]
        assert len({record["batch"]["name"] for record in records.values()}) == 1
        await BatchProcess(out, source, at, seed=2).task
        records = await records_of(out)
        assert (statuses(records), len(at.submissions)) == (["done"], 10)
        await sound("stopped", records, 10)

    virtually(law())


def test_a_run_that_calls_the_model_itself_waits_for_a_batch_too():
    """Without --batch, what a batch is to answer is not called for; the rest is, at once."""

    async def law() -> None:
        out, source, at = out_store("mixed"), await folder_of(10), provider()
        first = BatchProcess(out, source, at, seed=1)
        await asyncio.sleep(600)
        first.stop()
        await first.task
        await source.put("later.pdf", invoice_pdf("LATER"))
        model = ScriptedModel(answer_for, name="openai:gpt-4.1-mini", latency=1.0)
        await BatchProcess(out, source, at, seed=2, model=model).task
        records = await records_of(out)
        assert (len(records), statuses(records), model.calls, len(at.submissions)) == (11, ["done"], 1, 10)
        assert (await audit("memory://mixed")).breaches == []

    virtually(law())


@pytest.mark.parametrize("other", [{"key": "another"}, {"name": "openai:another-model"}, {"provider": None}])
def test_documents_of_another_accounts_batch_are_left_alone(other: dict[str, Any]):
    """Another key, another model, or no key: they stay pending, the others go on, and the run comes to its end."""

    async def law() -> None:
        out, source, at = out_store("other"), await folder_of(5), provider()
        first = BatchProcess(out, source, at, seed=1)
        await asyncio.sleep(600)
        first.stop()
        await first.task
        await source.put("later.pdf", invoice_pdf("LATER"))
        model = None if "provider" not in other else ScriptedModel(answer_for)
        run = await BatchProcess(out, source, **{"provider": at, "model": model, "seed": 2, **other}).task
        assert list(run.left.values()) == [5]
        records = await records_of(out)
        assert records.pop("later.pdf")["status"] == "done"
        assert statuses(records) == ["pending"]
        await BatchProcess(out, source, at, seed=3).task
        assert statuses(await records_of(out)) == ["done"]
        assert (await audit("memory://other")).breaches == []

    virtually(law())


def test_an_answer_that_does_not_fit_is_sent_back_in_the_next_batch():
    """Once: two requests, both paid, both on record, also across a kill between them."""

    async def law() -> None:
        asked = Counter[str]()

        def fate(name: str, request: Request) -> Fate:
            asked[request.turns[1].content] += 1
            repaired = len(request.turns) > 2
            return good(name, request) if repaired else Fate(text="no JSON")

        def repairable(name: str, request: Request) -> Fate:
            if len(request.turns) > 2:
                return Fate(text=answer_for(Request(request.turns[:2], request.schema, "invoice")))
            return fate(name, request)

        out, source, at = out_store("misfit"), await folder_of(3), provider(repairable)
        first = BatchProcess(out, source, at, seed=1)
        await asyncio.sleep(3600 + 600)
        first.kill()
        await BatchProcess(out, source, at, seed=2).task
        records = await records_of(out)
        assert (statuses(records), len(at.batches), len(at.submissions)) == (["done"], 2, 6)
        await sound("misfit", records, 6)

    virtually(law())


def test_a_run_that_knows_no_batches_leaves_those_of_another_alone():
    """Begun before there was one: it ends when the rest is done, and the other goes on."""

    async def law() -> None:
        out, at = out_store("plain"), provider()
        sources = [await folder_of(3), MemoryStore()]
        await sources[1].put("single.pdf", invoice_pdf("SINGLE"))
        model = ScriptedModel(answer_for, latency=60.0)
        plain = Process(out, sources[1], model, seed=1)
        await asyncio.sleep(5)
        batched = BatchProcess(out, sources[0], at, seed=2)
        run = await plain.task
        assert run.tools.worker.bound.total() == 3
        assert asyncio.get_running_loop().time() < 300
        await batched.task
        records = await records_of(out)
        assert (len(records), statuses(records), model.calls, len(at.submissions)) == (4, ["done"], 1, 3)

    virtually(law())


def test_answers_that_never_fit_end_their_document():
    """After as many repairs as single calls have: three answers, all paid."""

    async def law() -> None:
        out, at = out_store("never"), provider(lambda name, request: Fate(text="no JSON"))
        await BatchProcess(out, await folder_of(2), at).task
        records = await records_of(out)
        assert statuses(records) == ["failed"]
        assert all("did not fit the schema after 3 answers" in record["reason"] for record in records.values())
        await sound("never", records, 6)

    virtually(law())


@pytest.mark.parametrize("fate", [Fate("expired"), Fate("error", "busy"), Fate("error", "key", status=401)])
def test_a_request_that_failed_is_asked_again_so_often_and_no_more(fate: Fate):
    """Expired or failed: in another batch, up to the bound; nothing of it costs anything."""

    async def law() -> None:
        failures = Counter[str]()

        def flaky(name: str, request: Request) -> Fate:
            failures[request.turns[1].content] += 1
            document = next(iter(failures))
            return (
                fate
                if request.turns[1].content == document or failures[request.turns[1].content] == 1
                else good(name, request)
            )

        out, at = out_store("again"), provider(flaky)
        await BatchProcess(out, await folder_of(3), at, max_attempts=3).task
        records = await records_of(out)
        assert Counter(record["status"] for record in records.values()) == {"done": 2, "failed": 1}
        assert len(at.submissions) == 3 + 2 + 2
        await sound("again", records, 2)

    virtually(law())


@pytest.mark.parametrize(("fate", "paid"), [(Fate("refused", "no"), 1), (Fate("error", "too long", status=400), 0)])
def test_what_the_model_declines_or_can_not_take_fails_its_document(fate: Fate, paid: int):
    """At once; a declined answer is paid for."""

    async def law() -> None:
        out, at = out_store("declined"), provider(lambda name, request: fate)
        await BatchProcess(out, await folder_of(1), at).task
        records = await records_of(out)
        assert (statuses(records), len(at.submissions)) == (["failed"], 1)
        await sound("declined", records, paid)

    virtually(law())


def test_a_submission_whose_reply_is_lost_is_looked_for_and_never_sent_again():
    """Found in the listing as soon as that shows it."""

    async def law() -> None:
        out, at = out_store("reply"), provider()
        at.drop_replies, at.late = 1, 300.0
        await BatchProcess(out, await folder_of(5), at).task
        records = await records_of(out)
        assert (statuses(records), len(at.batches)) == (["done"], 1)
        await sound("reply", records, 5)

    virtually(law())


def test_a_batch_that_can_be_recognized_only_when_it_has_ended_is_waited_for():
    """As at Anthropic: while one that may be it still runs, nothing is asked again."""

    async def law() -> None:
        out, at = out_store("blind"), provider()
        at.drop_replies = 1
        process = BatchProcess(out, await folder_of(5), at)
        assert process.service is not None
        process.service.blind = True
        await process.task
        records = await records_of(out)
        assert (statuses(records), len(at.batches)) == (["done"], 1)
        await sound("blind", records, 5)

    virtually(law())


POINTS = [f"{when} {what}" for what in ("submit", "look", "results") for when in ("before", "after")]


@pytest.mark.parametrize("late", [0.0, 400.0])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_request_to_the_provider_asks_nothing_twice(point: str, late: float):
    """Whatever was submitted is found and collected by the next run; a listing may be late."""

    async def law() -> None:
        name = f"kill-{point}-{late}"
        out, source, at = out_store(name), await folder_of(8), provider()
        at.late = late
        first = BatchProcess(out, source, at, seed=1)
        assert first.service is not None
        first.service.cut = lambda here: first.kill() if here == point else None
        await asyncio.sleep(3600 + 900)
        await BatchProcess(out, source, at, seed=2).task
        records = await records_of(out)
        assert (len(records), statuses(records)) == (8, ["done"])
        assert len(at.submissions) == 8
        await sound(name, records, 8)

    virtually(law())


class Killer:
    """Kills a process at its n-th point: before or after a write to the store, or a request to the provider."""

    def __init__(self, process: BatchProcess, n: int) -> None:
        assert process.service is not None
        self._process, self._left = process, n
        self.points = 0
        process.store.cut = process.service.cut = self

    def __call__(self, point: str) -> None:
        if point.endswith("look") or "workers/" in point:
            return
        self.points += 1
        self._left -= 1
        if self._left == 0:
            self._process.kill()


async def killed_at(n: int) -> tuple[Any, Provider, int]:
    """An OUT whose first run was killed at its n-th point, and whose next run came to its end."""
    out, source, at = out_store(f"killed-{n}"), await folder_of(2), provider()
    await source.put("copy.pdf", invoice_pdf("N-000", 100))
    first = BatchProcess(out, source, at, seed=1)
    killer = Killer(first, n)
    while not first.task.done() and first.store.connected.is_set():
        await asyncio.sleep(1)
    await asyncio.sleep(100)
    await BatchProcess(out, source, at, seed=2).task
    return out, at, killer.points


def test_a_kill_at_any_write_or_request_asks_nothing_twice():
    """A loop over all points of a run, submission to last record: all read, each request and cent once."""
    points = 200
    for n in range(1, points):

        async def law(n: int = n) -> int:
            out, at, seen = await killed_at(n)
            records = await records_of(out)
            assert (len(records), statuses(records)) == (3, ["done", "review"]), n
            assert len({request.split("-")[2] for request in at.submissions}) == len(at.submissions) == 2, n
            await sound(f"killed-{n}", records, 2)
            return seen

        if virtually(law()) < n:
            assert n > 20
            return
    raise AssertionError("a run has more points than were tried")


def test_a_worker_that_wakes_after_its_batch_was_given_up_does_not_submit_it():
    """Paused between the intent and the submission for longer than anybody waits: the book refuses it."""

    async def law() -> None:
        out, source, at = out_store("zombie"), await folder_of(4), provider()
        first = BatchProcess(out, source, at, seed=1)
        while not await out.get("batches.json"):
            await asyncio.sleep(0.01)
        first.kill()
        second = BatchProcess(out, source, at, seed=2)
        await asyncio.sleep(2000)
        first.store.connected.set()
        await asyncio.gather(first.task, second.task)
        records = await records_of(out)
        assert (statuses(records), len(at.submissions)) == (["done"], 4)
        assert sorted(batch.state for batch in (await batches_of(out)).values()) == ["ended", "lost"]
        await sound("zombie", records, 4)

    virtually(law())


def test_a_batch_that_was_given_up_before_it_was_sent_is_not_sent():
    """Paused between the intent and the last word in the book, which then refuses it: one submission, not two."""

    async def law() -> None:
        out, source, at = out_store("unsent"), await folder_of(4), provider()
        first, seen = BatchProcess(out, source, at, seed=1), Counter[str]()

        def cut(point: str) -> None:
            seen[point] += 1
            if seen["after batches.json"] and point == "after manifest/0000.json":
                first.kill()

        first.store.cut = cut
        while first.store.connected.is_set():
            await asyncio.sleep(0.01)
        second = BatchProcess(out, source, at, seed=2)
        await asyncio.sleep(2000)
        first.store.cut = lambda point: None
        first.store.connected.set()
        await asyncio.gather(first.task, second.task)
        records = await records_of(out)
        assert (statuses(records), len(at.batches)) == (["done"], 1)
        await sound("unsent", records, 4)

    virtually(law())


def test_a_submission_that_takes_long_is_its_submitters_as_long_as_that_lives():
    """A thousand seconds of upload: the other run, which sees no such batch, leaves it alone."""

    async def law() -> None:
        out, source, at = out_store("slow"), await folder_of(4), provider()
        first = BatchProcess(out, source, at, seed=1)
        assert first.service is not None
        first.service.latency = 1000.0
        await asyncio.sleep(60)
        second = BatchProcess(out, source, at, seed=2)
        await asyncio.gather(first.task, second.task)
        records = await records_of(out)
        assert (statuses(records), len(at.batches)) == (["done"], 1)
        await sound("slow", records, 4)

    virtually(law())


def test_a_stop_while_answers_are_collected_counts_none_twice():
    """What a claim that is given back has fetched stays the batch's to tell."""

    async def law() -> None:
        out, source, at = out_store("given-back"), await folder_of(30), provider()
        first = BatchProcess(out, source, at, seed=1)
        assert first.service is not None
        first.service.cut = lambda here: first.stop() if here == "after results" else None
        await first.task
        assert "pending" in statuses(await records_of(out))
        await BatchProcess(out, source, at, seed=2).task
        records = await records_of(out)
        assert (statuses(records), len(at.submissions)) == (["done"], 30)
        await sound("given-back", records, 30)

    virtually(law())


def test_equal_documents_share_a_request_that_fails_them_too():
    """Three answers that do not fit, for both: three requests, three calls on record."""

    async def law() -> None:
        out, source, at = out_store("twins"), MemoryStore(), provider(lambda name, request: Fate(text="no JSON"))
        for n in range(2):
            await source.put(f"copy-{n}.pdf", invoice_pdf("SAME"))
        await BatchProcess(out, source, at).task
        records = await records_of(out)
        assert (statuses(records), len(at.submissions)) == (["failed"], 3)
        await sound("twins", records, 3)

    virtually(law())


def test_an_equal_document_joins_a_batch_that_is_already_running(monkeypatch: pytest.MonkeyPatch):
    """Batches of one: the copy is left to the request of the first, and nothing is asked for it."""
    monkeypatch.setattr("counterfoil.batch_submit.MOST_REQUESTS", 1)

    async def law() -> None:
        out, source, at = out_store("joins"), await folder_of(3), provider()
        await source.put("copy.pdf", invoice_pdf("N-000", 100))
        await BatchProcess(out, source, at).task
        records = await records_of(out)
        assert (statuses(records), len(at.batches), len(at.submissions)) == (["done", "review"], 3, 3)
        await sound("joins", records, 3)

    virtually(law())


def test_a_batch_that_lands_after_it_was_given_up_is_cancelled():
    """The one request that may be out for too long: its submitter cancels what nobody waits for."""

    async def law() -> None:
        out, source, at = out_store("late"), await folder_of(4), provider()
        first = BatchProcess(out, source, at, seed=1)
        assert first.service is not None
        first.service.cut = lambda here: first.kill() if here == "before submit" else None
        while first.store.connected.is_set():
            await asyncio.sleep(0.01)
        second = BatchProcess(out, source, at, seed=2)
        await asyncio.sleep(2000)
        first.service.cut = lambda here: None
        first.store.connected.set()
        await asyncio.gather(first.task, second.task)
        records = await records_of(out)
        assert statuses(records) == ["done"]
        assert sorted(batch.cancelled for batch in at.batches.values()) == [False, True]
        await sound("late", records, 4)

    virtually(law())


def test_after_a_cancel_the_next_run_collects_what_was_answered_and_asks_for_the_rest():
    """The run that waited for it stops and says so; nothing that was paid is lost."""

    async def law() -> None:
        out, source, at = out_store("cancel"), await folder_of(10), provider()
        at.done_at_cancel = 4
        first = BatchProcess(out, source, at, seed=1)
        await asyncio.sleep(600)
        (kept,) = at.batches.values()
        at.cancel(kept)
        with pytest.raises(SetupError, match="was cancelled; run it again"):
            await first.task
        assert len(at.batches) == 1
        await BatchProcess(out, source, at, seed=2).task
        records = await records_of(out)
        assert (statuses(records), len(at.submissions)) == (["done"], 10 + 6)
        await sound("cancel", records, 10)

    virtually(law())


def test_a_batch_that_the_provider_no_longer_has_is_of_unknown_cost():
    """Its documents are asked for again, and each of its requests is counted as of unknown outcome."""

    async def law() -> None:
        out, source, at = out_store("gone"), await folder_of(3), provider()
        first = BatchProcess(out, source, at, seed=1)
        await asyncio.sleep(600)
        first.stop()
        await first.task
        for kept in at.batches.values():
            kept.deleted = True
        await BatchProcess(out, source, at, seed=2).task
        records = await records_of(out)
        assert statuses(records) == ["done"]
        assert all((record["calls"], record["unknown_calls"]) == (2, 1) for record in records.values())
        assert (await audit("memory://gone")).breaches == []

    virtually(law())


def test_a_full_queue_at_the_provider_is_waited_out():
    """The batch was refused as a whole, cost nothing, and is asked for again after a while."""

    async def law() -> None:
        out, at = out_store("full"), provider()
        at.problem = "full"
        process = BatchProcess(out, await folder_of(3), at)
        await asyncio.sleep(100)
        at.problem = None
        await process.task
        records = await records_of(out)
        assert (statuses(records), len(at.batches)) == (["done"], 2)
        await sound("full", records, 3)

    virtually(law())


def test_a_batch_that_is_refused_for_its_set_up_stops_the_run():
    """One sentence, and every document pending."""

    async def law() -> None:
        out, at = out_store("refused"), provider()
        at.problem = "broken"
        with pytest.raises(SetupError, match="no such model"):
            await BatchProcess(out, await folder_of(3), at).task
        assert statuses(await records_of(out)) == ["pending"]
        at.problem = None
        await BatchProcess(out, await folder_of(3), at, seed=1).task
        assert statuses(await records_of(out)) == ["done"]

    virtually(law())


def test_a_document_that_changes_while_its_batch_runs_is_read_as_it_is_then():
    """The old request is paid and told; its answer is not taken for the new bytes."""

    async def law() -> None:
        out, source, at = out_store("changes"), await folder_of(2), provider()
        first = BatchProcess(out, source, at, seed=1)
        await asyncio.sleep(600)
        first.stop()
        await first.task
        await source.put("inv-001.pdf", invoice_pdf("CORRECTED", 900))
        await BatchProcess(out, source, at, seed=2).task
        records = await records_of(out)
        assert records["inv-001.pdf"]["summary"]["invoice_number"] == "CORRECTED"
        assert (statuses(records), len(at.submissions)) == (["done"], 3)
        await sound("changes", records, 3)

    virtually(law())
