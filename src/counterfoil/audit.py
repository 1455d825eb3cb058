"""`counterfoil verify`: reads the whole of an OUT and holds it against the invariants that a reader can check.

It replays each record's history with rules of its own, independent of the code that wrote it, and reads every result.
It writes nothing, and may run while others work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from .audit_batch import batch_wrongs, book_wrongs
from .audit_replay import Replay
from .audit_review import by_people
from .clock import Clock
from .commit import Record, State
from .document import Usage
from .errors import ManifestCorrupt
from .jsonfile import Json, decode
from .manifest import Manifest, shard_key, shard_of
from .outcome import untold_usage
from .results import content_of, digest, result_key
from .spend import NOTHING, as_json, batch_request, usage_of
from .store import Store, retried

_FINISHED = {"done", "review", "failed", "approved", "rejected"}
_READ_AT_ONCE = 32
_ODD_FORM = (KeyError, TypeError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be: which invariant (or `form`, where a file is not as it should be), where, and what."""

    invariant: str
    where: str
    what: str


@dataclass(slots=True)
class Audit:
    """What was looked at and what was found. `unreferenced` results are no breach: a retry or a crash leaves such.

    `spent` is the sum of the records; `calls_out` are intents without a receipt, `in_batches` requests that are to be
    collected, `untold` results whose payer died before its record could tell what they cost: whoever takes their
    document up next tells it.
    """

    documents: int = 0
    shards: int = 0
    results: int = 0
    unreferenced: int = 0
    statuses: Counter[str] = field(default_factory=Counter[str])
    spent: Usage = NOTHING
    calls_out: int = 0
    in_batches: int = 0
    untold: int = 0
    breaches: list[Breach] = field(default_factory=list[Breach])
    bound: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "shards": self.shards,
            "results": self.results,
            "unreferenced_results": self.unreferenced,
            **{status: self.statuses[status] for status in (*sorted(_FINISHED), "pending", "running")},
            "spent": as_json(self.spent)
            | {
                "calls_out": self.calls_out,
                "in_batches": self.in_batches,
                "untold_results": self.untold,
            },
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
    report.breaches += [Breach("I12", document, what) for document, what in await book_wrongs(manifest, report.bound)]
    report.breaches += [b for b in await asyncio.gather(*(_spare(manifest, k, at_once, report) for k in spare)) if b]
    return report


async def _spare(manifest: Manifest, key: str, at_once: asyncio.Semaphore, report: Audit) -> Breach | None:
    """A result that no record names. I1: its document has a record, for none is ever taken away."""
    async with at_once:
        found = await retried(manifest.clock, lambda: manifest.store.get(key))
        try:
            content = decode(found.body, key) if found else {}
            document = content.get("document")
            if not isinstance(document, str):
                return None
            record = await manifest.get(document)
        except ManifestCorrupt:
            return None  # a damaged shard is named already, and a damaged result that no record names harms nobody
    if record is None:
        home = shard_key(shard_of(document, manifest.shards))
        return Breach("I1", document, f"it has the result {key}, but its record is gone from {home}")
    return _untold(document, record, content, key, report)


def _untold(document: str, record: Record, content: Json, key: str, report: Audit) -> Breach | None:
    """I11: what a result cost is told by the record of who paid for it, at the latest when that is finished."""
    try:
        if "history" not in record or untold_usage(document, record["history"], content) == NOTHING:
            return None
        if batch_request(record) and content.get("request") == record["batch"]["request"]:
            return None  # it is of the answer that is still to be collected for this document, and to be told then
    except _ODD_FORM:
        return None  # a record that is not as it should be is named already
    if record["status"] not in _FINISHED:
        report.untold += 1
        return None
    return Breach("I11", document, f"its record does not tell what its result {key} cost")


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
            return [*_record_breaches(document, record), *await _result_breaches(manifest, document, record, report)]

    for document, record in state.records.items():
        report.documents += 1
        if isinstance(batch := record.get("batch"), dict):
            report.bound[str(cast("Json", batch).get("name")), record.get("status", "")] = document
        report.statuses[record.get("status", "")] += 1
        report.spent += usage_of(record)
        report.calls_out += bool(record.get("asking"))
        report.in_batches += batch_request(record)
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
        replay = Replay()
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
        if replay.asking != bool(record.get("asking")):
            yield Breach("I11", document, "its record and its history differ on whether a call is out")
        if not replay.reviews.agree(record):
            yield Breach("I2", document, "its corrections or its verdict are not those of its history")
        if not replay.same_spend(record):
            yield Breach("I11", document, "the sums of its record are not those of its history")
        for wrong in batch_wrongs(record):
            yield Breach("I12", document, wrong)
        if record["status"] == "failed" and not record.get("reason"):
            yield Breach("form", document, "it failed, and no reason is given")
    except _ODD_FORM as exc:
        yield Breach("form", document, f"its record is not as Counterfoil writes it ({type(exc).__name__}: {exc})")


async def _result_breaches(manifest: Manifest, document: str, record: Record, report: Audit) -> list[Breach]:
    """I7: whoever is done, in review or approved has a result, whole and of this input; and it tells what that cost."""
    unread = record.get("status") == "rejected" and not record.get("result")  # it had failed
    if record.get("status") not in _FINISHED - {"failed"} or "history" not in record or unread:
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
    again = record.get("duplicate")  # that is the batch's to say, not the result's
    status = "review" if again and not again.get("noted") else content["status"]
    # The replay has checked the status that people gave.
    if content.get("input") != record["input"] or (status != record["status"] and not by_people(record)):
        return [Breach("I7", document, f"its result {key} is of another input or status")]
    breach = _untold(document, record, content, key, report)
    return [breach] if breach else []
