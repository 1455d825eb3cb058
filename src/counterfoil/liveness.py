"""Who is alive: heartbeats of worker processes, judged without comparing clocks of different machines.

A worker rewrites `workers/<id>.json` with a growing counter. Another one calls it dead when its own monotonic clock has
seen that file unchanged for a lease (the longer of their two), or at once when its process is gone from this very
machine, or when the file is gone: a worker writes it before its first claim and removes it after its last. A wrong
verdict costs a call, never data: the fence of `transitions` refuses whoever was superseded.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from .clock import Clock
from .errors import ManifestCorrupt, Unavailable
from .jsonfile import Json, decode, encode
from .store import Store, retried

FOLDER = "workers"
_READ_AT_ONCE = 16


def heartbeat_key(worker: str) -> str:
    return f"{FOLDER}/{worker}.json"


@cache
def machine() -> str:
    """Names this boot of this machine and its pid namespace: only there does a pid of ours mean anything."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/{uuid.getnode():x}"


def process_start(pid: int) -> str | None:
    """When a process began, in the kernel's words; None if unknown. A pid that is used again has another start."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def same_machine(beat: Json) -> bool:
    """Whether a heartbeat comes from this boot of this machine, where its pid means something."""
    return beat.get("machine") == machine()


def process_gone(beat: Json) -> bool:
    """Whether the process of a heartbeat is known to have ended: it ran on this machine and is no more."""
    if not same_machine(beat):
        return False
    pid = int(beat.get("pid", 0))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return bool(beat.get("process_start")) and process_start(pid) != beat["process_start"]


def seems_alive(beat: Json, now: datetime) -> bool:
    """For people, from one look at a heartbeat: its process is there, or, on another machine, it is recent by the clock
    on the wall. No claim is ever decided by this."""
    if same_machine(beat):
        return not process_gone(beat)
    try:
        age = (now - datetime.fromisoformat(beat["seen"])).total_seconds()
        return age < 1.5 * float(beat["lease_s"])
    except (KeyError, TypeError, ValueError):
        return False


class Heart:
    """This worker's own heartbeat. `silences` counts how often the last one was too long ago to be sure of our claims:
    others may have taken them over then. `tells` gives what people who watch may want to know of its pace."""

    def __init__(
        self, store: Store, worker: str, clock: Clock, lease: float, tells: Callable[[], Json] | None = None
    ) -> None:
        self._store, self._worker, self._clock, self._lease = store, worker, clock, lease
        self._tells = tells
        self._beats = 0
        self._last = clock.monotonic()
        self.silences = 0
        self._about: Json = {
            "worker": worker,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "machine": machine(),
            "process_start": process_start(os.getpid()),
            "lease_s": lease,
            "since": clock.stamp(),
        }

    @property
    def stalled(self) -> bool:
        return self._clock.monotonic() - self._last > self._lease / 2

    async def begin(self) -> None:
        """Writes the first heartbeat, however long that takes: nothing is claimed before it."""
        await retried(self._clock, self._attempt)
        self.silences = 0

    def notice(self) -> None:
        """Counts a silence that is going on, or that ends now."""
        self.silences += self.stalled

    async def beat(self) -> None:
        """Writes the next heartbeat."""
        await retried(self._clock, self._attempt, patience=self._lease)

    async def _attempt(self) -> None:
        """One attempt. One that hangs is given up while there is time for another, before we seem dead.

        No two attempts have the same body: one that lands late, over newer ones, must not bring back what others have
        seen before, or we would seem not to have changed since. Its time counts from before the write, when we surely
        were alive.
        """
        self._beats += 1
        begun = self._clock.monotonic()
        told = {"pace": self._tells()} if self._tells else {}
        body = encode(self._about | {"counter": self._beats, "seen": self._clock.stamp(), **told})
        try:
            async with asyncio.timeout(self._lease / 4):
                await self._store.put(heartbeat_key(self._worker), body)
        except TimeoutError as exc:
            raise Unavailable(f"{self._store.url} took no heartbeat within {self._lease / 4:g} s") from exc
        self.notice()
        self._last = begun

    async def stop(self) -> None:
        """Takes the heartbeat away: this worker holds nothing any more."""
        await retried(self._clock, lambda: self._store.delete(heartbeat_key(self._worker)), patience=self._lease)


@dataclass(slots=True)
class _Seen:
    mark: str
    since: float
    beat: Json | None = None
    read: bool = False


class Liveness:
    """What this process has seen of the other workers, by its own clock."""

    def __init__(self, store: Store, clock: Clock, lease: float) -> None:
        self._store, self._clock, self._lease = store, clock, lease
        self._seen: dict[str, _Seen] = {}
        self._looked = clock.monotonic()
        self._alive: frozenset[str] | None = None

    async def look(self) -> None:
        """One LIST of the heartbeats, and one GET of each that is new: of a few of them where many are."""

        async def listing() -> dict[str, str]:
            entries = [entry async for entry in self._store.list(FOLDER)]
            return {e.key.removeprefix(f"{FOLDER}/").removesuffix(".json"): e.mark for e in entries}

        asked = self._clock.monotonic()
        marks = await retried(self._clock, listing)
        if asked < self._looked:
            return  # another look, of later, was faster
        self._looked, now = asked, self._clock.monotonic()
        self._seen = {worker: seen for worker, seen in self._seen.items() if worker in marks}
        for worker, seen in self._seen.items():
            if seen.mark != marks[worker]:
                seen.mark, seen.since = marks[worker], now
        # Before any is read, for another look may end meanwhile and count on them.
        self._seen |= {worker: _Seen(mark, now) for worker, mark in marks.items() if worker not in self._seen}
        await self._read_all([worker for worker, seen in self._seen.items() if not seen.read][:_READ_AT_ONCE])

    async def _read_all(self, workers: Collection[str]) -> None:
        for worker, beat in zip(workers, await asyncio.gather(*map(self._read, workers)), strict=True):
            if seen := self._seen.get(worker):
                seen.beat, seen.read = beat, True
        self._alive = None

    async def _read(self, worker: str) -> Json | None:
        key = heartbeat_key(worker)
        found = await retried(self._clock, lambda: self._store.get(key))
        try:
            return decode(found.body, key) if found else None
        except ManifestCorrupt:
            return None  # an unreadable heartbeat still lives or dies by its mark

    def _dead(self, worker: str) -> bool:
        seen = self._seen.get(worker)
        if seen is None:
            return True
        if seen.beat is not None and process_gone(seen.beat):
            return True
        return self._silent(worker, self._looked)

    def _silent(self, worker: str, until: float) -> bool:
        """Whether its heartbeat has not changed for a lease: its own if that is longer, for it beats by that one."""
        seen = self._seen.get(worker)
        return seen is None or until - seen.since > max(self._lease, _lease_of(seen.beat))

    async def dead(self, owners: Collection[str]) -> frozenset[str]:
        """Those of `owners`, read from records before this call, that can no longer finish anything."""
        # A heartbeat is older than its worker's first claim: who isn't there after a look has left. And after a time in
        # which we could not look (stopped, or without the store) a heartbeat seems unchanged that nobody has looked at:
        # a listing tells of the time until it was asked for, which may be long before its answer is heard.
        if unread := [owner for owner in owners if (seen := self._seen.get(owner)) and not seen.read]:
            await self._read_all(unread)  # what lease it has, and on which machine
        now = self._clock.monotonic()
        if any(self._silent(owner, now) for owner in owners):
            await self.look()
        return frozenset(owner for owner in owners if self._dead(owner))

    def alive(self) -> frozenset[str]:
        """Those whose heartbeat has changed within their lease, as last seen."""
        if self._alive is None:  # asked for each document, and there may be hundreds
            self._alive = frozenset(worker for worker in self._seen if not self._dead(worker))
        return self._alive

    async def bury(self) -> None:
        """Takes away the heartbeats of the dead. Whoever was only silent writes another before it goes on."""
        gone = [worker for worker, seen in self._seen.items() if seen.read and self._dead(worker)]
        await asyncio.gather(*(_remove(self._store, self._clock, worker) for worker in gone))


async def _remove(store: Store, clock: Clock, worker: str) -> None:
    await retried(clock, lambda: store.delete(heartbeat_key(worker)), patience=10.0)


def _lease_of(beat: Json | None) -> float:
    lease = beat.get("lease_s") if beat else None
    return float(lease) if isinstance(lease, (int, float)) else 0.0
