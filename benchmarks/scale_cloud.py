"""An object store of the simulated kind: a cloud with latencies, request limits and a bill, in virtual time.

It is linearizable and keeps its conditions. A request takes effect half of its latency after it was sent. What a
service refuses (503 SlowDown above so many requests a second on a prefix, 429 above one write a second on an object) is
refused here too, and counted.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from counterfoil.commit import State
from counterfoil.errors import Conflict, Unavailable
from counterfoil.store import Entry, Object

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Service:
    """Latencies in ms; requests a second that one prefix takes; least seconds between two writes of one object."""

    name: str
    get_ms: float
    put_ms: float
    gap_s: float = 0.0
    puts_per_s: int = 3500
    gets_per_s: int = 5500


S3 = Service("S3 30/60", 30, 60)
SLOW_S3 = Service("S3 100/150", 100, 150)
GCS = Service("GCS 30/60", 30, 60, 1.0, 1_000_000, 1_000_000)


@dataclass(slots=True)
class Bill:
    """What was asked of the service: requests by folder and kind, bytes, refusals, and the busiest second of all."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    sent: Counter[str] = field(default_factory=Counter[str])
    writes_of: Counter[str] = field(default_factory=Counter[str])
    slow_downs: int = 0
    too_soon: int = 0
    lost_races: int = 0
    busiest: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def of(self, folder: str, kind: str) -> int:
        return self.requests[folder, kind]


class Body:
    """What stands for the JSON of a shard, which nobody has to write and parse then. Its length is that of the last
    shard that was written out to be measured, one in fifty."""

    _made = 0
    _length = 0

    def __init__(self, state: State) -> None:
        self.state = state
        if Body._made % 50 == 0:
            Body._length = len(_written(state))
        Body._made += 1
        self._len = Body._length

    def __len__(self) -> int:
        return self._len


_written = State.body


def parsed(body: Any, tag: str, _where: str) -> State:
    """The state that was written, as if it had been read."""
    return replace(body.state, tag=tag)


class Cloud:
    """A `Store` that all simulated workers share; `now` and `later` are those of the virtual loop."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop, chance: random.Random) -> None:
        self.service, self.url, self.commit_gap = service, "sim://out", service.gap_s
        self.bill = Bill()
        self._loop, self._chance = loop, chance
        self._folders: defaultdict[str, dict[str, Object]] = defaultdict(dict)
        self._listed: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self._written_at: dict[str, float] = {}
        self._writes = 0
        self._second = -1
        self._this_second: Counter[tuple[str, str]] = Counter()

    def place(self, key: str, body: Any) -> None:
        """Has an object there from the beginning, at no cost."""
        self._write(key, body, None)
        self.bill = Bill()

    async def get(self, key: str) -> Object | None:
        return await self._ask("get", key, lambda: self._folder(key).get(key))

    async def look(self, key: str) -> Entry | None:
        found = await self.get(key)
        return None if found is None else _entry(key, found)

    async def put_new(self, key: str, body: bytes) -> str:
        return await self._ask("put", key, lambda: self._write(key, body, None))

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        return await self._ask("put", key, lambda: self._write(key, body, tag))

    async def put(self, key: str, body: bytes) -> None:
        await self._ask("put", key, lambda: self._write(key, body, ""))

    async def delete(self, key: str) -> None:
        await self._ask("delete", key, lambda: self._drop(key))

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        """Page after page, each a request; what it shows is as of the first."""
        folder = prefix.partition("/")[0]
        entries = await self._ask("list", f"{folder}/", lambda: self._entries(folder))
        for start in range(0, len(entries), _PAGE):
            if start:
                await self._ask("list", f"{folder}/", lambda: None)
            for entry in entries[start : start + _PAGE]:
                yield entry

    def _drop(self, key: str) -> None:
        self._folder(key).pop(key, None)
        self._listed[key.partition("/")[0]].pop(key, None)

    def _folder(self, key: str) -> dict[str, Object]:
        return self._folders[key.partition("/")[0]]

    def _entries(self, folder: str) -> list[Entry]:
        return list(self._listed[folder].values())

    def _write(self, key: str, body: bytes, tag: str | None) -> Any:
        folder = self._folder(key)
        known = folder.get(key)
        if tag != "" and (known.tag if known else None) != tag:
            self.bill.lost_races += 1
            return Conflict(f"412: {key}")
        now = self._loop.time()
        if self.service.gap_s and now - self._written_at.get(key, -1e9) < self.service.gap_s * 0.9:
            self.bill.too_soon += 1
            return Unavailable(f"429: {key}")
        if self.service.gap_s:
            self._written_at[key] = now
        self._writes += 1
        self.bill.sent[key.partition("/")[0]] += len(body)
        self.bill.writes_of[key] += 1
        folder[key] = Object(body, f'"{self._writes:032x}"|')
        self._listed[key.partition("/")[0]][key] = _entry(key, folder[key])
        return folder[key].tag

    async def _ask(self, kind: str, key: str, apply: Callable[[], Any]) -> Any:
        loop = self._loop
        half = self._latency(kind) / 2
        reply: asyncio.Future[Any] = loop.create_future()
        loop.call_later(half, self._arrive, kind, key.partition("/")[0], apply, half, reply)
        answer = await reply
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _latency(self, kind: str) -> float:
        """Seconds; one request in a hundred takes five times as long."""
        least = self.service.put_ms if kind == "put" else self.service.get_ms
        jitter = 0.7 + 0.6 * self._chance.random()
        return least / 1000 * jitter * (5 if self._chance.random() < 0.01 else 1)

    def _arrive(
        self, kind: str, folder: str, apply: Callable[[], Any], back: float, reply: asyncio.Future[Any]
    ) -> None:
        answer = apply() if self._admitted(kind, folder) else Unavailable(f"503 SlowDown: {folder}")
        self._loop.call_later(back, _tell, reply, answer)

    def _admitted(self, kind: str, folder: str) -> bool:
        """Whether the prefix still takes a request in this second."""
        self.bill.requests[folder, kind] += 1
        if int(self._loop.time()) != self._second:
            for key, count in self._this_second.items():
                self.bill.busiest[key] = max(self.bill.busiest[key], count)
            self._second = int(self._loop.time())
            self._this_second.clear()
        of, most = ("put", self.service.puts_per_s) if kind in ("put", "delete") else ("get", self.service.gets_per_s)
        self._this_second[folder, of] += 1
        if self._this_second[folder, of] > most:
            self.bill.slow_downs += 1
            return False
        return True


def _entry(key: str, found: Object) -> Entry:
    return Entry(key, len(found.body), found.tag.rpartition("|")[0])


def _tell(reply: asyncio.Future[Any], answer: Any) -> None:
    if not reply.done():
        reply.set_result(answer)
