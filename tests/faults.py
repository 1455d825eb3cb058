"""A store that fails on request, around a real one, and a log of the writes that really happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

from counterfoil.errors import Conflict, Unavailable
from counterfoil.jsonfile import Json, decode
from counterfoil.store import Entry, Object, Store

Fault = Literal["unsent", "lost", "lied", "refused", "late"]


class FaultyStore:
    """Fails conditional writes as `fault` says, for each: None lets it pass.

    `unsent`: never applied, no reply. `lost`: applied, no reply. `lied`: applied, reported as a conflict (a client's
    own retry does that). `refused`: not applied, reported as a conflict (409). `late`: no reply, applied `delay` s
    later if its condition still holds then.
    """

    def __init__(self, store: Store, *, latency: float = 0.0, delay: float = 1.0) -> None:
        self._store, self._latency, self._delay = store, latency, delay
        self.url, self.commit_gap = store.url, store.commit_gap
        self.fault: Callable[[str, str], Fault | None] = lambda op, key: None
        self.log: list[tuple[str, bytes]] = []
        self.requests: list[tuple[str, str]] = []
        self._late: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> Object | None:
        self.requests.append(("get", key))
        await asyncio.sleep(self._latency)
        return await self._store.get(key)

    async def put_new(self, key: str, body: bytes) -> str:
        return await self._write("put_new", key, body, lambda: self._store.put_new(key, body))

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        return await self._write("put_if", key, body, lambda: self._store.put_if(key, body, tag))

    async def put(self, key: str, body: bytes) -> None:
        self.requests.append(("put", key))
        await asyncio.sleep(self._latency)
        await self._store.put(key, body)

    async def delete(self, key: str) -> None:
        await self._store.delete(key)

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        self.requests.append(("list", prefix))
        await asyncio.sleep(self._latency)
        async for entry in self._store.list(prefix):
            yield entry

    async def _write(self, op: str, key: str, body: bytes, write: Callable[[], Awaitable[str]]) -> str:
        self.requests.append((op, key))
        await asyncio.sleep(self._latency)
        match self.fault(op, key):
            case "unsent":
                raise Unavailable("the request was never sent")
            case "refused":
                raise Conflict("409")
            case "late":
                self._later(key, body, write)
                raise Unavailable("no reply yet")
            case "lost":
                await self._apply(key, body, write)
                raise Unavailable("the reply was lost")
            case "lied":
                await self._apply(key, body, write)
                raise Conflict("412 for our own write")
            case None:
                return await self._apply(key, body, write)

    async def _apply(self, key: str, body: bytes, write: Callable[[], Awaitable[str]]) -> str:
        tag = await write()
        self.log.append((key, body))
        return tag

    def _later(self, key: str, body: bytes, write: Callable[[], Awaitable[str]]) -> None:
        async def land() -> None:
            await asyncio.sleep(self._delay)
            try:
                await self._apply(key, body, write)
            except Conflict:
                return

        task = asyncio.create_task(land())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def versions(self, key: str) -> list[Json]:
        """Every body of `key` that was really written, in order."""
        return [decode(body, key) for written, body in self.log if written == key]
