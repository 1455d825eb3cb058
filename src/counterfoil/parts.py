"""The parts of archives and mails as documents of a run: how they come into the manifest, and how they are read.

It promises that the parts of a container are planned before the container is finished, so that a crash loses none; that
planning them again changes nothing; and that a container is not fetched anew for each of its parts. Bytes are taken out
in worker processes only. It keeps a bounded number of bytes, and nothing that matters.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from .claims import Claim
from .containers import Part, extract
from .document import Limits
from .errors import CommitUncertain, InputError
from .extract import refuse_inner
from .kinds import CONTAINERS, kind_of
from .manifest import shard_of
from .offload import Offload
from .source import Source
from .store import retried
from .worker import Worker

_AHEAD = 16_000_000
"""Bytes of parts that are taken out at once."""
_KEPT = 64_000_000
"""Bytes of parts that wait for whoever wants them, and the most that a container has which is kept for its others."""


class Parts:
    """What a run does about containers and their parts."""

    def __init__(self, source: Source, worker: Worker, offload: Offload, limits: Limits, shards: int) -> None:
        self._source, self._worker, self._offload = source, worker, offload
        self._limits, self._shards = limits, shards
        self._out: OrderedDict[tuple[str, str], bytes | str] = OrderedDict()
        """Parts that were taken out, or why they could not be, by document and mark."""
        self._size = 0
        self._last: tuple[tuple[str, str], bytes] | None = None
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def plan(self, claim: Claim, parts: Sequence[Part]) -> None:
        """Brings the parts of a container into the manifest, durably, with its mark: a changed one has all of its parts
        read anew. Parts that a changed container no longer has keep their records, as files do that are gone."""
        if not parts:
            return
        documents = [(f"{claim.document}/{part.name}", claim.record["mark"], part.size) for part in parts]
        await self._worker.assure(claim)  # one that was superseded must not plan by an older mark
        await self._refuse_clash(claim.document, {document for document, _, _ in documents})
        shards: defaultdict[int, list[tuple[str, str, int]]] = defaultdict(list)
        for document in documents:
            shards[shard_of(document[0], self._shards)].append(document)
        await asyncio.gather(*(self._plan(shard, of, claim.document) for shard, of in shards.items()))

    async def _plan(self, shard: int, documents: Sequence[tuple[str, str, int]], within: str) -> None:
        while True:
            with suppress(CommitUncertain):  # what landed is no change any more
                await self._worker.plan(shard, documents, within)
                return

    async def _refuse_clash(self, container: str, documents: set[str]) -> None:
        """A bucket may hold `a.zip` and `a.zip/x.pdf`: neither must pass for a part of the other."""

        async def clashing() -> str | None:
            return next(iter([e.key async for e in self._source.store.list(container) if e.key in documents]), None)

        if key := await retried(self._source.clock, clashing):
            raise InputError(f"a part of it would have the name of another file, {key}; rename one of them")

    async def fetch(self, document: str, record: Mapping[str, Any]) -> bytes:
        """The bytes of a part. Raises `InputError` if it can't be taken out, or is a container that is too deep."""
        if record["size"] > self._limits.max_bytes:
            raise InputError(f"the file has {record['size']:,} bytes, the limit is {self._limits.max_bytes:,}")
        within, mark = str(record["within"]), str(record["mark"])
        async with self._locks.setdefault(within, asyncio.Lock()):
            if (document, mark) not in self._out:
                await self._take_out(document, within, mark)
            found = self._out.pop((document, mark))
        self._size -= len(found)
        if isinstance(found, str):
            raise InputError(found)
        if kind_of(found) in CONTAINERS:
            await self._offload.run(refuse_inner, found, self._limits)
        return found

    async def _take_out(self, document: str, within: str, mark: str) -> None:
        """Takes a part out of its container, and some that follow it."""
        body = await self._container(within, mark)
        name = document.removeprefix(f"{within}/")
        found = await self._offload.run(extract, body, name, self._limits, _AHEAD)
        while self._out and self._size > _KEPT:
            self._size -= len(self._out.popitem(last=False)[1])
        for inner, part in found.items():
            key = (f"{within}/{inner}", mark)
            self._size += len(part) - len(self._out.get(key, b""))
            self._out[key] = part

    async def _container(self, within: str, mark: str) -> bytes:
        if self._last and self._last[0] == (within, mark):
            return self._last[1]
        body = await self._source.fetch(within, 0, self._limits.max_bytes)
        self._last = ((within, mark), body) if len(body) <= _KEPT else None
        return body
