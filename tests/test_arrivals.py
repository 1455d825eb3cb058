"""The laws of watching: what arrives is read once, however it is told of, and whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.batch import Process, answer_for, folder_of, invoice_pdf, records_of
from tests.virtual import virtually

from counterfoil.arrivals import MOST_RECEIVED, Arrivals, Watching
from counterfoil.audit import audit
from counterfoil.clock import Clock
from counterfoil.errors import Unavailable
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest
from counterfoil.model import ScriptedModel, Unreachable
from counterfoil.queue_sqs import HIDDEN, Message
from counterfoil.source import open_source
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker


class MemoryQueue:
    """A queue as SQS keeps its promises: a message that is received is hidden for a while, and comes again unless it is
    deleted."""

    def __init__(self) -> None:
        self._messages: dict[str, tuple[Message, float]] = {}
        self.away = False

    def __len__(self) -> int:
        return len(self._messages)

    def send(self, body: str) -> None:
        name = f"message-{len(self._messages)}-{asyncio.get_running_loop().time()}"
        self._messages[name] = Message(name, body, name, 0), 0.0

    def tell(self, key: str, bucket: str = "source", event: str = "ObjectCreated:Put") -> None:
        about = {"bucket": {"name": bucket}, "object": {"key": key}}
        self.send(json.dumps({"Records": [{"eventName": event, "s3": about}]}))

    async def receive(self) -> Sequence[Message]:
        for _ in range(20):
            if self.away:
                raise Unavailable("the queue is away")
            now = asyncio.get_running_loop().time()
            free = [(name, message) for name, (message, hidden) in self._messages.items() if hidden <= now][:10]
            for name, message in free:
                self._messages[name] = replace(message, received=message.received + 1), now + HIDDEN
            if free:
                return [self._messages[name][0] for name, _ in free]
            await asyncio.sleep(1)
        return []

    async def delete(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._messages.pop(message.receipt, None)


class OfProcess:
    """One process's way to a queue: a dead process takes nothing from it."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue
        self.process: Process | None = None

    async def receive(self) -> Sequence[Message]:
        assert self.process is not None
        await self.process.store.alive()
        received = await self._queue.receive()
        await self.process.store.alive()
        return received

    async def delete(self, messages: Sequence[Message]) -> None:
        assert self.process is not None
        await self.process.store.alive()
        await self._queue.delete(messages)


def out_store(name: str) -> MemoryStore:
    store = open_store(f"memory://{name}")
    assert isinstance(store, MemoryStore)
    store.__init__(store.url)
    return store


def good(latency: float = 2.0) -> ScriptedModel:
    return ScriptedModel(answer_for, latency=latency)


def watcher(out: Any, source: Any, model: Any, *, queue: MemoryQueue | None = None, **more: Any) -> Process:
    how = {"every": 10.0, "idle": None} | {key: more.pop(key) for key in ("every", "idle") if key in more}
    way = OfProcess(queue) if queue is not None else None
    process = Process(out, source, model, watching=Watching(queue=way, **how), **more)
    if way:
        way.process = process
    return process


async def statuses(out: Any) -> dict[str, str]:
    return {document: str(record["status"]) for document, record in (await records_of(out)).items()}


async def stopped(process: Process) -> None:
    """Ends a watch as a signal does."""
    assert process.run is not None
    process.run.stop()
    await process.task


def test_what_was_there_and_what_arrives_is_read():
    """By listing alone, at the next look."""

    async def law() -> None:
        out, source, model = out_store("arrive"), await folder_of(2), good()
        watching = watcher(out, source, model)
        await asyncio.sleep(5)
        assert await statuses(out) == {"inv-000.pdf": "done", "inv-001.pdf": "done"}
        await source.put("late.pdf", invoice_pdf("LATE"))
        await asyncio.sleep(10)
        assert (await statuses(out))["late.pdf"] == "done"
        assert model.calls == 3
        await stopped(watching)
        assert (await audit("memory://arrive")).breaches == []

    virtually(law())


def test_a_look_that_finds_nothing_new_costs_one_listing():
    """No read of the source, and no write to the manifest."""

    async def law() -> None:
        listed: list[float] = []

        class Counting(MemoryStore):
            async def list(self, prefix: str = "") -> Any:
                listed.append(asyncio.get_running_loop().time())
                async for entry in super().list(prefix):
                    yield entry

        source = Counting("memory://source")
        await source.put("a.pdf", invoice_pdf("A"))
        out = out_store("nothing-new")
        watching = watcher(out, source, good())
        await asyncio.sleep(30)
        written = (await out.get("manifest/0000.json"), len(listed))
        await asyncio.sleep(100)
        assert (await out.get("manifest/0000.json"), len(listed)) == (written[0], written[1] + 10)
        await stopped(watching)

    virtually(law())


@pytest.mark.parametrize("changed_at", [2.0, 40.0])
def test_a_document_that_changes_is_read_again_also_if_it_was_being_worked_on(changed_at: float):
    """A change in the middle of its call is seen by a listing that must not take it for known."""

    async def law() -> None:
        out, source = out_store("changes"), await folder_of(1)
        watching = watcher(out, source, good(latency=30))
        await asyncio.sleep(changed_at)
        await source.put("inv-000.pdf", invoice_pdf("OTHER", 777))
        await asyncio.sleep(90)
        record = (await records_of(out))["inv-000.pdf"]
        assert (record["status"], record["summary"]["invoice_number"]) == ("done", "OTHER")
        await stopped(watching)

    virtually(law())


def test_a_message_is_answered_at_once_and_leaves_the_queue():
    """Long before the next listing; deletes and what is gone again leave it too."""

    async def law() -> None:
        out, source, queue = out_store("told"), await folder_of(0), MemoryQueue()
        watching = watcher(out, source, good(), queue=queue, every=900.0)
        await asyncio.sleep(3)
        await source.put("new one.pdf", invoice_pdf("NEW"))
        queue.tell("new+one.pdf")
        queue.tell("gone.pdf")
        queue.tell("inv.pdf", event="ObjectRemoved:Delete")
        await asyncio.sleep(5)
        assert await statuses(out) == {"new one.pdf": "done"}
        assert len(queue) == 0
        await stopped(watching)

    virtually(law())


def test_a_message_that_comes_many_times_is_one_document_and_one_call():
    """At once, and again later."""

    async def law() -> None:
        out, source, queue, model = out_store("twice"), await folder_of(1), MemoryQueue(), good()
        watching = watcher(out, source, model, queue=queue, every=900.0)
        for _ in range(30):
            queue.tell("inv-000.pdf")
        await asyncio.sleep(60)
        queue.tell("inv-000.pdf")
        await asyncio.sleep(60)
        assert (await statuses(out), model.calls, len(queue)) == ({"inv-000.pdf": "done"}, 1, 0)
        await stopped(watching)

    virtually(law())


@pytest.mark.parametrize("point", ["before manifest/0000.json", "after manifest/0000.json"])
def test_a_watcher_that_dies_before_or_after_a_plan_loses_no_message(point: str):
    """Its message is still in the queue; whoever watches next finds the document there, or brings it there."""

    async def law() -> None:
        out, source, queue, model = out_store("dies"), await folder_of(1), MemoryQueue(), good()
        first = watcher(out, source, model, queue=queue, every=900.0)
        first.store.cut = lambda at: first.kill() if at == point else None
        queue.tell("inv-000.pdf")
        await asyncio.sleep(20)
        assert len(queue) == 1
        second = watcher(out, await folder_of(0), model, queue=queue, every=900.0, seed=1)
        second._source._objects = source._objects
        await asyncio.sleep(HIDDEN + 60)
        assert (await statuses(out), len(queue)) == ({"inv-000.pdf": "done"}, 0)
        await stopped(second)
        first.task.cancel()

    virtually(law())


def test_a_message_of_a_document_that_is_being_worked_on_stays_until_its_change_is_planned():
    """It would be the only one to tell of the change."""

    async def law() -> None:
        out, source, queue = out_store("stays"), await folder_of(1), MemoryQueue()
        watching = watcher(out, source, good(latency=100), queue=queue, every=9000.0)
        await asyncio.sleep(50)
        await source.put("inv-000.pdf", invoice_pdf("OTHER", 777))
        queue.tell("inv-000.pdf")
        await asyncio.sleep(60)
        assert len(queue) == 1
        await asyncio.sleep(2 * HIDDEN)
        record = (await records_of(out))["inv-000.pdf"]
        assert (record["status"], record["summary"]["invoice_number"], len(queue)) == ("done", "OTHER", 0)
        await stopped(watching)

    virtually(law())


def test_a_message_that_cannot_be_read_is_not_received_for_ever():
    """The queue may move it away before; the others pass it by."""

    async def law() -> None:
        out, source, queue = out_store("poison"), await folder_of(1), MemoryQueue()
        watching = watcher(out, source, good(), queue=queue, every=9000.0)
        queue.send("what is this?")
        queue.tell("inv-000.pdf")
        await asyncio.sleep(HIDDEN * (MOST_RECEIVED - 2))
        assert len(queue) == 1
        assert watching.said == []
        await asyncio.sleep(HIDDEN * 3)
        assert len(queue) == 0
        assert len(watching.said) == 1
        assert "what is this?" in watching.said[0]
        await stopped(watching)

    virtually(law())


def test_what_is_not_of_this_source_is_passed_over_and_said_once():
    """Another bucket's messages are not ours to read."""

    async def law() -> None:
        out, source, queue = out_store("foreign"), await folder_of(1), MemoryQueue()
        watching = watcher(out, source, good(), queue=queue, every=9000.0)
        for n in range(12):
            queue.tell(f"inv-{n}.pdf", bucket="another")
        for key in ("sub/", "a//b.pdf", ".hidden.pdf", "notes.txt"):
            queue.tell(key)
        await asyncio.sleep(10)
        assert (await statuses(out), len(queue)) == ({"inv-000.pdf": "done"}, 0)
        assert ["another" in said for said in watching.said] == [True, False]
        assert "a//b.pdf" in watching.said[1]
        await stopped(watching)

    virtually(law())


def test_what_no_message_told_of_is_found_by_the_next_listing():
    """Messages are lost now and then, and a queue may be away for long."""

    async def law() -> None:
        out, source, queue = out_store("lost"), await folder_of(0), MemoryQueue()
        queue.away = True
        watching = watcher(out, source, good(), queue=queue, every=900.0)
        await asyncio.sleep(100)
        await source.put("untold.pdf", invoice_pdf("UNTOLD"))
        await asyncio.sleep(900)
        assert await statuses(out) == {"untold.pdf": "done"}
        queue.away = False
        await source.put("told.pdf", invoice_pdf("TOLD"))
        queue.tell("told.pdf")
        await asyncio.sleep(70)
        assert (await statuses(out))["told.pdf"] == "done"
        await stopped(watching)

    virtually(law())


def test_idle_ends_a_watch_only_when_nothing_came_for_so_long_and_all_is_finished():
    """What is under way then comes to its end."""

    async def law() -> None:
        out, source = out_store("idle"), await folder_of(1)
        watching = watcher(out, source, good(latency=50), idle=35.0)
        await asyncio.sleep(30)
        await source.put("late.pdf", invoice_pdf("LATE"))
        run = await watching.task
        assert not run.stopping
        assert await statuses(out) == {"inv-000.pdf": "done", "late.pdf": "done"}
        assert 75 < asyncio.get_running_loop().time() < 100

    virtually(law())


def test_two_watchers_on_one_out_share_what_arrives():
    """Each document is paid for once, and both have their part."""

    async def law() -> None:
        out, source, queue, model = out_store("shared"), await folder_of(0), MemoryQueue(), good(latency=10)
        both = [watcher(out, source, model, queue=queue, every=60.0, seed=n) for n in (1, 2)]
        for n in range(40):
            await source.put(f"new-{n:02}.pdf", invoice_pdf(f"N-{n}"))
            queue.tell(f"new-{n:02}.pdf")
            await asyncio.sleep(0.5)
        await asyncio.sleep(120)
        for one in both:
            await stopped(one)
        assert set((await statuses(out)).values()) == {"done"}
        assert model.calls == 40
        assert all(one.run and one.run.tally.finished.total() > 5 for one in both)
        assert (await audit("memory://shared")).breaches == []

    virtually(law())


def test_a_signal_ends_a_watch_with_what_is_in_flight_recorded():
    """And nothing new is begun."""

    async def law() -> None:
        out, source, model = out_store("signal"), await folder_of(3), good(latency=20)
        watching = watcher(out, source, model, concurrency=2)
        await asyncio.sleep(5)
        await stopped(watching)
        assert sorted((await statuses(out)).values()) == ["done", "done", "pending"]
        assert model.calls == 2

    virtually(law())


def test_a_model_that_is_away_fails_no_document_of_a_patient_run():
    """However many were answered before: the run ends, for the same documents to be tried again."""

    async def law() -> None:
        out, source, away = out_store("away"), await folder_of(2), False
        model = ScriptedModel(lambda request: Unreachable("refused") if away else answer_for(request), latency=1)
        watching = watcher(out, source, model, patient=True)
        await asyncio.sleep(8)
        away = True
        await source.put("late.pdf", invoice_pdf("LATE"))
        with pytest.raises(Unavailable, match="refused"):
            await watching.task
        assert (await statuses(out))["late.pdf"] == "pending"
        away = False
        again = watcher(out, source, model, patient=True, seed=1)
        await asyncio.sleep(8)
        assert set((await statuses(out)).values()) == {"done"}
        await stopped(again)

    virtually(law())


async def test_a_file_is_taken_only_once_it_has_stopped_changing(tmp_path: Path):
    """Whoever writes slowly is waited for: size and time must be the same in two looks."""
    (tmp_path / "in").mkdir()
    source = await open_source(str(tmp_path / "in"), out=str(tmp_path / "out"), clock=Clock())
    growing = tmp_path / "in" / "growing.pdf"
    async with Manifest.open(str(tmp_path / "out")) as manifest, Worker.join(manifest) as worker:
        arrivals = Arrivals(source, manifest, worker, Watching(every=60.0), lambda said: None)
        for size in range(1, 4):
            growing.write_bytes(b"x" * size)
            await arrivals._look()
            assert await statuses(str(tmp_path / "out")) == {}
        await arrivals._look()
        assert {d: r["size"] for d, r in (await records_of(str(tmp_path / "out"))).items()} == {"growing.pdf": 3}


def test_an_idle_watch_looks_once_more_before_it_ends():
    """What a lost message told of is not left to nobody."""

    async def law() -> None:
        out, source, queue = out_store("last-look"), await folder_of(0), MemoryQueue()
        watching = watcher(out, source, good(), queue=queue, every=9000.0, idle=60.0)
        await asyncio.sleep(20)
        await source.put("untold.pdf", invoice_pdf("UNTOLD"))
        await watching.task
        assert await statuses(out) == {"untold.pdf": "done"}

    virtually(law())
