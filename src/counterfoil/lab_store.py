"""Where a lab works: a place of its own in a folder or bucket, and a store that is as far away as S3, and is watched.

A lab writes only under `counterfoil-lab-<random>/` of the place it was given, and leaves nothing of it behind, however
it ends (a `kill -9` excepted).
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .clock import Clock
from .errors import Conflict, SetupError
from .locations import local_path, open_store
from .store import Entry, Object, Store, retried

T = TypeVar("T")
Log = Callable[[str, float, float], None]
"""Told of every request: its kind (read, write, refused), when it began and when it ended."""

S3_DELAYS = "30/60"
# How late (s) a write may land whose request was given up.
_LATE = 0.5


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds that are added to a GET and to a PUT."""

    get: float
    put: float

    @property
    def words(self) -> str:
        if not (self.get or self.put):
            return "with its own latency"
        return f"with {self.get * 1000:g} ms added to a GET and {self.put * 1000:g} ms to a PUT"


class DistantStore:
    """`inner` as if it were further away: half of the delay before a request takes effect, half on the way back."""

    def __init__(self, inner: Store, delays: Delays, log: Log) -> None:
        self._inner, self._delays, self._log = inner, delays, log
        self.url, self.commit_gap = inner.url, inner.commit_gap

    async def _far(self, kind: str, delay: float, request: Callable[[], Awaitable[T]]) -> T:
        start = time.monotonic()
        try:
            await asyncio.sleep(delay / 2)
            try:
                return await request()
            finally:
                await asyncio.sleep(delay / 2)
        except Conflict:
            kind = "refused"
            raise
        finally:
            self._log(kind, start, time.monotonic())

    async def get(self, key: str) -> Object | None:
        return await self._far("read", self._delays.get, lambda: self._inner.get(key))

    async def look(self, key: str) -> Entry | None:
        return await self._far("read", self._delays.get, lambda: self._inner.look(key))

    async def put_new(self, key: str, body: bytes) -> str:
        return await self._far("write", self._delays.put, lambda: self._inner.put_new(key, body))

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        return await self._far("write", self._delays.put, lambda: self._inner.put_if(key, body, tag))

    async def put(self, key: str, body: bytes) -> None:
        await self._far("write", self._delays.put, lambda: self._inner.put(key, body))

    async def delete(self, key: str) -> None:
        await self._inner.delete(key)

    def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        return self._inner.list(prefix)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lab may write: `location` opens it in any process. `words` say where and how far away it is."""

    location: str
    delays: Delays
    words: str

    def store(self) -> Store:
        return open_store(self.location)

    def distant(self, log: Log) -> DistantStore:
        return DistantStore(self.store(), self.delays, log)


def pair(text: str, option: str, example: str) -> tuple[str, str]:
    """The two numbers of `30/60`, as they were written."""
    first, slash, second = text.partition("/")
    try:
        sound = bool(slash) and all(0 <= float(part) < 1e6 for part in (first, second))
    except ValueError:
        sound = False
    if not sound:
        raise SetupError(f"{option} {text}: write two numbers with a slash between them, like {example}")
    return first, second


def delays_of(text: str) -> Delays:
    """The delays of `GET/PUT` in milliseconds."""
    get, put = pair(text, "--s3", S3_DELAYS)
    return Delays(float(get) / 1000, float(put) / 1000)


@asynccontextmanager
async def place(location: str | None, s3: str | None) -> AsyncGenerator[Place]:
    """A place below `location` (a temporary folder, with the delays of S3, if None) that is gone afterwards.

    Raises `SetupError` if there is no such folder, bucket or right to write there.
    """
    delays = delays_of(s3 or ("0/0" if location else S3_DELAYS))
    if location is None:
        async with _own_folder(None, "the folder for temporary files") as folder:
            yield Place(folder, delays, f"a temporary folder, {delays.words}")
        return
    path = local_path(location)
    words = f"{location}, {delays.words}"
    if path is not None:
        async with _own_folder(path, location) as folder:
            yield Place(folder, delays, words)
        return
    if location.startswith("memory:"):
        raise SetupError(f"{location}: two processes can't share it; use a folder, s3://, gs:// or az://")
    own = f"{location.rstrip('/')}/counterfoil-lab-{secrets.token_hex(4)}"
    try:
        yield Place(own, delays, words)
    finally:
        await _empty(open_store(own))


@asynccontextmanager
async def _own_folder(path: Path | None, location: str) -> AsyncGenerator[str]:
    """A new folder below `path`, gone afterwards: only once no thread is left that could still write there."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="counterfoil-lab-", dir=path)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise SetupError(f"{location}: there is no such folder") from exc
    except OSError as exc:
        raise SetupError(f"{location}: can't write there: {exc.strerror}") from exc
    with folder:
        try:
            yield folder.name
        finally:
            await asyncio.get_running_loop().shutdown_default_executor()


async def _empty(store: Store) -> None:
    """Deletes every object of the lab's own prefix, twice: a write that was given up may still land."""
    await _delete_all(store)
    await asyncio.sleep(_LATE)
    await _delete_all(store)


async def _delete_all(store: Store) -> None:
    clock = Clock()

    async def keys() -> list[str]:
        return [entry.key async for entry in store.list()]

    for key in await retried(clock, keys, patience=10.0):
        await retried(clock, lambda key=key: store.delete(key), patience=10.0)
