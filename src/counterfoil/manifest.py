"""The manifest: records by id in a few shared files of a store, safe to update from any task, process and machine.

    async with Manifest.open("s3://bucket/run") as manifest:
        await manifest.update("invoice-17", status="done", total="119.00")

`update` returns when the change is durable, and no concurrent update is lost, whoever makes it. The ids are spread over
`shards` registers (see `commit`), a number fixed when the manifest is created. The store has proved its conditions
before anything is written to them; until then it is only read. This module knows nothing of documents, claims or
workers: those are `transitions` and `worker`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from .clock import Clock
from .commit import CommitStats, Record, Register, State, parse
from .errors import Conflict, ManifestCorrupt, SetupError
from .jsonfile import Json, decode, encode
from .locations import open_store
from .store import Object, Store, probe, retried

HEADER = "manifest.json"
FORMAT = "counterfoil/1"
MAX_SHARDS = 10_000
_READ_AT_ONCE = 16


def new_writer() -> str:
    """A name that no other process ever had, telling people where it ran."""
    host = "".join(c if c.isalnum() else "-" for c in socket.gethostname())[:24] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def shard_of(record_id: str, shards: int) -> int:
    """Which shard holds an id."""
    digest = hashlib.sha256(record_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % shards


def shard_key(shard: int) -> str:
    return f"manifest/{shard:04d}.json"


class Manifest:
    """An open manifest; make one with `Manifest.open`."""

    def __init__(
        self, store: Store, header: Json, clock: Clock, writer: str, proof: asyncio.Task[None] | None = None
    ) -> None:
        self.store, self.header, self.clock, self.writer = store, header, clock, writer
        self.shards: int = header["shards"]
        self.stats = CommitStats()
        self._proof = proof
        self._registers: dict[int, Register] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        location: str | Store,
        *,
        shards: int = 1,
        about: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        writer: str | None = None,
        prove_first: bool = True,
    ) -> AsyncGenerator[Self]:
        """Opens the manifest at a folder, URL or store for reading and writing, and creates it if there is none.

        `shards` (more of them: more commits at once, smaller files) and `about` (any JSON) count only when it is
        created. Raises `SetupError` if the store does not keep conditional writes; with `prove_first` false the first
        change does so, or leaving if there was none: reading may begin a round trip earlier. Leaving awaits every
        pending change.
        """
        store = open_store(location) if isinstance(location, str) else location
        clock = clock or Clock()
        if not 1 <= shards <= MAX_SHARDS:
            raise SetupError(f"shards must be between 1 and {MAX_SHARDS}, not {shards}")
        header = {"format": FORMAT, "shards": shards, "created": clock.stamp(), **(about or {})}
        found = await _header(store, clock, encode(header))
        in_force = _checked(decode(found.body, f"{store.url}/{HEADER}"), store)
        proof = asyncio.create_task(probe(store, HEADER, found.body, clock), name="probe")
        manifest = cls(store, in_force, clock, writer or new_writer(), proof)
        try:
            if prove_first:
                await manifest._proven()
            yield manifest
            await manifest._proven()
        finally:
            proof.cancel()
            await asyncio.gather(
                *(register.close() for register in manifest._registers.values()), asyncio.wait([proof])
            )

    async def _proven(self) -> None:
        if self._proof:
            await asyncio.shield(self._proof)

    @classmethod
    async def read(cls, location: str | Store, *, clock: Clock | None = None) -> Self:
        """The manifest at a location, for reading only: nothing is written or probed. `SetupError` if there is none."""
        store = open_store(location) if isinstance(location, str) else location
        clock = clock or Clock()
        found = await retried(clock, lambda: store.get(HEADER))
        if found is None:
            raise SetupError(f"{store.url}: there is no manifest here; a `run` with this --out makes one")
        return cls(store, _checked(decode(found.body, f"{store.url}/{HEADER}"), store), clock, new_writer())

    def register(self, shard: int) -> Register:
        """The register of one shard, the same object at every call: one writer, one queue."""
        if shard not in self._registers:
            self._registers[shard] = Register(
                self.store, shard_key(shard), self.writer, self.clock, stats=self.stats, proven=self._proven
            )
        return self._registers[shard]

    def register_of(self, record_id: str) -> Register:
        return self.register(shard_of(record_id, self.shards))

    async def update(
        self, record_id: str, change: Callable[[Record | None], Record] | None = None, /, **fields: Any
    ) -> Record:
        """Merges `fields` into the record (made if absent), or replaces it by `change(record or None)`; returns it.

        Durable once it returns. `change` must be pure: it may run again when another writer was faster.
        """

        def merge(record: Record | None) -> Record:
            return {**(record or {}), **fields}

        return dict(await self.register_of(record_id).update(record_id, change or merge))

    async def get(self, record_id: str) -> Record | None:
        """The record as it is now in the store, None if there is none."""
        record = (await self.read_shard(shard_of(record_id, self.shards))).records.get(record_id)
        return None if record is None else dict(record)

    async def read_shard(self, shard: int) -> State:
        """One shard as it is now; an empty state (version 0) where it was never written."""
        key = shard_key(shard)
        found = await retried(self.clock, lambda: self.store.get(key))
        return State() if found is None else parse(found.body, found.tag, f"{self.store.url}/{key}")

    async def marks(self) -> dict[int, str]:
        """A mark for each shard that exists; it changes with every write. One LIST, whatever the number of records."""
        return (await self.listing())[0]

    async def listing(self) -> tuple[dict[int, str], dict[int, list[str]]]:
        """A mark for each shard that exists, and the keys of what else is there about a shard, in one LIST."""

        async def listed() -> tuple[dict[int, str], dict[int, list[str]]]:
            marks: dict[int, str] = {}
            others: dict[int, list[str]] = {}
            async for entry in self.store.list("manifest"):
                number, _, rest = entry.key[len("manifest/") :].partition(".")
                if rest == "json" and number.isdecimal():
                    marks[int(number)] = entry.mark
                elif number.isdecimal():
                    others.setdefault(int(number), []).append(entry.key)
            return marks, others

        return await retried(self.clock, listed)

    async def states(self, shards: list[int] | None = None) -> AsyncIterator[tuple[int, State]]:
        """Every shard (or those named), a few read at once, so that memory does not grow with the manifest."""
        wanted = sorted(await self.marks()) if shards is None else shards
        for start in range(0, len(wanted), _READ_AT_ONCE):
            chunk = wanted[start : start + _READ_AT_ONCE]
            for shard, state in zip(chunk, await asyncio.gather(*map(self.read_shard, chunk)), strict=True):
                yield shard, state

    async def records(self) -> AsyncIterator[tuple[str, Record]]:
        """Every record with its id, ordered within a shard as they were added."""
        async for _, state in self.states():
            for record_id, record in state.records.items():
                yield record_id, record


async def _header(store: Store, clock: Clock, body: bytes) -> Object:
    """The header in force, `body` written now if there was none; asked for and offered at once, to spare a wait."""

    async def create() -> Object | None:
        try:
            return Object(body, await retried(clock, lambda: store.put_new(HEADER, body)))
        except Conflict:
            return None  # there is one, perhaps our own whose reply was lost: only reading tells

    while True:
        made, found = await asyncio.gather(create(), retried(clock, lambda: store.get(HEADER)))
        if header := made or found:
            return header


def _checked(header: Json, store: Store) -> Json:
    shards = header.get("shards")
    if header.get("format") != FORMAT or not isinstance(shards, int) or not 1 <= shards <= MAX_SHARDS:
        raise ManifestCorrupt(
            f"{store.url}/{HEADER} is not a manifest of this version of Counterfoil ({FORMAT}); use another --out"
        )
    return header
