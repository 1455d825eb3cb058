"""One object store, as its own log tells it, and the ways of processes to it, which may fail.

The server is linearizable and keeps its conditions. Tags are hashes of the body, as on S3, so equal bodies have equal
tags. What a client is told is another matter: see `toxics`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from counterfoil.errors import Conflict, CounterfoilError, Unavailable
from counterfoil.store import Entry, Object

from .loop import Body, SimLoop
from .toxics import Climate

Watch = Callable[[str, str, bytes, "Body | None"], None]
TIMEOUT = 5.0
"""Seconds after which a client gives up on a server that it can't reach."""


class Server:
    """Objects by key. `watch(op, key, body, by)` sees each write at the moment it is applied."""

    def __init__(self, watch: Watch = lambda op, key, body, by: None) -> None:
        self.objects: dict[str, Object] = {}
        self.watch = watch
        self.refused: Watch = lambda op, key, body, by: None

    def apply(self, by: Body | None, op: str, key: str, body: bytes = b"", tag: str = "") -> Any:
        """What the request does, and what the server answers, at this instant. An error is returned, not raised."""
        known = self.objects.get(key)
        match op:
            case "get":
                return known
            case "look":
                return None if known is None else _entry(key, known)
            case "list":
                return [_entry(k, found) for k, found in sorted(self.objects.items()) if k.startswith(key)]
            case "delete":
                self.objects.pop(key, None)
                self.watch(op, key, body, by)
                return None
        if (op == "put_new" and known is not None) or (op == "put_if" and (known is None or known.tag != tag)):
            self.refused(op, key, body, by)
            return Conflict(f"412: {op} of {key}")
        self.objects[key] = Object(body, f'"{hashlib.md5(body).hexdigest()}"|')
        self.watch(op, key, body, by)
        return self.objects[key].tag

    def refuse(self, by: Body, op: str, key: str, body: bytes = b"", *_: Any) -> None:
        """A write that comes to nothing; where its object is there already, whoever offered it will find that."""
        if op == "put_new" and key in self.objects:
            self.refused(op, key, body, by)

    def read(self, key: str) -> bytes | None:
        found = self.objects.get(key)
        return None if found is None else found.body


def _entry(key: str, found: Object) -> Entry:
    return Entry(key, len(found.body), found.tag.rpartition("|")[0])


class Way:
    """One process's way to a server: a `Store` that fails as its climate says, and not at all while it is cut off."""

    commit_gap = 0.0

    def __init__(self, server: Server, url: str, body: Body, climate: Climate, loop: SimLoop) -> None:
        self.url = url
        self._server, self._body, self._climate, self._loop = server, body, climate, loop

    async def get(self, key: str) -> Object | None:
        return await self._ask("get", key)

    async def look(self, key: str) -> Entry | None:
        return await self._ask("look", key)

    async def put_new(self, key: str, body: bytes) -> str:
        return await self._ask("put_new", key, body)

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        return await self._ask("put_if", key, body, tag)

    async def put(self, key: str, body: bytes) -> None:
        await self._ask("put", key, body)

    async def delete(self, key: str) -> None:
        await self._ask("delete", key)

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        for entry in await self._ask("list", prefix.rstrip("/") + "/" if prefix else ""):
            yield entry

    async def _ask(self, op: str, key: str, *more: Any) -> Any:
        """Sends a request on its way and waits for what comes back. The request goes on if the asker is no more."""
        climate, loop = self._climate, self._loop
        reply: asyncio.Future[Any] = loop.create_future()
        trouble = climate.for_store(loop.time(), op)
        there, back = climate.there(), climate.there()
        if trouble == "slow":
            left = max(0.0, climate.ends - loop.time())
            there, back = there + min(left, climate.long()), back + min(left, climate.long())
        if self._body.cut > loop.time():
            trouble, there, back = "unsent", TIMEOUT, 0.0
        elif trouble == "late":
            loop.after(there + climate.long(), self._server.apply, self._body, op, key, *more)
        loop.after(there, self._arrive, reply, trouble, back, (op, key, *more))
        return await reply

    def _arrive(self, reply: asyncio.Future[Any], trouble: str | None, back: float, request: tuple[Any, ...]) -> None:
        applied = trouble in (None, "lost", "lied", "slow") or (
            trouble == "broken" and self._climate.chance.random() < 0.5
        )
        answer = self._server.apply(self._body, *request) if applied else None
        match trouble:
            case "lied" if not isinstance(answer, CounterfoilError):
                answer = Conflict("412: for our own write")
            case "refused":
                self._server.refuse(self._body, *request)
                answer = Conflict("409: not now")
            case "unsent" | "lost" | "late" | "busy" | "broken":
                answer = Unavailable(f"no answer: {trouble}")
        self._loop.after(back, self._hand_over, reply, answer)

    def _hand_over(self, reply: asyncio.Future[Any], answer: Any) -> None:
        if reply.done():
            return
        if self._body.cut > self._loop.time():
            answer = Unavailable("cut off: the reply was lost")
        if isinstance(answer, CounterfoilError):
            reply.set_exception(answer)
        else:
            reply.set_result(answer)
