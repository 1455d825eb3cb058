"""What each shard of a manifest held when it was last seen, and the sums over all of them, kept up with each look.

It promises sums that are those of the shards at any time, without another pass over thousands of them. It keeps no
record: what it needs of one is counted, and the record let go. It never reads or writes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from .commit import Records, State
from .document import Usage
from .kinds import counted_as
from .spend import NOTHING, batch_request, usage_of


@dataclass(frozen=True, slots=True)
class Tally:
    """One shard: records by status (those of opened containers as `container`), claims (document: attempt) by owner,
    documents that are not finished by the batch they belong to (all of them `bound`, the pending ones `waiting`), what
    was spent, on the dearest of them too (US dollars), and how many calls are out, or held by a batch."""

    statuses: Counter[str] = field(default_factory=Counter[str])
    claims: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    bound: Counter[str] = field(default_factory=Counter[str])
    waiting: Counter[str] = field(default_factory=Counter[str])
    spent: Usage = NOTHING
    dearest: Decimal = Decimal(0)
    out: int = 0

    @classmethod
    def of(cls, records: Records, *, spending: bool = False) -> Tally:
        """`spending`: count what was spent too."""
        claims: defaultdict[str, dict[str, int]] = defaultdict(dict)
        bound, waiting = Counter[str](), Counter[str]()
        for document, record in records.items():
            if record.get("status") == "running":
                claims[record["owner"]][document] = record["attempt"]
            if "batch" in record and record["status"] in _UNFINISHED:
                bound[record["batch"]["name"]] += 1
                waiting[record["batch"]["name"]] += record["status"] == "pending"
        statuses = Counter(counted_as(record) for record in records.values())
        if not spending:
            return cls(statuses, dict(claims), bound, waiting)
        spent = [usage_of(record) for record in records.values() if record.get("calls")]
        dearest = max((usage.cost_usd or Decimal(0) for usage in spent), default=Decimal(0))
        out = sum(("asking" in record) + batch_request(record) for record in records.values())
        return cls(statuses, dict(claims), bound, waiting, sum(spent, NOTHING), dearest, out)

    def claimable(self, awake: Collection[str]) -> int:
        """Pending records that wait for no batch, or for one of those that have come to an end."""
        return self.statuses["pending"] - sum(n for name, n in self.waiting.items() if name not in awake)


_EMPTY = Tally()
_UNREAD = Tally(Counter(pending=1))
_UNFINISHED = ("pending", "running")


class Spending(Protocol):
    """What was spent on all documents, on the dearest of them (US dollars), and how many calls are out."""

    @property
    def spent(self) -> Usage: ...
    @property
    def dearest(self) -> Decimal: ...
    @property
    def out(self) -> int: ...


class Tallies:
    """All shards of a manifest. With `spending` false, `spent`, `dearest` and `out` stay nothing."""

    def __init__(self, *, spending: bool) -> None:
        self._spending = spending
        self._shards: dict[int, Tally] = {}
        self._versions: dict[int, int] = {}
        self._statuses = Counter[str]()
        self._bound = Counter[str]()
        self.unfinished: set[int] = set()
        """Shards with a document that is not finished: of thousands, those alone are asked for claims."""
        self.spent = NOTHING
        self.dearest = Decimal(0)
        self.out = 0

    @property
    def statuses(self) -> Counter[str]:
        """Records by status over all shards."""
        return +self._statuses

    @property
    def bound(self) -> Counter[str]:
        """Documents that are not finished by the batch they belong to, over all shards."""
        return +self._bound

    def of(self, shard: int) -> Tally | None:
        """None if it was never seen."""
        return self._shards.get(shard)

    def note(self, shard: int, state: State) -> None:
        """A shard is in this state. Counted once a version: of a commit, everybody who has a change in it tells."""
        if self._versions.get(shard) != state.version:
            self._set(shard, Tally.of(state.records, spending=self._spending))
            self._versions[shard] = state.version

    def expect(self, shard: int, pending: int) -> None:
        """So many documents are about to be added to a shard."""
        known = self._shards.get(shard, _EMPTY)
        self._versions.pop(shard, None)
        self._set(shard, replace(known, statuses=known.statuses + Counter(pending=pending)))

    def suppose(self, shard: int) -> None:
        """A shard exists that nobody here has read: it may hold something to do."""
        self._set(shard, _UNREAD)

    def finished(self, shard: int, statuses: Counter[str]) -> None:
        """All documents of a shard are finished, so many in each status, by what a seal tells."""
        self._versions.pop(shard, None)
        self._set(shard, Tally(statuses))

    def _set(self, shard: int, tally: Tally) -> None:
        known = self._shards.get(shard, _EMPTY)
        self._shards[shard] = tally
        open_now = any(tally.statuses[status] for status in _UNFINISHED)
        (self.unfinished.add if open_now else self.unfinished.discard)(shard)
        for sums, gone, here in (
            (self._statuses, known.statuses, tally.statuses),
            (self._bound, known.bound, tally.bound),
        ):
            sums.subtract(gone)
            sums.update(here)
        self.spent = self.spent - known.spent + tally.spent
        self.dearest = max(self.dearest, tally.dearest)
        self.out += tally.out - known.out
