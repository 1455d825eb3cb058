"""What a worker knows of the shards that others write, at a number of requests that many workers can afford.

A listing shows which shards have changed. While they are few, each of those is read. Where they are many, a worker
reads only its part of what the whole company may, by turns, so that each is read again and again; and a finished one is
not read at all: who wrote it last leaves a seal beside it, an object whose name tells which version was finished, and
with what. A seal of another version says nothing, and a lost one costs a read: a hint, the shard is the truth.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .errors import CounterfoilError
from .jsonfile import encode
from .manifest import Manifest, shard_key
from .tallies import Tallies

FEW_SHARDS = 64
_LOOKS_A_SECOND = 1000.0
"""Of all workers together, well below what S3 takes on one prefix (5,500): their commits read there too."""
_KEPT_S = 5.0
_FIRST_LOOKS, _LEAST_A_SECOND = 16.0, 2.0
_SEAL = "finished"


class Lookout:
    """The shards of one manifest, whose states are told to `tallies`. `thorough`: read each that has changed, however
    many they are, for what was spent is in no seal."""

    def __init__(self, manifest: Manifest, tallies: Tallies, *, thorough: bool = False) -> None:
        self._manifest, self._tallies, self._clock = manifest, tallies, manifest.clock
        self._all = thorough or manifest.shards <= FEW_SHARDS
        self._marks: dict[int, str] = {}
        self._there: frozenset[int] = frozenset()
        self._seals: dict[int, list[str]] = {}
        self._sealed: dict[int, int] = {}
        self._turn = 0
        self._looks = 0.0
        self._counted_at: float | None = None

    def is_new(self, shard: int) -> bool:
        """Whether a shard did not exist when last listed."""
        return shard not in self._there

    async def survey(self, company: int) -> None:
        """One LIST, and one GET of each shard that changed since it was read, or of our part of those if `company`
        workers have too many to read."""
        listed, self._seals = await self._manifest.listing()
        marks = {shard: mark for shard, mark in listed.items() if shard < self._manifest.shards}
        self._there = frozenset(marks)
        changed = [s for s, mark in marks.items() if self._marks.get(s) != mark]
        self._gain(company)
        if not self._all:
            changed = self._chosen(self._unsealed(changed, marks))
        async for shard, state in self._manifest.states(changed):
            known = self._manifest.register(shard).known  # a commit of ours may have landed since it was read
            self._tallies.note(shard, known if known and known.version > state.version else state)
            self._marks[shard] = marks[shard]

    def missed(self) -> bool:
        """Tells that a shard was asked in vain for something to claim; whether there may be more of that for now."""
        self._looks -= 1
        return self._all or self._looks > 0

    def wrote(self, shard: int, mark: str) -> None:
        """We have left a shard so, and know it."""
        self._marks[shard] = mark

    async def seal(self, shard: int) -> None:
        """Leaves word that a shard is finished, if it is so by a commit of ours and that spares others a read."""
        known = self._manifest.register(shard).known
        if self._manifest.shards <= FEW_SHARDS or known is None or not (mark := mark_of(known.tag)):
            return
        self.wrote(shard, mark)
        ours = known.commits.get(self._manifest.writer, {"at": 0})["at"] == known.version
        if not ours or shard in self._tallies.unfinished or self._sealed.get(shard) == known.version:
            return
        self._sealed[shard] = known.version
        tally = self._tallies.of(shard)
        store, key = self._manifest.store, _seal_key(shard, mark, tally.statuses if tally else {})
        with suppress(CounterfoilError):
            await store.put_new(key, encode({"finished": shard_key(shard)}))
            for old in self._seals.pop(shard, []):
                await store.delete(old)
            self._seals[shard] = [key]

    def _gain(self, company: int) -> None:
        now = self._clock.monotonic()
        share = max(_LOOKS_A_SECOND / company, _LEAST_A_SECOND)
        if self._counted_at is None:  # the others are not known yet
            self._looks = _FIRST_LOOKS
        else:  # by time, for who has nothing to do looks often
            self._looks = min(max(self._looks, 0.0) + share * (now - self._counted_at), share * _KEPT_S)
        self._counted_at = now

    def _unsealed(self, changed: Sequence[int], marks: Mapping[int, str]) -> Sequence[int]:
        """Those of `changed` that no seal tells of; what the seals tell of the others is noted."""
        rest: list[int] = []
        for shard in changed:
            for name in self._seals.get(shard, ()):
                if (told := _told(name, shard, marks[shard])) is not None:
                    self._tallies.finished(shard, told)
                    self._marks[shard] = marks[shard]
                    break
            else:
                rest.append(shard)
        return rest

    def _chosen(self, changed: Sequence[int]) -> list[int]:
        """Those that are read now, by turns; half of what we may is left for shards that are asked in vain. What was
        never read is taken for unfinished."""
        most, shards = int(self._looks / 2), self._manifest.shards
        chosen = sorted(changed, key=lambda shard: (shard - self._turn) % shards)[:most]
        if chosen:
            self._turn = chosen[-1] + 1
        self._looks -= len(chosen)
        for shard in changed:
            if self._tallies.of(shard) is None:
                self._tallies.suppose(shard)
        return chosen


def mark_of(tag: str | None) -> str:
    """The mark that a listing shows for a tag; empty where a store's listings show another."""
    return (tag or "").rpartition("|")[0]


def _digest(shard: int, mark: str) -> str:
    return hashlib.sha256(f"{shard} {mark}".encode()).hexdigest()[:16]


def _seal_key(shard: int, mark: str, statuses: Mapping[str, int]) -> str:
    """Which version of a shard is finished, and how many of its documents are done, failed and so on."""
    counts = ".".join(f"{status}-{count}" for status, count in sorted(statuses.items()) if count)
    return f"manifest/{shard:04d}.{_SEAL}.{_digest(shard, mark)}.{counts}"


def _told(key: str, shard: int, mark: str) -> Counter[str] | None:
    """What a seal tells of the shard that has this mark now; None if it is of another version, or no seal."""
    beginning, _, counts = key.partition(f".{_SEAL}.{_digest(shard, mark)}.")
    if beginning == key:
        return None
    pairs = (count.rpartition("-") for count in counts.split("."))
    return Counter({status: int(number) for status, _, number in pairs if number.isdecimal()})
