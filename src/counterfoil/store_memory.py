"""A store in memory, for tests and trials. It keeps every promise of `Store`; it never outlives its process."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .errors import Conflict
from .store import Entry, Object


class MemoryStore:
    """Objects in a dict; every write gives a tag never seen before."""

    def __init__(self, url: str = "memory://") -> None:
        self.url = url
        self.commit_gap = 0.0
        self._objects: dict[str, Object] = {}
        self._writes = 0

    def _write(self, key: str, body: bytes) -> str:
        self._writes += 1
        self._objects[key] = Object(body, f"m{self._writes}")
        return self._objects[key].tag

    async def get(self, key: str) -> Object | None:
        return self._objects.get(key)

    async def look(self, key: str) -> Entry | None:
        found = self._objects.get(key)
        return None if found is None else Entry(key, len(found.body), found.tag)

    async def put_new(self, key: str, body: bytes) -> str:
        if key in self._objects:
            raise Conflict(f"{key} exists")
        return self._write(key, body)

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        known = self._objects.get(key)
        if known is None or known.tag != tag:
            raise Conflict(f"{key} has another tag")
        return self._write(key, body)

    async def put(self, key: str, body: bytes) -> None:
        self._write(key, body)

    async def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        start = prefix.rstrip("/") + "/" if prefix else ""
        for key, found in sorted(self._objects.items()):
            if key.startswith(start):
                yield Entry(key, len(found.body), found.tag)
