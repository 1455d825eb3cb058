"""A shared JSON object in a store that any task, process and machine may change at once, and that loses no change.

A `Register` is one object `{version, commits, pruned, records}`, replaced only by compare-and-swap. It promises:

- an acknowledged change is durable, and is in every later read (I1);
- a change takes effect once, however often and however late its write lands (I4);
- `version` grows by one with every accepted write (I5);
- a cancelled caller waits for the verdict of a write in flight; nothing is acknowledged falsely (I10).

It does so by group commit: at most one write of this register is in flight; changes queue meanwhile, and go out as the
next one. A reply is never trusted, only what a read shows: `commits[writer]` is the last commit of each writer that
landed. It never retries a write whose verdict it has not read, and never holds a lock.

Why one base is in question at a time: a write based on version v lands as v+1 or never, since the store compares tags.
So when a read shows a version beyond v, the verdict on that write is final, and when it shows v again, the same commit
goes out once more from the same base: both copies are equal to the byte, and only one of them can land.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .clock import Clock
from .errors import CommitUncertain, Conflict, ManifestCorrupt, Unavailable
from .jsonfile import Json, decode, encode
from .store import Store, retried

Record = Json
Records = Mapping[str, Record]
Change = Callable[[Records], Records]
"""A pure function of the records to those it replaces. It raises `Refused` to decline, never edits what it is given,
and may run several times, on different records; only the outcome of the run that landed counts."""

# Entries of `commits` whose commit is this many versions old are dropped. A writer whose verdict is still open after so
# many versions can see that (`pruned`), and is told so instead of being left to guess.
KEPT_VERSIONS = 256
_REFUSALS_APART, _WIDER, _STEP, _MOST_GAP, _WORN = 0.5, 1.2, 0.01, 1.0, 0.995
"""A refusal counts if the last was so many seconds ago; it makes the gap wider by a fifth and a step, for each worker
about the same; and each write wears a part of it off. (In steps much larger some wait long, and others not at all.)"""
_LATELY = 8
"""Versions in which a rival must have written to be waited for."""
_LONGEST_TURN = 0.25
"""Seconds that are left to a rival for its write."""


@dataclass(frozen=True, slots=True)
class State:
    """One version of the register as it was read or written; `tag` None: the object does not exist yet."""

    version: int = 0
    commits: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    pruned: int = 0
    records: Records = field(default_factory=dict[str, Record])
    tag: str | None = None

    def landed(self, writer: str, number: int) -> bool:
        return self.commits.get(writer, {"n": 0})["n"] >= number

    def rivals(self, writer: str) -> int:
        """How many others have written lately."""
        return sum(c["at"] > self.version - _LATELY for other, c in self.commits.items() if other != writer)

    def body(self) -> bytes:
        return encode(
            {"version": self.version, "commits": self.commits, "pruned": self.pruned, "records": self.records}
        )

    def next(self, writer: str, number: int, records: Records) -> State:
        """The state that this writer's commit leaves, entries too old to matter dropped."""
        version = self.version + 1
        commits = dict(self.commits) | {writer: {"n": number, "at": version}}
        old = {w: c["at"] for w, c in commits.items() if c["at"] <= version - KEPT_VERSIONS}
        kept = {w: c for w, c in commits.items() if w not in old}
        return State(version, kept, max([self.pruned, *old.values()]), records)


@dataclass(slots=True)
class CommitStats:
    """What the commits of a process took: landed writes, and writes that another writer's made void. `landed` is told,
    of each that landed, the seconds since it was first tried. `gap`: the seconds between two writes of one register
    that the store's refusals have taught; it grows with them, and wears off."""

    commits: int = 0
    conflicts: int = 0
    landed: Callable[[float], None] | None = None
    gap: float = 0.0
    refused_at: float = 0.0

    def refuse(self, now: float) -> None:
        """The store took no write: fewer, larger ones are what it can bear. Refusals of one moment count once."""
        if now - self.refused_at > _REFUSALS_APART:
            self.gap, self.refused_at = min(_WIDER * self.gap + _STEP, _MOST_GAP), now

    def accept(self, seconds: float) -> None:
        """A write landed, so many seconds after it was first tried."""
        self.commits += 1
        self.gap = _WORN * self.gap if self.gap > _STEP / 10 else 0.0
        if self.landed:
            self.landed(seconds)


@dataclass(eq=False, slots=True)
class _Waiting:
    change: Change
    landed: Callable[[Records], None] | None
    verdict: asyncio.Future[Records]

    def settle(self, outcome: Records | BaseException) -> None:
        if self.verdict.done():
            return
        if isinstance(outcome, BaseException):
            self.verdict.set_exception(outcome)
            self.verdict.exception()  # a caller that was cancelled does not come to fetch it
            return
        if self.landed:
            self.landed(outcome)
        self.verdict.set_result(outcome)


class Register:
    """The shared object at `key` of `store`, as one writer sees it. `writer` must be unique among all that ever wrote.

    `linger` is how long (s) an idle register waits for company before it writes; `patience` how long (s) it goes on
    against a store that does not answer, before the callers get `Unavailable`. `proven` is awaited before each write,
    and forbids it by raising: a store that ignores conditions would lose what is written.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        writer: str,
        clock: Clock | None = None,
        *,
        linger: float = 0.005,
        patience: float = 300.0,
        stats: CommitStats | None = None,
        proven: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store, self._key, self._writer = store, key, writer
        self._clock = clock or Clock()
        self._linger, self._patience = linger, patience
        self._proven = proven
        self.stats = stats if stats is not None else CommitStats()
        self._queue: list[_Waiting] = []
        self._drain: asyncio.Task[None] | None = None
        self._known: State | None = None
        self._seen = 0
        self._number = 0
        self._free_at = self._write_s = 0.0

    @property
    def known(self) -> State | None:
        """The last state that was read or written here, if it is still kept."""
        return self._known

    def assume_new(self) -> None:
        """Spares the first read where a listing has shown no such object; a wrong guess costs one conflict."""
        if self._known is None:
            self._known = State()

    async def read(self) -> State:
        """The register as it is now in the store. The records must not be edited."""
        seen = self._seen  # before the request: our own write may land while an older body is on its way here
        body = await retried(self._clock, lambda: self._store.get(self._key), patience=self._patience)
        state = State() if body is None else parse(body.body, body.tag, f"{self._store.url}/{self._key}")
        if state.version < seen:
            raise ManifestCorrupt(
                f"{self._store.url}/{self._key} went back from version {seen} to {state.version}: it was restored "
                "or deleted while in use, or the store shows old data; stop every run and run `verify`"
            )
        self._seen = max(self._seen, state.version)
        return state

    async def update(self, record_id: str, change: Callable[[Record | None], Record]) -> Record:
        """Replaces one record by `change` of what it is (None: absent); returns it once that is durable.

        `change` must be a pure function: it can run more than once. It may raise `Refused`, and the caller gets that.
        """
        done = await self.commit(lambda records: {record_id: change(records.get(record_id))})
        return done[record_id]

    async def commit(self, change: Change, landed: Callable[[Records], None] | None = None) -> Records:
        """Applies `change` and returns the records it left, once they are durable.

        `landed` is called with the same records at that moment, also if the caller has been cancelled meanwhile.
        Raises what `change` raises; `Unavailable` after `patience`; `CommitUncertain` after a long absence. After
        these two the change may or may not have been applied.
        """
        waiting = _Waiting(change, landed, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._drain_queue(), name=f"commit {self._key}")
        return await self._verdict(waiting)

    async def _verdict(self, waiting: _Waiting) -> Records:
        """Waits for the outcome even if cancelled, unless the change has not gone out yet: then it is withdrawn."""
        cancelled: asyncio.CancelledError | None = None
        while not waiting.verdict.done():
            try:
                await asyncio.wait([waiting.verdict])
            except asyncio.CancelledError as exc:
                if waiting in self._queue:
                    self._queue.remove(waiting)
                    raise
                cancelled = exc
        if cancelled:
            raise cancelled
        return waiting.verdict.result()

    def forget(self) -> None:
        """Drops the cached state (memory); the next change reads it again."""
        if self._drain is None or self._drain.done():
            self._known = None

    async def close(self) -> None:
        """Waits until every queued change has its verdict."""
        while self._drain is not None and not self._drain.done():
            await asyncio.wait([self._drain])

    async def _drain_queue(self) -> None:
        batch: list[_Waiting] = []
        try:
            await self._clock.sleep(self._linger)
            while self._queue:
                await self._clock.sleep(max(0.0, self._free_at - self._clock.monotonic()))
                batch, self._queue = self._queue, []
                await self._land(batch)
        except asyncio.CancelledError:
            for waiting in batch + self._queue:
                waiting.settle(CommitUncertain(f"stopped while {self._key} was being written"))
            self._queue = []
            raise

    async def _land(self, batch: Sequence[_Waiting]) -> None:
        """Brings one frozen batch to its verdict and tells every caller."""
        self._number += 1
        try:
            outcomes = await self._commit(batch, self._number)
        except Exception as exc:
            self._known = None
            outcomes = [exc] * len(batch)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.settle(outcome)

    async def _commit(self, batch: Sequence[_Waiting], number: int) -> Sequence[Records | BaseException]:
        """The loop of the protocol: apply, swap, and whatever the reply, believe only what a read shows."""
        state, fresh, attempt = self._known, False, 0
        begun = self._clock.monotonic()
        deadline = begun + self._patience
        while True:
            if state is None:
                state, fresh = await self.read(), True
            records, outcomes = _apply(batch, state.records)
            if records is None:
                if fresh:  # nothing to write, and that is true of the register as it is now
                    self._known = state
                    return outcomes
                state = None
                continue
            intended = state.next(self._writer, number, records)
            began = self._clock.monotonic()
            try:
                tag = await self._swap(intended, state.tag)
            except (Conflict, Unavailable) as exc:
                # The wait comes before the read: among rivals, a base that has waited is an old one.
                attempt += 1
                if isinstance(exc, Unavailable):
                    self.stats.refuse(self._clock.monotonic())
                await self._clock.back_off(attempt, base=0.01, cap=0.25 if isinstance(exc, Conflict) else 5.0)
                found = await self.read()
                if found.landed(self._writer, number):
                    return self._accept(found, outcomes, begun)
                _refuse_to_guess(found, state, self._key)
                if found.version == state.version and self._clock.monotonic() > deadline:
                    raise Unavailable(f"no write was taken for {self._patience:.0f} s: {exc}") from exc
                self.stats.conflicts += found.version != state.version
                state, fresh = found, True
            else:
                self._write_s = min(self._clock.monotonic() - began, _LONGEST_TURN)
                landed = State(intended.version, intended.commits, intended.pruned, intended.records, tag)
                return self._accept(landed, outcomes, begun)

    async def _swap(self, intended: State, tag: str | None) -> str:
        body = intended.body()
        if self._proven:
            await self._proven()
        if tag is None:
            return await self._store.put_new(self._key, body)
        return await self._store.put_if(self._key, body, tag)

    def _accept(
        self, state: State, outcomes: Sequence[Records | BaseException], begun: float
    ) -> Sequence[Records | BaseException]:
        self._known = state
        self._seen = max(self._seen, state.version)
        now = self._clock.monotonic()
        self.stats.accept(now - begun)
        # Rivals need their turn: who goes on at once after each win leaves them nothing but conflicts, for seconds.
        turns = self._write_s * state.rivals(self._writer)
        self._free_at = now + max(self._store.commit_gap, turns, self.stats.gap)
        return outcomes


def _apply(batch: Sequence[_Waiting], before: Records) -> tuple[Records | None, Sequence[Records | BaseException]]:
    """The records after the batch (None: unchanged) and each caller's outcome. A change that raises fails alone."""
    records = dict(before)
    outcomes: list[Records | BaseException] = []
    written = False
    for waiting in batch:
        try:
            updates = waiting.change(records)
        except Exception as exc:
            outcomes.append(exc)
            continue
        changed = {key: record for key, record in updates.items() if records.get(key) != record}
        records.update(changed)
        written = written or bool(changed)
        outcomes.append(updates)
    return (records if written else None), outcomes


def _refuse_to_guess(found: State, base: State, key: str) -> None:
    """Raises if our landed commit could have been pruned: then its absence from `commits` proves nothing."""
    if found.pruned > base.version:
        raise CommitUncertain(
            f"this process was away for over {KEPT_VERSIONS} commits of {key}, so it can't know whether its own "
            "landed; read the record before changing it again"
        )


def parse(body: bytes, tag: str, where: str) -> State:
    """The state in a register's file; anything else there is `ManifestCorrupt`."""
    raw = decode(body, where)
    version, commits, pruned, records = (raw.get(k) for k in ("version", "commits", "pruned", "records"))
    sound = (
        isinstance(version, int)
        and version > 0
        and isinstance(pruned, int)
        and isinstance(commits, dict)
        and all(_is_commit(entry) for entry in cast("dict[str, Any]", commits).values())
        and isinstance(records, dict)
        and all(isinstance(record, dict) for record in cast("dict[str, Any]", records).values())
    )
    if not sound:
        raise ManifestCorrupt(f"{where} is not a register of Counterfoil; restore it from a backup")
    return State(
        cast("int", version), cast("Any", commits), cast("int", pruned), cast("dict[str, Record]", records), tag
    )


def _is_commit(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(cast("Json", entry).get(k), int) for k in ("n", "at"))
