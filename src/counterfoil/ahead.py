"""Documents that are read before they are claimed: while the manifest takes the plan, and while the model thinks.

It promises that a bounded number of texts is kept and no document's bytes, that a document which changed in the source
meanwhile is read again, and that nothing is claimed: whoever else comes first has it, and only some CPU was spent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

from .extract import Examined

_AT_ONCE = 16
"""Documents that are read ahead at a time: what is claimed meanwhile waits for no more."""
_LOW = 0.75
"""The part of the room that is filled again once no more is in use."""
_KEPT_BYTES = 64_000_000
"""Of texts and images that wait for a claim."""


@dataclass(frozen=True, slots=True, eq=False)
class Early:
    """A document on its way to be read: as of which `mark` of the source, the SHA-256 of its bytes, and the rest."""

    mark: str
    digest: asyncio.Future[bytes]
    examined: asyncio.Task[Examined]


class Ahead:
    """At most `most` documents of one run; `fetch` (by id and record) and `examine` are those of claimed documents.
    `ready` is called when the last of those that are read at a time is done."""

    def __init__(
        self,
        fetch: Callable[[str, Mapping[str, Any]], Awaitable[bytes]],
        examine: Callable[[str, bytes], Awaitable[Examined]],
        most: int,
        ready: Callable[[], None],
    ) -> None:
        self._fetch, self._examine, self._most, self._ready = fetch, examine, most, ready
        self._early: dict[str, Early] = {}
        self._coming: dict[str, Mapping[str, Any]] = {}
        self._bytes: dict[str, int] = {}
        self._kept = 0
        self._reading: set[asyncio.Task[Examined]] = set()

    def __len__(self) -> int:
        return len(self._early)

    def begin(self, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Has documents (id, record) read in the background."""
        for document, record in documents:
            digest: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._read(document, record, digest), name=f"ahead {document}")
            self._early[document] = Early(record["mark"], digest, task)
            self._reading.add(task)
            task.add_done_callback(partial(self._read_to_its_end, document))

    async def _read(self, document: str, record: Mapping[str, Any], digest: asyncio.Future[bytes]) -> Examined:
        try:
            body = await self._fetch(document, record)
        except BaseException as exc:
            digest.set_exception(exc)
            digest.exception()  # nobody may come to ask
            raise
        digest.set_result(sha256(body).digest())
        return await self._examine(document, body)

    def _read_to_its_end(self, document: str, task: asyncio.Task[Examined]) -> None:
        self._reading.discard(task)
        if not task.cancelled() and not task.exception() and document in self._early:  # else nobody may come to ask
            self._bytes[document] = _size(task.result())
            self._kept += self._bytes[document]
        if not self._reading:
            self._ready()

    def take(self, document: str, mark: str) -> Early | None:
        """What was read, or is being read, of a document as of this mark; whoever takes it has it alone."""
        early = self._let_go(document)
        self._coming.pop(document, None)
        return early if early and early.mark == mark and not early.examined.cancelled() else None

    def go_on(self, upcoming: Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]) -> None:
        """Reads on, of documents (id, record) that nobody has claimed, where there is room; the others are let go."""
        if self._reading or self._kept >= _KEPT_BYTES or len(self._early) > self._most - _AT_ONCE:
            return
        if not self._coming and len(self._early) <= _LOW * self._most:  # a look at them all is not for a few
            free = dict(islice(upcoming(), self._most))
            for document in [document for document in self._early if document not in free]:
                self._let_go(document)
            self._coming = {document: record for document, record in free.items() if document not in self._early}
        fresh = list(islice(self._coming, _AT_ONCE))
        self.begin((document, self._coming.pop(document)) for document in fresh)

    def _let_go(self, document: str) -> Early | None:
        self._kept -= self._bytes.pop(document, 0)
        return self._early.pop(document, None)

    async def close(self) -> None:
        """Gives up whatever is still being read."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)


def _size(examined: Examined) -> int:
    """What it takes in memory."""
    return len(examined.reading.text) + sum(len(image.data) for image in examined.reading.images)
