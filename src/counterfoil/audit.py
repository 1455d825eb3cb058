"""`counterfoil verify`: reads the whole of an OUT and holds it against the invariants that a reader can check.

It replays each record's history with rules of its own, independent of the code that wrote it, and reads every result.
It writes nothing, and may run while others work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .clock import Clock
from .commit import Record, State
from .errors import ManifestCorrupt
from .jsonfile import decode
from .manifest import Manifest, shard_key, shard_of
from .results import content_of, digest, result_key
from .store import Store, retried

_FINISHES = {"done", "review", "failed"}
_READ_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be: which invariant (or `form`, where a file is not as it should be), where, and what."""

    invariant: str
    where: str
    what: str


@dataclass(slots=True)
class Audit:
    """What was looked at and what was found. `unreferenced` results are no breach: a retry or a crash leaves such."""

    documents: int = 0
    shards: int = 0
    results: int = 0
    unreferenced: int = 0
    statuses: Counter[str] = field(default_factory=Counter[str])
    breaches: list[Breach] = field(default_factory=list[Breach])

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "shards": self.shards,
            "results": self.results,
            "unreferenced_results": self.unreferenced,
            **{status: self.statuses[status] for status in ("done", "review", "failed", "pending", "running")},
            "breaches": [{"invariant": b.invariant, "where": b.where, "what": b.what} for b in self.breaches],
        }


async def audit(out: str | Store, clock: Clock | None = None) -> Audit:
    """Audits the OUT at a location; raises `SetupError` if there is none, and reports everything else."""
    manifest = await Manifest.read(out, clock=clock)
    report = Audit()
    referenced: set[str] = set()
    for shard in sorted(await manifest.marks()):
        where = shard_key(shard)
        try:
            state = await manifest.read_shard(shard)
        except ManifestCorrupt as exc:
            report.breaches.append(Breach("form", where, str(exc)))
            continue
        report.shards += 1
        report.breaches += _shard_breaches(shard, state, manifest.shards)
        await _audit_records(manifest, state, report, referenced)

    async def unreferenced() -> list[str]:
        return [entry.key async for entry in manifest.store.list("results") if entry.key not in referenced]

    spare = await retried(manifest.clock, unreferenced)
    report.unreferenced = len(spare)
    at_once = asyncio.Semaphore(_READ_AT_ONCE)
    report.breaches += [b for b in await asyncio.gather(*(_forgotten(manifest, k, at_once) for k in spare)) if b]
    return report


async def _forgotten(manifest: Manifest, key: str, at_once: asyncio.Semaphore) -> Breach | None:
    """I1: a result is written only for a document with a record, and no record is ever taken away."""
    async with at_once:
        found = await retried(manifest.clock, lambda: manifest.store.get(key))
        try:
            document = decode(found.body, key).get("document") if found else None
            known = not isinstance(document, str) or await manifest.get(document) is not None
        except ManifestCorrupt:
            return None  # a damaged shard is named already, and a damaged result that no record names harms nobody
    home = shard_key(shard_of(str(document), manifest.shards))
    return (
        None if known else Breach("I1", str(document), f"it has the result {key}, but its record is gone from {home}")
    )


def _shard_breaches(shard: int, state: State, shards: int) -> Iterator[Breach]:
    where = shard_key(shard)
    if shard >= shards:
        yield Breach("form", where, f"the header knows only {shards} shards")
    for document in state.records:
        if shard_of(document, shards) != shard:
            yield Breach("form", where, f"{document} belongs into {shard_key(shard_of(document, shards))}")
    landings = Counter(commit["at"] for commit in state.commits.values())
    for version, count in landings.items():
        if version > state.version:
            yield Breach("I5", where, f"a commit landed as version {version}, but the shard is at {state.version}")
        if count > 1:
            yield Breach("I5", where, f"{count} writers landed as version {version}: one overwrote the other")


async def _audit_records(manifest: Manifest, state: State, report: Audit, referenced: set[str]) -> None:
    at_once = asyncio.Semaphore(_READ_AT_ONCE)

    async def one(document: str, record: Record) -> list[Breach]:
        async with at_once:
            return [*_record_breaches(document, record), *await _result_breaches(manifest, document, record)]

    for record in state.records.values():
        report.documents += 1
        report.statuses[record.get("status", "")] += 1
        if record.get("result"):
            report.results += 1
            referenced.add(record["result"])
    found = await asyncio.gather(*(one(document, record) for document, record in state.records.items()))
    report.breaches += [breach for breaches in found for breach in breaches]


def _record_breaches(document: str, record: Record) -> Iterator[Breach]:
    """Replays the history and compares where it ends with what the record says."""
    if "history" not in record:  # a record of the plain Python API: its form is its user's
        return
    try:
        replay = _Replay()
        for event in record["history"]:
            if wrong := replay.step(event):
                yield Breach("I2", document, wrong)
        if (replay.status, replay.attempt) != (record["status"], record["attempt"]):
            yield Breach(
                "I2",
                document,
                f"its history ends as {replay.status}, attempt {replay.attempt}, but the record says "
                f"{record['status']}, attempt {record['attempt']}",
            )
        if replay.calls != record.get("calls", 0) or not replay.same_cost(record):
            yield Breach("spend", document, "the sums of its record are not those of its history")
        if record["status"] == "failed" and not record.get("reason"):
            yield Breach("form", document, "it failed, and no reason is given")
    except (KeyError, TypeError, AttributeError, ArithmeticError) as exc:
        yield Breach("form", document, f"its record is not as Counterfoil writes it ({type(exc).__name__}: {exc})")


class _Replay:
    """The life of a document, told by its history."""

    def __init__(self) -> None:
        self.status = "absent"
        self.owner: str | None = None
        self.attempt = 0
        self.calls = 0
        self.cost: Decimal | None = Decimal(0)

    def step(self, event: Record) -> str | None:
        """Takes one event; says what is wrong with it, None if nothing is."""
        kind, at = event["event"], event["at"]
        self._spend(event)
        before, self.status = self.status, self._next(kind)
        if kind == "planned":
            return None if before == "absent" else f"planned again at {at}"
        if kind in ("retried", "source changed"):
            return f"{kind} at {at} while it was running" if before == "running" else None
        if kind in ("claimed", "taken over", "resumed"):
            return self._claim(kind, event, before)
        if kind == "failed" and "dead" in event:
            return None if before == "running" and event["dead"] == self.owner else f"declared poison at {at} unclaimed"
        if kind in _FINISHES or kind == "released":
            return self._end(kind, event, before)
        return f"unknown event {kind!r} at {at}"

    def _next(self, kind: str) -> str:
        if kind in ("claimed", "taken over", "resumed"):
            return "running"
        return kind if kind in _FINISHES else "pending"

    def _claim(self, kind: str, event: Record, before: str) -> str | None:
        owner, attempt = self.owner, self.attempt
        self.owner, self.attempt = event["by"], event["attempt"]
        if event["attempt"] != attempt + 1:
            return f"attempt {event['attempt']} at {event['at']} follows attempt {attempt}"
        if kind == "taken over":
            return None if before == "running" and event["dead"] == owner else f"taken over at {event['at']} unclaimed"
        again = before == "running" and event["by"] == owner
        fine = again if kind == "resumed" else again or before == "pending"
        return None if fine else f"{kind} at {event['at']} while it was {before}"

    def _end(self, kind: str, event: Record, before: str) -> str | None:
        if before != "running":
            return f"{kind} at {event['at']} by {event['by']}, though it was {before}: a second finish"
        if (event["by"], event["attempt"]) != (self.owner, self.attempt):
            return f"{kind} at {event['at']} by {event['by']}, who did not hold it"
        return None

    def _spend(self, event: Record) -> None:
        if event.get("calls"):
            self.calls += event["calls"]
            cost = event["cost_usd"]
            self.cost = None if cost is None or self.cost is None else self.cost + Decimal(cost)

    def same_cost(self, record: Record) -> bool:
        cost = record.get("cost_usd", "0")
        return self.cost is None if cost is None else self.cost == Decimal(cost)


async def _result_breaches(manifest: Manifest, document: str, record: Record) -> list[Breach]:
    """I7: whoever is done or in review has a result, whole and of this input."""
    if record.get("status") not in ("done", "review") or "history" not in record:
        return []
    key = record.get("result")
    if not key or key != result_key(str(record.get("input"))):
        return [Breach("I7", document, "it is finished, but its record names no result of its input")]
    found = await retried(manifest.clock, lambda: manifest.store.get(key))
    if found is None:
        return [Breach("I7", document, f"its result {key} is missing; `counterfoil retry` has it read anew")]
    if digest(found.body) != record.get("result_sha256"):
        what = f"its result {key} is not the one that was recorded; restore it, or `counterfoil retry` the document"
        return [Breach("I7", document, what)]
    try:
        content = content_of(found.body, key)
    except ManifestCorrupt as exc:
        return [Breach("I7", document, str(exc))]
    if (content.get("input"), content["status"]) != (record["input"], record["status"]):
        return [Breach("I7", document, f"its result {key} is of another input or status")]
    return []
