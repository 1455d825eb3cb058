"""The laws of many workers at many shards: who reads what, who claims where, and that nobody starves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.cost_model import tables
from benchmarks.scale_cloud import SLOW_S3
from benchmarks.scale_sim import Scenario, simulate
from tests.faults import FaultyStore
from tests.virtual import virtual_clock, virtually

from counterfoil import transitions
from counterfoil.commit import Register
from counterfoil.document import Usage
from counterfoil.manifest import Manifest, shard_of
from counterfoil.store import Entry, Object
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker

SHARDS = 100
DONE: dict[str, Any] = {"status": "done", "result": "results/x"}


class Tagged(MemoryStore):
    """A store whose listings show its tags, as those of the clouds do; it counts what is read of the manifest."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def _write(self, key: str, body: bytes) -> str:
        self._writes += 1
        self._objects[key] = Object(body, f'"{self._writes}"|')
        return self._objects[key].tag

    async def get(self, key: str) -> Object | None:
        self.reads += key.startswith("manifest/")
        return await super().get(key)

    async def list(self, prefix: str = "") -> Any:
        async for entry in super().list(prefix):
            yield Entry(entry.key, entry.size, entry.mark.rpartition("|")[0])


@asynccontextmanager
async def at(store: Any, name: str, **more: Any) -> AsyncGenerator[Worker]:
    async with (
        Manifest.open(store, shards=SHARDS, clock=virtual_clock(), writer=name) as manifest,
        Worker.join(manifest, **more) as worker,
    ):
        yield worker


async def plan(store: Any, documents: int) -> None:
    async with at(store, "planner") as planner:
        for shard in range(SHARDS):
            those = [(f"doc-{n}", "mark", 1) for n in range(documents) if shard_of(f"doc-{n}", SHARDS) == shard]
            await planner.plan(shard, those)


async def finish_all(store: Any) -> None:
    async with at(store, "first") as worker:
        while worker.statuses["pending"] + worker.statuses["running"]:
            await worker.survey()
            for claim in await worker.claim(1000):
                await worker.deeds.finish(claim, DONE, Usage())
            await asyncio.sleep(1)


def test_a_finished_shard_is_known_by_its_seal_and_not_read():
    """Who comes when all is done knows so from a listing, of thousands of shards too."""

    async def law() -> None:
        store = Tagged()
        await plan(store, 400)
        await finish_all(store)
        store.reads = 0
        async with at(store, "late") as late:
            assert late.statuses == {"done": 400}
            assert store.reads == 0

    virtually(law())


def test_a_seal_of_another_version_says_nothing():
    """A document that is sent back is found, whatever was said of its shard before."""

    async def law() -> None:
        store = Tagged()
        await plan(store, 400)
        await finish_all(store)
        async with Manifest.open(store, clock=virtual_clock(), writer="person") as manifest:
            await manifest.register_of("doc-7").commit(transitions.retry("doc-7", "2026-01-01T00:00:00Z"))
        async with at(store, "late") as late:
            assert late.statuses == {"done": 399, "pending": 1}
            assert [claim.document for claim in await late.claim(10)] == ["doc-7"]

    virtually(law())


def test_each_of_many_workers_reads_its_part_only():
    """Fifty newcomers at a hundred shards do not ask for five thousand bodies before they begin."""

    async def law() -> None:
        store = Tagged()
        await plan(store, 400)
        store.reads = 0
        async with AsyncExitStack() as stack:
            for number in range(50):
                await stack.enter_async_context(at(store, f"w{number}"))
            assert store.reads < 50 * 10

    virtually(law())


def test_a_shard_in_which_another_works_is_left_to_it_while_there_are_others():
    """Two at one shard are in each other's way with every write."""

    async def law() -> None:
        store = Tagged()
        await plan(store, 400)
        async with at(store, "one") as one, at(store, "two") as two:
            (first,) = await one.claim(1)
            two._at = shard_of(first.document, SHARDS)
            (other,) = await two.claim(1)
            assert shard_of(other.document, SHARDS) != shard_of(first.document, SHARDS)

    virtually(law())


def test_what_others_left_in_a_shared_shard_is_claimed_in_the_end():
    """Left to another it may be, but not left over."""

    async def law() -> None:
        store = Tagged()
        await plan(store, 400)
        async with at(store, "one") as one, at(store, "two") as two:
            held = [await one.claim(1)]
            while claims := await two.claim(1000) or (await two.survey() or await two.claim(1000)):
                held.append(claims)
            assert len({claim.document for claims in held for claim in claims}) == 400

    virtually(law())


def test_no_writer_of_a_shared_register_waits_for_many_turns():
    """Who has just written leaves the next turn to its rivals: a dozen that write all the time all get on."""

    async def law() -> None:
        store, slowest = FaultyStore(MemoryStore(), latency=0.03), 0.0
        loop = asyncio.get_running_loop()

        async def write(number: int) -> None:
            nonlocal slowest
            register = Register(store, "register", f"w{number}", virtual_clock(number))
            for turn in range(20):
                began = loop.time()
                await register.update(f"{number}", lambda _, turn=turn: {"turn": turn})
                slowest = max(slowest, loop.time() - began)

        await asyncio.gather(*map(write, range(12)))
        assert slowest < 4.0

    virtually(law())


def test_workers_share_alike_and_the_manifest_takes_little_of_their_time():
    """Sixteen workers, 2,000 documents, a slow store, five waves of calls: starting and ending included."""
    outcome = simulate(Scenario(16, 2000, SLOW_S3, calls=25, shards=SHARDS, json=True))
    assert sum(outcome.by_worker) == 2000
    assert outcome.starved == 0
    assert outcome.overhead < 0.25
    assert not outcome.complaints


def test_a_service_that_refuses_makes_workers_write_less_often():
    """Above what it takes in a second nothing is gained: the writes grow instead of their number."""
    from dataclasses import replace

    weak = replace(SLOW_S3, puts_per_s=30)
    outcome = simulate(Scenario(4, 600, weak, calls=25, shards=SHARDS))
    assert sum(outcome.by_worker) == 600
    assert outcome.bill.slow_downs < 0.3 * outcome.bill.of("manifest", "put")


def test_the_tables_of_requests_and_prices_are_those_of_the_model():
    """docs/scale.md shows what `python -m benchmarks cost-model` prints."""
    text = (Path(__file__).parents[1] / "docs" / "scale.md").read_text()
    assert [table for table in tables() if table not in text] == []
