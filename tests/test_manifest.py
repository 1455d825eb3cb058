"""The plain Python API: `Manifest` for people who have only this problem."""

from __future__ import annotations

import asyncio

import pytest
from tests.faults import FaultyStore
from tests.virtual import virtual_clock, virtually

from counterfoil.errors import Conflict, ManifestCorrupt, SetupError
from counterfoil.jsonfile import decode, encode
from counterfoil.manifest import HEADER, Manifest, shard_of
from counterfoil.store_memory import MemoryStore


def test_a_hundred_tasks_update_one_manifest_and_none_is_lost():
    """The problem itself: a hundred calls end at once, each records its result."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.06)
        async with Manifest.open(store, clock=virtual_clock()) as manifest:
            await asyncio.gather(*(manifest.update(f"doc-{n}", status="done", n=n) for n in range(100)))
            records = {key: record async for key, record in manifest.records()}
        assert len(records) == 100
        assert records["doc-42"] == {"status": "done", "n": 42}

    virtually(law())


def test_update_merges_fields_and_keeps_the_others():
    """Fields that are not named stay as they are."""

    async def law() -> None:
        async with Manifest.open(MemoryStore(), clock=virtual_clock()) as manifest:
            await manifest.update("a", status="running", attempts=1)
            assert await manifest.update("a", status="done") == {"status": "done", "attempts": 1}
            assert await manifest.get("a") == {"status": "done", "attempts": 1}
            assert await manifest.get("b") is None

    virtually(law())


def test_a_change_by_function_sees_the_record_as_it_is():
    """Counting from several openings at once counts everything."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.02)

        async def count(seed: int) -> None:
            async with Manifest.open(store, clock=virtual_clock(seed)) as manifest:
                for _ in range(10):
                    await manifest.update("n", lambda record: {"n": (record or {"n": 0})["n"] + 1})

        await asyncio.gather(*map(count, range(5)))
        assert await (await Manifest.read(store, clock=virtual_clock())).get("n") == {"n": 50}

    virtually(law())


def test_the_number_of_shards_is_fixed_when_the_manifest_is_made():
    """Whoever opens it later finds every record, whatever number they ask for."""

    async def law() -> None:
        store = MemoryStore()
        async with Manifest.open(store, shards=7, clock=virtual_clock()) as manifest:
            await asyncio.gather(*(manifest.update(f"doc-{n}", n=n) for n in range(200)))
        async with Manifest.open(store, shards=3, clock=virtual_clock()) as manifest:
            assert manifest.shards == 7
            assert len([key async for key, _ in manifest.records()]) == 200
        assert len({entry.key async for entry in store.list("manifest")}) == 7

    virtually(law())


def test_two_that_create_at_once_agree_on_one_header():
    """Only one header is written; the other opener takes it over."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.05)

        async def open_with(shards: int) -> int:
            async with Manifest.open(store, shards=shards, clock=virtual_clock(shards)) as manifest:
                return manifest.shards

        assert len(set(await asyncio.gather(*map(open_with, range(1, 9))))) == 1

    virtually(law())


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_trusted_to_it():
    """It names the store and the promise that is missing, for either kind of condition."""

    class Forgetful(MemoryStore):
        async def put_new(self, key: str, body: bytes) -> str:
            return self._write(key, body)

    class Careless(MemoryStore):
        async def put_if(self, key: str, body: bytes, tag: str) -> str:
            if await self.get(key) is None:
                raise Conflict(key)
            return self._write(key, body)

    async def law(store: MemoryStore, promise: str) -> None:
        with pytest.raises(SetupError, match=promise):
            async with Manifest.open(store, clock=virtual_clock()):
                pass
        with pytest.raises(SetupError, match=promise):
            async with Manifest.open(store, clock=virtual_clock()) as manifest:
                await manifest.update("a", status="done")
        assert [entry.key async for entry in store.list()] == [HEADER]

    virtually(law(Forgetful("memory://forgetful"), "memory://forgetful.*If-None-Match"))
    virtually(law(Careless("memory://careless"), "memory://careless.*If-Match"))


def test_a_change_waits_for_the_proof_and_reading_does_not():
    """While the store has not yet refused what it must refuse, a manifest can be read, and no shard is written."""

    class Slow(MemoryStore):
        """Its answer to the swap with a stale tag, the second half of the proof, is held back."""

        answers = asyncio.Event()

        async def put_if(self, key: str, body: bytes, tag: str) -> str:
            if key == HEADER:
                await self.answers.wait()
            return await super().put_if(key, body, tag)

    async def law() -> None:
        store = Slow()
        async with Manifest.open(store, clock=virtual_clock(), prove_first=False) as manifest:
            update = asyncio.create_task(manifest.update("a", status="done"))
            assert await manifest.get("a") is None
            await asyncio.sleep(10)
            assert [entry.key async for entry in store.list()] == [HEADER]
            store.answers.set()
            assert await update == {"status": "done"}

    virtually(law())


def test_reading_writes_nothing():
    """`Manifest.read` neither creates nor probes."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        with pytest.raises(SetupError, match="no manifest here"):
            await Manifest.read(store, clock=virtual_clock())
        assert {op for op, _ in store.requests} == {"get"}

    virtually(law())


@pytest.mark.parametrize(
    "header", [{}, {"format": "counterfoil/9", "shards": 1}, {"format": "counterfoil/1", "shards": 0}]
)
def test_a_foreign_header_is_refused_by_name_and_left_alone(header: dict[str, object]):
    """A file of that name that is not ours stops the run; it is not overwritten."""

    async def law() -> None:
        store = MemoryStore()
        await store.put(HEADER, encode(header))
        with pytest.raises(ManifestCorrupt, match=HEADER):
            async with Manifest.open(store, clock=virtual_clock()):
                pass
        found = await store.get(HEADER)
        assert found is not None
        assert decode(found.body, HEADER) == header

    virtually(law())


def test_shards_are_filled_evenly_and_the_same_everywhere():
    """The place of an id depends on the id alone."""
    counts = [0] * 16
    for n in range(16_000):
        counts[shard_of(f"invoices/2026/{n:05}.pdf", 16)] += 1
    assert max(counts) < 1.15 * min(counts)
    assert shard_of("a", 16) == 10
