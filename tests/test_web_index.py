"""What the page knows of an OUT: everything, by what changed, in requests that don't grow with those who watch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from tests.web_made import put_shard, record, write

from counterfoil.clock import Clock
from counterfoil.commit import State
from counterfoil.errors import Unavailable
from counterfoil.jsonfile import encode
from counterfoil.manifest import Manifest, shard_of
from counterfoil.store import Entry, Object
from counterfoil.store_memory import MemoryStore
from counterfoil.web_index import Index
from counterfoil.web_rows import Sums, kind_of_reason
from counterfoil.web_watch import Watch
from counterfoil.web_workers import Workers

SPENT = {"calls": 2, "input_tokens": 100, "output_tokens": 10, "cost_usd": "0.25", "unknown_calls": 1}


class Counted(MemoryStore):
    """Counts what is asked of it, and fails when told to."""

    def __init__(self) -> None:
        super().__init__("memory://counted")
        self.asked = Counter[str]()
        self.down = False

    async def get(self, key: str) -> Object | None:
        self.asked[f"GET {key}"] += 1
        return await super().get(key)

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        self.asked[f"LIST {prefix}"] += 1
        if self.down:
            raise Unavailable("the store is down")
        async for entry in super().list(prefix):
            yield entry


def documents(number: int, status: str = "done") -> dict[str, Mapping[str, Any]]:
    return {f"{n}.pdf": record(status, second=n % 50, findings=["lines.sum"] if n % 3 else []) for n in range(number)}


async def opened(records: Mapping[str, Mapping[str, Any]], shards: int = 4) -> tuple[Counted, Manifest]:
    store = Counted()
    await write(store, records, shards=shards)
    manifest = await Manifest.read(store)
    store.asked.clear()
    return store, manifest


def known(sums: Sums) -> dict[str, Any]:
    return {field.name: getattr(sums, field.name) for field in fields(sums)}


async def test_only_what_changed_is_read_again():
    """One LIST, and one GET of each shard whose mark is another."""
    store, manifest = await opened(documents(40))
    index = Index(manifest)
    assert await index.refresh()
    assert store.asked == {"LIST manifest": 1} | {f"GET manifest/{shard:04d}.json": 1 for shard in range(4)}
    store.asked.clear()
    assert not await index.refresh()
    await put_shard(store, 2, {}, version=2)
    assert await index.refresh()
    assert store.asked == {"LIST manifest": 2, "GET manifest/0002.json": 1}


async def test_sums_kept_up_are_those_made_anew():
    """After shards grew, shrank, changed and went."""
    store, manifest = await opened(documents(40) | {"paid.pdf": record("failed", reason="no text", **SPENT)})
    index = Index(manifest)
    await index.refresh()
    later = documents(30, "review") | {"new.pdf": record("done", reader="model", adopted=True, asking=1, **SPENT)}
    for shard in range(4):
        await put_shard(store, shard, {d: r for d, r in later.items() if shard_of(d, 4) == shard}, version=2)
    await store.delete("manifest/0003.json")
    await index.refresh()
    anew = Index(manifest)
    await anew.refresh()
    assert known(index.total) == known(anew.total)
    assert sorted(index.rows()) == sorted(anew.rows())
    assert index.total.statuses["done"] == (shard_of("new.pdf", 4) != 3)


async def test_spending_is_summed_and_an_unknown_price_is_told_apart():
    """What some documents cost is known although the price of others isn't; so it is again when these are gone."""
    history = [{"at": "2026-03-02T09:00:07Z", "event": "done", "cost_usd": "0.25"}]
    priced = record(**SPENT) | {"history": history}
    store, manifest = await opened({"a": priced, "b": record(**SPENT | {"cost_usd": None})}, shards=2)
    index = Index(manifest)
    await index.refresh()
    assert (index.total.usage.calls, index.total.usage.cost_usd, index.total.unpriced) == (4, Decimal("0.25"), 1)
    assert list(index.total.costs.values()) == [Decimal("0.25")]
    await put_shard(store, shard_of("b", 2), {"a": priced} if shard_of("a", 2) == shard_of("b", 2) else {}, version=2)
    await index.refresh()
    assert (index.total.usage.cost_usd, index.total.unpriced) == (Decimal("0.25"), 0)


async def test_a_record_of_another_program_s_making_is_shown_as_far_as_it_goes():
    """The manifest is a library, too: its records can be anything."""
    _, manifest = await opened({"counter": {"n": 3}, "x": {"status": 7, "summary": None, "history": []}})
    index = Index(manifest)
    await index.refresh()
    assert sorted((row.document, row.status) for row in index.rows()) == [("counter", ""), ("x", "7")]


async def test_a_total_that_is_no_number_is_none():
    """It would order nothing, and break every sum."""
    _, manifest = await opened({n: record(gross=g) for n, g in (("a", "NaN"), ("b", "Infinity"), ("c", "<b>"))})
    index = Index(manifest)
    await index.refresh()
    assert {row.gross for row in index.rows()} == {None}


def test_reasons_that_differ_in_figures_and_names_are_one_kind():
    """And a reason that is nothing else stays what it is."""
    assert kind_of_reason("350 pages are more than 200") == kind_of_reason("1,200 pages are more than 200")
    assert kind_of_reason("no such file: 'a.pdf'") == kind_of_reason("no such file: 'b.pdf'")
    assert kind_of_reason("no text") != kind_of_reason("no key")
    assert kind_of_reason("404") == "404"


async def test_fifty_watchers_ask_the_store_no_more_than_one():
    """One look serves them all."""
    asked: list[Counter[str]] = []
    for watchers in (1, 50):
        store, manifest = await opened(documents(8))
        watch = Watch(manifest)
        looking = asyncio.create_task(watch.run())

        async def watcher(watch: Watch = watch) -> None:
            async with watch.watching():
                looks = -1
                for _ in range(3):
                    looks = await watch.next(looks)
                    await watch.fresh()

        watch.clock = Clock(sleep=lambda _seconds: asyncio.sleep(0.01))
        async with asyncio.timeout(5):
            await asyncio.gather(*(watcher() for _ in range(watchers)))
        looking.cancel()
        asked.append(Counter({key: -(-number // watch.looks) for key, number in store.asked.items()}))
    assert asked[0] == asked[1]


async def test_fifty_who_come_at_once_share_one_look():
    """Nobody watches yet, and each wants to see what is there now."""
    store, manifest = await opened(documents(8))
    watch = Watch(manifest)
    await asyncio.gather(*(watch.fresh(within=5) for _ in range(50)))
    assert store.asked["LIST manifest"] == 1
    assert watch.index.complete


async def test_nobody_looks_while_nobody_watches():
    """But for a slow beat; whoever comes is served at once."""
    store, manifest = await opened(documents(8))
    watch = Watch(manifest)
    looking = asyncio.create_task(watch.run())
    await watch.next(0)
    await asyncio.sleep(0.05)
    assert watch.looks == 1
    async with watch.watching():
        async with asyncio.timeout(1):
            await watch.next(1)
    assert store.asked["LIST manifest"] == 2
    looking.cancel()


async def test_a_store_that_fails_is_said_and_what_is_known_stays():
    """The page shows the last that it saw, and why it is not of now."""
    store, manifest = await opened(documents(8))
    manifest.clock = Clock(monotonic=iter(range(0, 10_000, 40)).__next__, sleep=lambda _seconds: asyncio.sleep(0))
    watch = Watch(manifest)
    await watch.look()
    store.down = True
    await watch.look()
    assert watch.trouble == "the store is down"
    assert watch.index.total.statuses["done"] == 8
    store.down = False
    await watch.look()
    assert not watch.trouble


async def test_a_look_that_takes_long_is_told_of_while_it_goes_on():
    """Those who watch see how far it has come, or that the store does not answer."""
    store, manifest = await opened(documents(8))
    watch = Watch(manifest)
    go = asyncio.Event()
    read = manifest.read_shard

    async def slow(shard: int) -> State:
        await go.wait()
        return await read(shard)

    with patch.object(manifest, "read_shard", slow), patch("counterfoil.web_watch.EVERY", 0.01):
        looking = asyncio.create_task(watch.run())
        async with asyncio.timeout(2), watch.watching():
            await watch.next(0)
            assert (watch.index.seen, watch.index.expected, watch.trouble) == (0, 4, "")
            go.set()
            while not watch.index.complete:
                await watch.next(watch.looks)
        with patch("counterfoil.web_watch._SILENCE", 0.01):
            go.clear()
            await put_shard(store, 0, {}, version=2)
            async with asyncio.timeout(2), watch.watching():
                while not watch.trouble:
                    await watch.next(watch.looks)
            go.set()
        looking.cancel()


async def test_workers_are_those_whose_heartbeat_is_recent_and_changed_ones_only_are_read():
    """By the clock on the wall, as `counterfoil status` tells it; what they say of their pace is added up."""
    store, manifest = await opened({})
    pace = {"in_flight": 3, "refused": 2, "held_s": 0.0, "a_minute": 120.0}
    now = manifest.clock.stamp()
    for name, seen in (("a", now), ("b", now), ("gone", "2020-01-01T00:00:00Z")):
        beat = {"worker": name, "host": name, "lease_s": 30.0, "seen": seen, "machine": "another", "pace": pace}
        await store.put(f"workers/{name}.json", encode(beat))
    await store.put("workers/broken.json", b"{")
    workers = Workers(manifest)
    for _ in range(2):
        await workers.refresh()
    assert store.asked["GET workers/a.json"] == 1
    assert sorted(beat["host"] for beat in workers.alive()) == ["a", "b"]
    assert str(workers.pace()) == "4 calls refused for the rate; held to 240 calls a minute"
