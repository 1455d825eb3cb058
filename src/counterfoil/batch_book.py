"""The batches of an OUT: one register, `batches.json`, with one record for each batch that was ever begun.

A record is written before its batch is submitted and names who submits it, so that a batch whose submission was cut off
can be looked for. Its states, in this order and by these changes only:

    submitting -> submitted -> ended | cancelled | gone
    submitting | submitted -> lost

`lost`: nothing of it was ever worked on. `gone`: the provider no longer has it, and what it cost is unknown. This
module never asks a provider: see `batch_watch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .commit import Change, Record, Records, Register
from .errors import Refused
from .manifest import Manifest

BATCHES = "batches.json"
BatchEnd = Literal["ended", "cancelled", "gone", "lost"]
ENDS: frozenset[BatchEnd] = frozenset({"ended", "cancelled", "gone", "lost"})


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as it is on record. `id` is the provider's, None until it is known; `said` what was last told of it."""

    name: str
    state: str
    model: str
    account: str
    endpoint: str
    count: int
    by: str
    at: str
    id: str | None = None
    cancelling: bool = False
    said: str = ""

    @classmethod
    def of(cls, name: str, record: Record) -> Batch:
        return cls(name, **record)

    @property
    def live(self) -> bool:
        """Whether it is, or may be, with the provider and not done."""
        return self.state not in ENDS

    @property
    def since(self) -> datetime:
        return datetime.fromisoformat(self.at)


class BatchBook:
    """The register of an open manifest, or one to read only."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._register = Register(
            manifest.store, BATCHES, manifest.writer, manifest.clock, linger=0.0, stats=manifest.stats
        )

    async def read(self) -> dict[str, Batch]:
        """Every batch by its name, as it is now."""
        return {name: Batch.of(name, record) for name, record in (await self._register.read()).records.items()}

    async def begin(self, name: str, *, model: str, account: str, endpoint: str, count: int) -> Batch:
        """A batch is about to be submitted by this writer."""
        facts: Record = {"state": "submitting", "model": model, "account": account, "endpoint": endpoint}
        facts |= {"count": count, "by": self._manifest.writer, "at": self._manifest.clock.stamp()}
        await self._register.commit(lambda records: {name: records.get(name, facts)})
        return Batch.of(name, facts)

    async def send(self, name: str, count: int) -> None:
        """The last step before it goes out, with this many requests. Raises `Refused` if others have given it up: then
        it must not go out any more."""
        await self._change(name, lambda record: _sent(name, record, self._manifest.writer, count))

    async def submitted(self, name: str, batch: str) -> None:
        """The provider has it, as `batch`. Raises `Refused` if others have given it up: then nobody waits for it."""
        await self._change(name, lambda record: _submitted(name, record, batch))

    async def settle(self, name: str, end: BatchEnd, said: str = "") -> None:
        """It has come to an end. The first end that is recorded stays."""
        await self._change(name, lambda record: record if record["state"] in ENDS else _ended(record, end, said))

    async def cancelling(self, name: str) -> None:
        """Somebody asked for its end."""
        await self._change(name, lambda record: record | {"cancelling": True})

    async def close(self) -> None:
        await self._register.close()

    async def _change(self, name: str, change: Callable[[Record], Record]) -> None:
        await self._register.commit(_of_one(name, change))


def _of_one(name: str, change: Callable[[Record], Record]) -> Change:
    def changed(records: Records) -> Records:
        if name not in records:
            raise Refused(f"{name}: no such batch")
        return {name: change(records[name])}

    return changed


def _sent(name: str, record: Record, me: str, count: int) -> Record:
    if (record["state"], record["by"]) != ("submitting", me):
        raise Refused(f"{name}: another worker has settled this batch")
    return record | {"count": count}


def _submitted(name: str, record: Record, batch: str) -> Record:
    if record["state"] == "lost":
        raise Refused(f"{name}: this batch was given up before it was known to be submitted")
    if record["state"] != "submitting":
        return record
    return record | {"state": "submitted", "id": batch}


def _ended(record: Record, end: BatchEnd, said: str) -> Record:
    if end == "ended" and record.get("cancelling"):
        end = "cancelled"
    return record | {"state": end} | ({"said": said} if said else {})


def mine(batches: Mapping[str, Batch], account: str, model: str) -> dict[str, Batch]:
    """Those of an account and model."""
    return {name: batch for name, batch in batches.items() if (batch.account, batch.model) == (account, model)}
