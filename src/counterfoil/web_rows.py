"""What the page keeps of a record: a compact row for the lists, and the sums of a shard. The record itself is let go.

Pure functions of records. Every value that comes from a document is kept as plain text, whatever it holds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

from .commit import Record, Records
from .document import Usage
from .kinds import counted_as
from .spend import NOTHING, batch_request, usage_of
from .transitions import FINISHED, READ
from .transitions_review import revision

_SHOWN = 160
_VARIES = re.compile(r"\d[\d.,:_-]*\d|\d|'[^']*'|\"[^\"]*\"")
_TELLS = re.compile(r"\w{3}")


class Row(NamedTuple):
    """One document in a list. `gross` in `currency`; `date` as ISO; `ended` seconds since the epoch, None where it is
    not finished; `kind` is the reason without what differs from one document to the next; `duplicate` names the
    document that came first, if this is the same invoice again; `revision` grows with every change of the record."""

    document: str
    status: str
    reader: str
    number: str
    date: str
    seller: str
    currency: str
    gross: Decimal | None
    findings: tuple[str, ...]
    reason: str
    kind: str
    duplicate: str
    ended: int | None
    revision: int


def row_of(document: str, record: Record) -> Row:
    """The row of a record."""
    summary: Mapping[str, Any] = record.get("summary") or {}
    data: Mapping[str, Any] = summary.get("data") or {}
    duplicate: Mapping[str, Any] = record.get("duplicate") or {}
    reason = str(record.get("reason") or "")
    told = reason or ", ".join(f"{name} {value}" for name, value in data.items())
    return Row(
        document,
        intern(counted_as(record)),
        intern(str(record.get("reader") or "")),
        str(summary.get("invoice_number") or ""),
        intern(str(summary.get("issue_date") or "")),
        intern(str(summary.get("seller_name") or "")),
        intern(str(summary.get("currency") or "")),
        _decimal(summary.get("gross_total")),
        _same(tuple(map(str, record.get("findings") or ()))),
        told[:_SHOWN],
        kind_of_reason(reason),
        str(duplicate.get("of", "")),
        ended(record),
        revision(record),
    )


@lru_cache(4096)
def _same(findings: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all documents with these findings."""
    return tuple(map(intern, findings))


@lru_cache(4096)
def kind_of_reason(reason: str) -> str:
    """What reasons that differ in figures and names only have in common."""
    kind = _VARIES.sub("…", reason)
    return intern((kind if _TELLS.search(kind) else reason)[:_SHOWN])


def _decimal(text: object) -> Decimal | None:
    try:
        value = None if text is None else Decimal(str(text))
    except InvalidOperation:
        return None
    return value if value is not None and value.is_finite() else None


@lru_cache(4096)
def epoch(at: str) -> int:
    """The time of an event, in seconds since the epoch."""
    return int(datetime.fromisoformat(at).timestamp())


def ended(record: Record) -> int | None:
    """When a run came to its outcome, whatever people made of that since."""
    if record.get("status") not in FINISHED:
        return None
    ends = (event["at"] for event in reversed(record.get("history") or ()) if event.get("event") in READ)
    at = next(ends, None)
    return None if at is None else epoch(at)


@dataclass(slots=True)
class Sums:
    """What one shard adds to the overview, or all of them. `ends` counts finished documents by second, `costs` is what
    events of that second say was paid (US dollars). `usage` has known costs only; `unpriced` documents have others."""

    statuses: Counter[str] = field(default_factory=Counter[str])
    readers: Counter[str] = field(default_factory=Counter[str])
    findings: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    ends: Counter[int] = field(default_factory=Counter[int])
    costs: dict[int, Decimal] = field(default_factory=dict[int, Decimal])
    usage: Usage = NOTHING
    unpriced: int = 0
    adopted: int = 0
    calls_out: int = 0
    in_batches: int = 0

    @classmethod
    def of(cls, records: Records, rows: list[Row]) -> Sums:
        sums = cls()
        for record, row in zip(records.values(), rows, strict=True):
            sums.statuses[row.status] += 1
            sums.readers[row.reader] += bool(row.reader)
            sums.findings.update(row.findings)
            sums.reasons[row.kind] += bool(row.kind)
            sums.adopted += bool(record.get("adopted"))
            sums.calls_out += "asking" in record
            sums.in_batches += batch_request(record)
            if row.ended is not None:
                sums.ends[row.ended] += 1
            if record.get("calls"):
                sums._spend(record)
        return sums

    def _spend(self, record: Record) -> None:
        usage = usage_of(record)
        self.unpriced += usage.cost_usd is None
        self.usage += usage if usage.cost_usd is not None else replace(usage, cost_usd=Decimal(0))
        for event in record.get("history") or ():
            if cost := event.get("cost_usd"):
                second = epoch(event["at"])
                self.costs[second] = self.costs.get(second, Decimal(0)) + Decimal(cost)

    def add(self, other: Sums, sign: int = 1) -> None:
        """Adds the sums of a shard, or with `sign` -1 takes them away again."""
        for mine, its in (
            (self.statuses, other.statuses),
            (self.readers, other.readers),
            (self.findings, other.findings),
            (self.reasons, other.reasons),
            (self.ends, other.ends),
        ):
            _count(mine, its, sign)
        for second, cost in other.costs.items():
            self.costs[second] = self.costs.get(second, Decimal(0)) + sign * cost
            if not self.costs[second]:
                del self.costs[second]
        self.usage = self.usage + other.usage if sign > 0 else self.usage - other.usage
        self.unpriced += sign * other.unpriced
        self.adopted += sign * other.adopted
        self.calls_out += sign * other.calls_out
        self.in_batches += sign * other.in_batches


def _count(mine: Counter[Any], its: Counter[Any], sign: int) -> None:
    for key, number in its.items():
        mine[key] += sign * number
        if not mine[key]:
            del mine[key]
