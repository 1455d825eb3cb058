"""Documents as they arrive: found by listing the source again and again, or told of by a queue, and planned at once.

It promises that a message leaves the queue only after the plan of its documents is durable, so that one that comes
twice or after a crash does no harm; that a listing finds whatever no message told of; and that a file in a folder is
taken only once it has stopped changing. It never claims or reads a document: the run does, which goes on beside it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b

from .errors import Unavailable
from .manifest import Manifest
from .queue_sqs import TAKERS, Message, Queue
from .s3_events import Created, Unreadable, created_in
from .source import Source, plan_entries
from .store import Entry, retried
from .store_folder import FolderStore
from .worker import Worker

_PLANNED_AT_ONCE = 10_000
MOST_RECEIVED = 5
"""How often a message that can't be read is received before it is taken off the queue, unless the queue moves it to its
dead letters before."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watching:
    """Seconds between two listings; the queue that tells of arrivals, None without one; and after how many seconds
    without anything new it is over, None for never."""

    every: float
    queue: Queue | None = None
    idle: float | None = None


class Arrivals:
    """The arrivals of one source; `say` tells a person what should be known once."""

    def __init__(
        self, source: Source, manifest: Manifest, worker: Worker, watching: Watching, say: Callable[[str], None]
    ) -> None:
        self._source, self._manifest, self._worker, self._say = source, manifest, worker, say
        self._clock, self._watching = manifest.clock, watching
        self._settles = isinstance(source.store, FolderStore)  # a bucket shows whole objects only
        self._planned, self._seen = set[bytes](), set[bytes]()
        self._foreign = set[str]()
        self._busy = self._news = 0
        self._patience: asyncio.Timeout | None = None

    async def plan(self) -> None:
        """Plans what arrives, for ever, or until nothing new has come for as long as it may and a last listing shows
        nothing that no message told of."""
        while True:
            await self._until_idle()
            before = self._news
            await retried(self._clock, self._look)
            if self._news == before:
                return

    async def _until_idle(self) -> None:
        self._patience = asyncio.timeout(None)
        try:
            async with self._patience:
                self._restart_patience()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._list_again_and_again(), name="arrivals")
                    if self._watching.queue is not None:
                        for _ in range(TAKERS):
                            tasks.create_task(self._take_on(self._watching.queue), name="queue")
        except TimeoutError:
            if not self._patience.expired():
                raise
        finally:
            self._patience = None

    def _restart_patience(self) -> None:
        if self._watching.idle is not None and self._patience is not None and not self._patience.expired():
            now = asyncio.get_running_loop().time()
            self._patience.reschedule(None if self._busy else now + self._watching.idle)

    def _something_new(self) -> None:
        self._news += 1
        self._restart_patience()

    @contextmanager
    def _while_planning(self) -> Generator[None]:
        """Nobody's patience ends meanwhile, and afterwards it begins anew."""
        self._busy += 1
        self._something_new()
        try:
            yield
        finally:
            self._busy -= 1
            self._restart_patience()

    # --- by listing

    async def _list_again_and_again(self) -> None:
        while True:
            await retried(self._clock, self._look)
            await self._clock.sleep(self._watching.every)

    async def _look(self) -> None:
        """One listing. What it shows for the first time is planned; in a folder, for the second time the same."""
        seen, fresh = set[bytes](), list[Entry]()
        async for entry in self._source.documents():
            name = _name(entry)
            seen.add(name)
            if name in self._planned:
                continue
            if self._settles and name not in self._seen:
                self._something_new()
                continue
            fresh.append(entry)
            if len(fresh) >= _PLANNED_AT_ONCE:
                await self._plan(fresh)
                fresh = []
        await self._plan(fresh)
        self._seen = seen if self._settles else self._seen
        self._planned &= seen

    async def _plan(self, entries: Sequence[Entry]) -> set[str]:
        """Plans documents, durably, and returns those that are being worked on as they were before they changed: they
        have to be planned again."""
        if not entries:
            return set()
        with self._while_planning():
            left = await plan_entries(entries, self._manifest, self._worker)
        self._planned.update(_name(entry) for entry in entries if entry.key not in left)
        return left

    # --- by messages

    async def _take_on(self, queue: Queue) -> None:
        attempt = 0
        while True:
            try:
                messages = await queue.receive()
                attempt = 0
            except Unavailable as exc:  # listings go on meanwhile
                _log.warning("still waiting: %s", exc)
                await self._clock.back_off(attempt, base=1.0, cap=60.0)
                attempt += 1
                continue
            done = await self._take(messages)
            with suppress(Unavailable):  # then they come again, and nothing is new in them
                await queue.delete(done)

    async def _take(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Plans what messages tell of, and returns those that are done with."""
        told = {message: self._keys_in(message) for message in messages}
        keys = list({key: None for named in told.values() for key in named or ()})
        async with asyncio.TaskGroup() as tasks:
            looks = [tasks.create_task(self._source.find(key)) for key in keys]
        entries = [entry for look in looks if (entry := look.result())]
        left = await self._plan([entry for entry in entries if _name(entry) not in self._planned])
        return [message for message, named in told.items() if named is not None and not left & set(named)]

    def _keys_in(self, message: Message) -> list[str] | None:
        """The documents of the source that a message tells of; None if it is left to come again."""
        try:
            created = created_in(message.body)
        except Unreadable as exc:
            if message.received < MOST_RECEIVED:
                return None
            self._say(f"a message was taken off the queue, unread: {exc} ({message.id}: {message.body[:200]})")
            return []
        return [key for one in created if (key := self._key_of(one)) is not None]

    def _key_of(self, created: Created) -> str | None:
        """The document that an object is, None if it is none of this source."""
        bucket, _, within = self._source.url.partition("://")[2].partition("/")
        prefix = f"{within}/" if within else ""
        if created.bucket != bucket or not created.key.startswith(prefix):
            self._pass_over(created, created.bucket if created.bucket != bucket else f"{bucket}, outside of {prefix}")
            return None
        key = created.key.removeprefix(prefix)
        if key.endswith("/"):
            return None  # what consoles make for a folder
        if any(part in ("", ".", "..") for part in key.split("/")) or not key.isprintable():
            self._say(f"{key!r} is passed over: no object can be read by such a key; rename it")
            return None
        return key

    def _pass_over(self, created: Created, where: str) -> None:
        if where not in self._foreign:
            self._say(f"messages of the bucket {where} are passed over: {created.key} is not in {self._source.url}")
            self._foreign.add(where)


def _name(entry: Entry) -> bytes:
    """A document as it is now: sixteen bytes, for a million of them are kept."""
    return blake2b(f"{entry.key}\0{entry.mark}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
