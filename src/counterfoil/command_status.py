"""`counterfoil status`: what an OUT is at, all of it derived from the records and heartbeats when asked."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .commit import Records
from .display import counted, duration, printable, spending
from .document import Usage
from .errors import ManifestCorrupt
from .jsonfile import decode
from .kinds import CONTAINER, counted_as
from .liveness import FOLDER, seems_alive
from .manifest import Manifest
from .spend import as_json, batch_request, usage_of
from .store import retried
from .transitions import FINISHED, READ
from .views import print_json

_STATUSES = ("done", "review", "failed", "approved", "rejected", "pending", "running")
_WATCH_EVERY = 2.0
_NAMED = 20
"""Duplicates that are named; the others are counted."""
_NAMED_TO_PEOPLE = 3
_PACE_OVER = timedelta(minutes=5)


@dataclass(slots=True)
class Shard:
    """What one shard adds to the counts. `ends`: when its documents were finished, the recent ones only; `duplicates`:
    documents that are the same invoice as another, and that one."""

    statuses: Counter[str] = field(default_factory=Counter[str])
    adopted: int = 0
    calls_out: int = 0
    in_batches: int = 0
    usage: Usage = field(default_factory=Usage)
    ends: list[datetime] = field(default_factory=list[datetime])
    duplicates: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @classmethod
    def of(cls, records: Records, now: datetime) -> Shard:
        shard = cls()
        for document, record in records.items():
            status = record.get("status", "")
            shard.statuses[counted_as(record)] += 1
            shard.adopted += bool(record.get("adopted"))
            shard.calls_out += bool(record.get("asking"))
            shard.in_batches += batch_request(record)
            shard.usage += usage_of(record)
            if "duplicate" in record:
                shard.duplicates.append((document, record["duplicate"]["of"]))
            history = record.get("history")
            if status in FINISHED and history:
                read = (event["at"] for event in reversed(history) if event["event"] in READ)
                end = datetime.fromisoformat(next(read, history[-1]["at"]))  # what people do after it is no pace
                if now - end < _PACE_OVER:
                    shard.ends.append(end)
        return shard

    def add(self, other: Shard) -> None:
        """Adds the counts of another; of its `ends` nothing."""
        self.statuses += other.statuses
        self.adopted += other.adopted
        self.calls_out += other.calls_out
        self.in_batches += other.in_batches
        self.usage += other.usage
        self.duplicates += other.duplicates


async def show_status(out: str, *, as_json: bool, watch: bool) -> None:
    """Prints the status once, or until nothing is left to do."""
    manifest, shards, marks = await Manifest.read(out), dict[int, Shard](), dict[int, str]()
    while True:
        now = manifest.clock.utc()
        seen = await manifest.marks()
        async for number, state in manifest.states([s for s, mark in seen.items() if marks.get(s) != mark]):
            shards[number] = Shard.of(state.records, now)
        marks = seen
        summary = _summary(shards.values(), await _alive(manifest, now), now)
        _print(summary, as_json=as_json, in_place=watch and sys.stdout.isatty())
        begun = summary["documents"] or not summary["workers_alive"]  # a run that still lists its source has none yet
        if not watch or (begun and not summary["pending"] + summary["running"]):
            return
        await asyncio.sleep(_WATCH_EVERY)


def _summary(shards: Iterable[Shard], workers: int, now: datetime) -> dict[str, Any]:
    total = Shard()
    for shard in shards:
        total.add(shard)
        total.ends += [end for end in shard.ends if now - end < _PACE_OVER]
    statuses, usage = total.statuses, total.usage
    span = (now - min(total.ends)).total_seconds() if total.ends else 0.0
    pace = len(total.ends) / max(span, 1.0) if workers else 0.0
    left = statuses["pending"] + statuses["running"]
    return {
        "documents": statuses.total() - statuses[CONTAINER],
        **{status: statuses[status] for status in _STATUSES},
        **as_json(usage),
        "calls_out": total.calls_out,
        "in_batches": total.in_batches,
        "adopted": total.adopted,
        "duplicates": len(total.duplicates),
        "duplicates_named": [{"document": d, "of": first} for d, first in sorted(total.duplicates)[:_NAMED]],
        "documents_per_s": round(pace, 2),
        "workers_alive": workers,
        "seconds_left": round(left / pace) if pace else None if left else 0,
    }


async def _alive(manifest: Manifest, now: datetime) -> int:
    """Workers whose process is there, or, on other machines, whose heartbeat is recent by the clock on the wall."""

    async def listing() -> list[str]:
        return [entry.key async for entry in manifest.store.list(FOLDER)]

    alive = 0
    for key in await retried(manifest.clock, listing):
        found = await retried(manifest.clock, lambda key=key: manifest.store.get(key))
        try:
            beat = decode(found.body, key) if found else None
        except ManifestCorrupt:
            continue
        alive += beat is not None and seems_alive(beat, now)
    return alive


def _print(summary: dict[str, Any], *, as_json: bool, in_place: bool) -> None:
    if as_json:
        print_json(summary)
        return
    usage = usage_of(summary)
    lines = [
        *(f"{name:<9}{summary[name]:>9,}" for name in ("documents", *_STATUSES)),
        f"{spending(usage)}; {counted(summary['adopted'], 'result')} adopted",
        *_duplicates(summary),
        *_calls_out(summary),
        *_in_batches(summary),
        _outlook(summary),
    ]
    if in_place:
        sys.stdout.write("\x1b[H\x1b[J")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _duplicates(summary: dict[str, Any]) -> list[str]:
    count = summary["duplicates"]
    shown = summary["duplicates_named"][:_NAMED_TO_PEOPLE]
    pairs = [printable(f"{pair['document']} is {pair['of']} again") for pair in shown]
    more = [f"{count - len(shown)} more, `list` names them"] if count > len(shown) else []
    return [f"{counted(count, 'duplicate')}: {'; '.join([*pairs, *more])}"] if count else []


def _calls_out(summary: dict[str, Any]) -> list[str]:
    out = summary["calls_out"]
    if not out:
        return []
    fate = "under way, not in the sums yet" if summary["workers_alive"] else "of unknown outcome as yet"
    return [f"{counted(out, 'call')} more {fate}"]


def _in_batches(summary: dict[str, Any]) -> list[str]:
    requests = summary["in_batches"]
    return [f"{counted(requests, 'request')} in batches, not in the sums before they are collected"] if requests else []


def _outlook(summary: dict[str, Any]) -> str:
    left = summary["seconds_left"]
    if left == 0:
        return "nothing left to do"
    if not summary["workers_alive"]:
        return "no worker is alive: run it again to go on"
    time_left = "time left unknown" if left is None else f"{duration(left)} left"
    return f"{counted(summary['workers_alive'], 'worker')} alive, {summary['documents_per_s']} documents/s, {time_left}"
