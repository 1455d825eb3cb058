"""Objects by key, with the conditional writes that the manifest stands on.

A `Store` promises: `put_new` and `put_if` are atomic and refuse with `Conflict` when their condition does not hold;
`get` after an acknowledged write sees it; a failure of any other kind is `Unavailable`, and the write it belonged to
may or may not have been applied. `probe` proves the refusals before anything is trusted to a store. A store never
retries by itself: who writes knows what a lost reply means, the store does not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .clock import Clock
from .errors import Conflict, SetupError, Unavailable

T = TypeVar("T")
_SILENCE = 5.0  # seconds without an answer after which people are told what is waited for
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Object:
    """A body and its tag: an opaque text that `put_if` compares."""

    body: bytes
    tag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a listing. `mark` differs whenever the object was rewritten; compare it only with other marks."""

    key: str
    size: int
    mark: str


class Store(Protocol):
    """Keys are relative to `url`, `/` between their parts."""

    @property
    def url(self) -> str: ...

    @property
    def commit_gap(self) -> float:
        """Least seconds between two conditional writes of one key that the service allows."""
        ...

    async def get(self, key: str) -> Object | None:
        """The object, or None where there is none."""
        ...

    async def look(self, key: str) -> Entry | None:
        """The object as a listing shows it, without its body; None where there is none."""
        ...

    async def put_new(self, key: str, body: bytes) -> str:
        """Creates the object and returns its tag; `Conflict` if the key exists."""
        ...

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        """Replaces the object and returns its new tag; `Conflict` if its tag is no longer `tag`."""
        ...

    async def put(self, key: str, body: bytes) -> None:
        """Writes whatever was there before."""
        ...

    async def delete(self, key: str) -> None:
        """Removes the object; a missing one is no error."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        """Every object under `prefix` (a folder name, or all), in no promised order."""
        ...


async def retried(clock: Clock, operation: Callable[[], Awaitable[T]], *, patience: float = 60.0) -> T:
    """Repeats an operation that may safely be repeated until it answers, or has failed for `patience` seconds."""
    failing_since, attempt = None, 0
    while True:
        try:
            return await operation()
        except Unavailable as exc:
            now = clock.monotonic()
            failing_since = now if failing_since is None else failing_since
            if now - failing_since > patience:
                raise
            if now - failing_since > _SILENCE:
                _log.warning("still waiting: %s", exc)
            await clock.back_off(attempt)
            attempt += 1


async def probe(store: Store, key: str, body: bytes, clock: Clock) -> None:
    """Proves on the existing object `key`, whose body is `body`, that this store refuses what it must refuse.

    Both writes offer the very bytes that are there, so even a store that wrongly takes them is left as it was.
    """
    stale = '"0123456789abcdef0123456789abcdef"|1'

    async def refuses(promise: str, write: Callable[[], Awaitable[object]]) -> None:
        try:
            await retried(clock, write)
        except Conflict:
            return
        raise SetupError(
            f"{store.url} ignores the condition of {promise}, so updates would be lost there; "
            "use a store that keeps it (Amazon S3, Google Cloud Storage, Azure Blob Storage, R2, a local folder)"
        )

    await asyncio.gather(
        refuses("create-only writes (If-None-Match: *)", lambda: store.put_new(key, body)),
        refuses("compare-and-swap writes (If-Match)", lambda: store.put_if(key, body, stale)),
    )
