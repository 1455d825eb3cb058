"""The batches of an OUT as one worker sees them: which still run, which have ended, and which can't be its own.

It promises that a batch whose submission was cut off is looked for at the provider until it is found, or has been
missing from the listings for `MISSING_SECONDS`; only then do its documents go free. It never submits, and never waits
for more than one answer of a provider at a time for one batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from .batch import BatchGone, BatchService, Sought
from .batch_book import Batch, BatchBook, BatchEnd
from .clock import Clock
from .errors import CounterfoilError, SetupError, Unavailable
from .worker import Worker

FIRST_LOOK, LAST_LOOK = 5.0, 60.0
"""Seconds between two looks at what runs: short after news, longer from look to look."""
MISSING_SECONDS = 600.0
"""How long a batch must be missing from the provider's listings, which may be late, until it is believed."""
QUEUE_FULL_SECONDS = 300.0
_LOOKS_AT_ONCE = 8
_log = logging.getLogger(__name__)


class BatchWatch:
    """Looks after the batches of an OUT. `service` is the account and model that this worker can ask about, if any;
    `stop` ends the run where only a person can help."""

    def __init__(
        self,
        book: BatchBook,
        service: BatchService | None,
        worker: Worker,
        clock: Clock,
        stop: Callable[[Exception], None],
    ) -> None:
        self._book, self._service, self._worker, self._clock, self._stop = book, service, worker, clock, stop
        self._news = asyncio.Event()
        self._missing: dict[str, float] = {}
        self._cancelling: dict[str, bool] = {}  # as it was when this run saw a batch first: then it is no news
        self._at_once = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self.known: dict[str, Batch] = {}
        self.sending: set[str] = set()
        """Those that this worker is submitting at the moment; nobody need look for them."""
        self.full_until = 0.0
        """Until when the provider is not asked to take more, by the monotonic clock."""

    def mine(self, batch: Batch) -> bool:
        """Whether this worker's account and model are those of a batch."""
        service = self._service
        return service is not None and (batch.account, batch.model) == (service.account, service.model)

    @property
    def running(self) -> list[Batch]:
        """Those of this worker's account that the provider is working on, or may be."""
        return [batch for batch in self.known.values() if batch.live and self.mine(batch)]

    @property
    def foreign(self) -> list[Batch]:
        """Those that only another account, or a run with another model, can collect."""
        return [b for b in self.known.values() if b.state not in ("lost", "gone") and not self.mine(b)]

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Knows the batches from the beginning, and watches them meanwhile."""
        await self.refresh()
        watching = asyncio.create_task(self._watch(), name="batches")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    def stir(self) -> None:
        """There is news: look again soon."""
        self._news.set()

    async def refresh(self) -> None:
        """Reads which batches there are, and lets the documents of those go that have come to an end."""
        self.known = await self._book.read()
        for name, batch in self.known.items():
            self._cancelling.setdefault(name, batch.cancelling)
        free = {name for name, batch in self.known.items() if batch.state in ("lost", "gone")}
        awake = free | {name for name, batch in self.known.items() if not batch.live and self.mine(batch)}
        if frozenset(awake) != self._worker.awake:
            self._worker.awake = frozenset(awake)
            self._worker.news.set()

    async def _watch(self) -> None:
        wait = FIRST_LOOK
        while True:
            try:
                wait = FIRST_LOOK if await self.look() or self._news.is_set() else min(LAST_LOOK, wait * 1.5)
            except Unavailable as exc:
                _log.warning("can't look after the batches at the moment: %s", exc)
            except CounterfoilError as exc:
                return self._stop(exc)
            self._news.clear()
            await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.create_task(self._news.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def look(self) -> bool:
        """Asks the provider about each that runs; whether any of them has changed."""
        await self.refresh()
        changed = any(await asyncio.gather(*(self._look_at(batch) for batch in self.running)))
        if changed:
            await self.refresh()
        return changed

    async def _look_at(self, batch: Batch) -> bool:
        async with self._at_once:
            return await (self._search(batch) if batch.id is None else self._ask(batch, batch.id))

    async def _ask(self, batch: Batch, at_provider: str) -> bool:
        assert self._service is not None
        try:
            view = await self._service.look(at_provider)
        except BatchGone as exc:
            return await self._settle(batch, "gone", str(exc))
        if not view.ended:
            return False
        if view.problem is None:
            cancelled = batch.cancelling or view.said == "cancelled"
            if cancelled and not self._cancelling[batch.name]:
                again = "run it again to collect what was answered, and to ask for the rest anew"
                self._stop(SetupError(f"the batch {batch.name} was cancelled; {again}"))
            return await self._settle(batch, "cancelled" if cancelled else "ended", view.said)
        if isinstance(view.problem, SetupError):
            self._stop(view.problem)
        else:
            _log.warning("%s; the documents of this batch are asked for again later", view.problem)
            self.full_until = self._clock.monotonic() + QUEUE_FULL_SECONDS
        return await self._settle(batch, "lost", str(view.problem))

    async def _settle(self, batch: Batch, end: BatchEnd, said: str) -> bool:
        self._missing.pop(batch.name, None)
        await self._book.settle(batch.name, end, said)
        return True

    async def _search(self, batch: Batch) -> bool:
        """Looks for a batch whose submitter does not know, or can no longer say, whether it was submitted."""
        assert self._service is not None
        if batch.name in self.sending or not await self._left_alone(batch):
            return False
        others = [other.id for other in self.known.values() if other.id]
        found = await self._service.find(Sought(batch.name, batch.count, batch.since, others))
        if found.id is not None:
            await self._book.submitted(batch.name, found.id)
            return True
        now = self._clock.monotonic()
        since = self._missing.setdefault(batch.name, now)
        if found.open:  # one of those that still run may be it
            del self._missing[batch.name]
        elif now - since >= MISSING_SECONDS:
            return await self._settle(batch, "lost", "it was never submitted")
        return False

    async def _left_alone(self, batch: Batch) -> bool:
        return batch.by == self._worker.name or bool(await self._worker.dead({batch.by}))
