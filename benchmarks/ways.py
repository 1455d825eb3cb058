"""Four ways in which concurrent tasks can record their updates in one shared object of one store.

Each is given the same store, the same records and the same updates. `prepare` writes the object, `update` merges one
record, `records` tells what is in the object in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson

from counterfoil.errors import Conflict
from counterfoil.manifest import Manifest
from counterfoil.store import Store

Records = dict[str, dict[str, Any]]
_KEY = "shared.json"


def record(number: int) -> dict[str, Any]:
    """About what the record of an extracted invoice says, without its history: some 200 bytes of JSON."""
    summary = {"invoice_number": f"2024-{number:06}", "issue_date": "2024-03-01", "seller_name": "Example Paper GmbH"}
    return {"status": "done", "summary": summary | {"currency": "EUR", "gross_total": "119.00"}, "n": number}


class Way(Protocol):
    """A way of recording, opened on a store whose object already holds the records."""

    async def update(self, record_id: str, fields: Mapping[str, Any]) -> None: ...


class Unguarded:
    """Read, modify, write."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def _read(self) -> tuple[Records, str]:
        found = await self._store.get(_KEY)
        assert found is not None
        return orjson.loads(found.body), found.tag

    async def update(self, record_id: str, fields: Mapping[str, Any]) -> None:
        records, _ = await self._read()
        records[record_id].update(fields)
        await self._store.put(_KEY, orjson.dumps(records))


class Locked(Unguarded):
    """The same under one lock of this process."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._lock = asyncio.Lock()

    async def update(self, record_id: str, fields: Mapping[str, Any]) -> None:
        async with self._lock:
            await super().update(record_id, fields)


class Swapped(Unguarded):
    """Compare-and-swap for each update, again at once when another was faster."""

    async def update(self, record_id: str, fields: Mapping[str, Any]) -> None:
        while True:
            records, tag = await self._read()
            records[record_id].update(fields)
            try:
                await self._store.put_if(_KEY, orjson.dumps(records), tag)
            except Conflict:
                continue
            return


class Grouped:
    """Compare-and-swap with group commit: Counterfoil's manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    async def update(self, record_id: str, fields: Mapping[str, Any]) -> None:
        await self._manifest.update(record_id, **fields)


WAYS = {"unguarded": Unguarded, "lock": Locked, "compare-and-swap": Swapped}
GROUPED = "group commit"


@asynccontextmanager
async def opened(name: str, store: Store, records: Records, shards: int = 1) -> AsyncGenerator[Way]:
    """The way of that name, its object filled with `records` beforehand."""
    if name == GROUPED:
        async with Manifest.open(store, shards=shards) as manifest:
            await asyncio.gather(*(manifest.update(key, **fields) for key, fields in records.items()))
            yield Grouped(manifest)
    else:
        await store.put(_KEY, orjson.dumps(records))
        yield WAYS[name](store)


async def recorded(name: str, store: Store) -> Records:
    """What the shared object says now, read anew."""
    if name == GROUPED:
        manifest = await Manifest.read(store)
        return {key: fields async for key, fields in manifest.records()}
    found = await store.get(_KEY)
    assert found is not None
    return orjson.loads(found.body)
