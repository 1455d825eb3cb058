"""The documents of a source (a file, a folder, a bucket) and their place in the manifest.

A document's id is its path within the source. Nothing is opened for writing here, and a listing is never held whole in
memory once it is longer than `_KEPT`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from .batch_book import BATCHES
from .clock import Clock
from .errors import CounterfoilError, InputError, SetupError
from .kinds import NEVER
from .locations import local_path, open_store
from .manifest import HEADER, Manifest, shard_of
from .store import Entry, Store, retried
from .store_folder import FolderStore
from .worker import Worker

_KEPT = 10_000
_PLANNED_AT_ONCE = 500_000
_PER_SHARD = 128


@dataclass(slots=True)
class Source:
    """Where documents come from. `only` names the one document of a source that is a file; `left_out` is OUT, if it
    lies within ("": it is the source itself); `skipped` counts, by suffix, what was passed over as no document."""

    store: Store
    clock: Clock
    include: Sequence[str] = ()
    limit: int | None = None
    only: str | None = None
    left_out: str | None = None
    skipped: Counter[str] = field(default_factory=Counter[str])

    @property
    def url(self) -> str:
        return f"{self.store.url}/{self.only}" if self.only else self.store.url

    async def documents(self) -> AsyncIterator[Entry]:
        """Every document, in the order of the listing, at most `limit`."""
        self.skipped.clear()
        if self.only is not None:  # its neighbours may be a million, or a whole home directory
            if entry := await self._look(self.only):
                yield entry
            return
        count = 0
        async for entry in self.store.list():
            if count == self.limit:
                return
            if self._is_document(entry.key):
                count += 1
                yield entry

    async def find(self, key: str) -> Entry | None:
        """One document as a listing shows it; None if there is none of this name."""
        return await self._look(key) if self._is_document(key) else None

    async def _look(self, key: str) -> Entry | None:
        return await retried(self.clock, lambda: self.store.look(key))

    def _is_document(self, key: str) -> bool:
        if self._is_output(key):
            return False
        path = PurePosixPath(key)
        if any(part.startswith(".") for part in path.parts):
            return False
        if self.include:
            return any(fnmatch(key, glob) or fnmatch(path.name, glob) for glob in self.include)
        if path.suffix.lower() in NEVER:
            self.skipped[path.suffix.lower()] += 1
            return False
        return True

    def _is_output(self, key: str) -> bool:
        if self.left_out == "":
            return key in (HEADER, BATCHES) or key.startswith(("manifest/", "results/", "workers/", "duplicates/"))
        return self.left_out is not None and (key + "/").startswith(self.left_out + "/")

    async def fetch(self, document: str, size: int, max_bytes: int) -> bytes:
        """The bytes of a document. `InputError` if it is gone, can't be read, or is larger than `max_bytes`."""
        if size > max_bytes:
            raise InputError(f"the file has {size:,} bytes, the limit is {max_bytes:,}")
        try:
            found = await retried(self.clock, lambda: self.store.get(document))
        except CounterfoilError as exc:
            said = str(exc)
            raise InputError(said if said.startswith("can't read") else f"the file can't be read: {said}") from exc
        if found is None:
            raise InputError("the file is no longer in the source")
        if len(found.body) > max_bytes:
            raise InputError(f"the file has {len(found.body):,} bytes, the limit is {max_bytes:,}")
        return found.body


def refuse_nowhere(location: str) -> None:
    """Raises `SetupError` for a path where there is nothing, before anything is opened."""
    path = local_path(location)
    if path is not None and not path.exists():
        raise SetupError(f"{location}: there is no such file or folder")


async def open_source(
    location: str, *, out: str, include: Sequence[str] = (), limit: int | None = None, clock: Clock | None = None
) -> Source:
    """The source at a path or URL; `SetupError` if there is nothing there."""
    clock = clock or Clock()
    path = local_path(location)
    if path is not None:
        if path.is_file():
            return Source(FolderStore(path.parent), clock, limit=limit, only=path.name)
        refuse_nowhere(location)
        return Source(FolderStore(path), clock, include, limit, left_out=_within(path, local_path(out)))
    store, base, inside = open_store(location), location.rstrip("/") + "/", out.rstrip("/") + "/"
    left_out = inside.removeprefix(base).strip("/") if inside.startswith(base) else None
    source = Source(store, clock, include, limit, left_out=left_out)
    if await retried(clock, lambda: _holds_anything(store)):
        return source
    return await _single_object(location, clock, limit) or source


async def _holds_anything(store: Store) -> bool:
    async for _ in store.list():
        return True
    return False


def _within(source: Path, out: Path | None) -> str | None:
    """The key of OUT inside the source, None if it lies elsewhere."""
    if out is None or not out.resolve().is_relative_to(source.resolve()):
        return None
    return out.resolve().relative_to(source.resolve()).as_posix().removeprefix(".")


async def _single_object(location: str, clock: Clock, limit: int | None) -> Source | None:
    """A URL with nothing below it may name one object."""
    parent, _, name = location.rstrip("/").rpartition("/")
    if parent.endswith(":/") or not name:
        return None
    source = Source(open_store(parent), clock, limit=limit, only=name)
    async for _ in source.documents():
        return source
    return None


async def count(source: Source) -> tuple[int, Sequence[Entry] | None]:
    """How many documents there are, and they themselves unless they are too many to keep."""
    return await retried(source.clock, lambda: _count(source))


async def _count(source: Source) -> tuple[int, Sequence[Entry] | None]:
    kept: list[Entry] | None = []
    total = 0
    async for entry in source.documents():
        total += 1
        if kept is not None:
            kept.append(entry)
        if total > _KEPT:
            kept = None
    return total, kept


def shards_for(documents: int) -> int:
    """Enough shards that each stays a file a person can read, one for a small run."""
    return max(1, min(10_000, -(-documents // _PER_SHARD)))


async def plan(source: Source, manifest: Manifest, worker: Worker, known: Sequence[Entry] | None = None) -> int:
    """Brings every document of the source into the manifest and returns their number; what is there already stays.

    A document whose source changed goes back to pending. The claims of `worker` may ride in the same commits.
    """
    # A listing that breaks off is begun again: what was planned by then is no change any more.
    return await retried(source.clock, lambda: _plan(source, manifest, worker, known))


async def _plan(source: Source, manifest: Manifest, worker: Worker, known: Sequence[Entry] | None) -> int:
    total, held = 0, list[Entry]()
    async for entry in _entries(source, known):
        held.append(entry)
        total += 1
        if len(held) >= _PLANNED_AT_ONCE:
            await plan_entries(held, manifest, worker)
            held = []
    await plan_entries(held, manifest, worker)
    return total


async def _entries(source: Source, known: Sequence[Entry] | None) -> AsyncIterator[Entry]:
    if known is None:
        async for entry in source.documents():
            yield entry
    else:
        for entry in known:
            yield entry


async def plan_entries(entries: Sequence[Entry], manifest: Manifest, worker: Worker) -> set[str]:
    """Brings these documents into the manifest, durably. Returns those that changed while they were being worked on,
    which stay as they are until then.

    One commit a shard, sixteen at once: enough to hide latency, few enough to keep memory flat.
    """
    by_shard: dict[int, list[Entry]] = {}
    for entry in entries:
        by_shard.setdefault(shard_of(entry.key, manifest.shards), []).append(entry)
    at_once = asyncio.Semaphore(16)

    async def one(shard: int, planned: list[Entry]) -> Collection[str]:
        async with at_once:
            return await worker.plan(shard, [(entry.key, entry.mark, entry.size) for entry in planned])

    async with asyncio.TaskGroup() as tasks:
        plans = [tasks.create_task(one(shard, planned)) for shard, planned in by_shard.items()]
    return {document for plan in plans for document in plan.result()}
