"""Requests gathered into batches, and batches submitted: each in the book and in its documents' records before it goes.

It promises that a batch is sent once: whatever becomes of a submission whose reply did not come, it is looked for (see
`batch_watch`), never sent again. A batch that turns out to have been given up by others is cancelled. Equal documents
share one request.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .batch import MAX_ID, BatchGone, BatchRequest, BatchService, Order
from .batch_book import BatchBook
from .batch_turns import Asked
from .batch_watch import BatchWatch
from .claims import Claim
from .clock import Clock
from .errors import CounterfoilError, InputError, RateLimited, Refused, SetupError, Unavailable
from .model import Request, Unreachable
from .tasks import settled
from .worker import Worker

MOST_REQUESTS = 10_000
MOST_BYTES = 64_000_000
"""Of one batch, where the provider takes more: a batch is held in memory until it is sent, and is collected whole."""
QUIET_SECONDS = 2.0
"""A batch is sent once nothing was added for so long, and no document is on its way to it."""
LONGEST_OPEN = 600.0
SHARED_BATCHES = 8
"""Equal documents share a request where the first of them is in one of so many latest batches: that bounds memory."""
SEND_ATTEMPTS = 8
_INPUT_SHOWN = 32
"""Hex digits of an input's name in a request's id: what is left of `MAX_ID` tells the batch and the round."""
_log = logging.getLogger(__name__)


def new_name() -> str:
    """A name for a batch that no other ever had."""
    return f"cf-{secrets.token_hex(8)}"


@dataclass(slots=True)
class _Open:
    """A batch that is being filled."""

    name: str
    since: float
    last: float
    requests: dict[str, BatchRequest] = field(default_factory=dict[str, BatchRequest])
    claims: dict[Claim, dict[str, Any]] = field(default_factory=dict[Claim, dict[str, Any]])
    bytes: int = 0


class Submitter:
    """Fills and submits the batches of one worker. `busy` says whether documents are on their way to it; `tell` is
    given what each document took, as it is recorded."""

    def __init__(
        self,
        service: BatchService,
        book: BatchBook,
        watch: BatchWatch,
        worker: Worker,
        clock: Clock,
        *,
        busy: Callable[[], bool],
        stop: Callable[[Exception], None],
        tell: Callable[[Claim], None],
    ) -> None:
        self._service, self._book, self._watch, self._worker, self._clock = service, book, watch, worker, clock
        self._busy, self._stop, self._tell = busy, stop, tell
        self._most = min(MOST_REQUESTS, service.limits.requests)
        self._most_bytes = min(MOST_BYTES, service.limits.bytes)
        self._open: _Open | None = None
        self._filling: dict[str, _Open] = {}  # those that no document was handed over to yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[str, dict[tuple[str, int], str]] = {}  # by batch: input and round, to the request's id
        self._closing = asyncio.Event()

    async def ask(self, claim: Claim, request: Request, name: str, asked: Asked) -> None:
        """Puts the request for an input into a batch. From here on the claim is the batch's."""
        if self._shared(claim, name, asked):
            return
        size = len(self._service.encoded(BatchRequest("-" * MAX_ID, request)))
        if size > self._service.limits.bytes:
            raise InputError(f"the document is too long for a batch of {self._service.model}: {size:,} bytes")
        if self._open is None or self._open.bytes + size > self._most_bytes:
            self._begin()
        batch = self._open
        assert batch is not None
        request_id = f"{batch.name}-{name[:_INPUT_SHOWN]}-{asked.round}"
        batch.requests[request_id] = BatchRequest(request_id, request)
        batch.claims[claim] = _facts(batch.name, request_id, asked)
        batch.bytes += size
        batch.last = self._clock.monotonic()
        self._asked[batch.name][name, asked.round] = request_id
        if len(batch.requests) >= self._most:
            self._open = None

    def _shared(self, claim: Claim, name: str, asked: Asked) -> bool:
        """Has an equal document's request answer for this one too, as long as that is on its way."""
        for batch, requests in self._asked.items():
            request_id = requests.get((name, asked.round))
            if request_id is None:
                continue
            facts = _facts(batch, request_id, asked) | {"shared": True}
            if batch in self._filling:
                self._filling[batch].claims[claim] = facts
                return True
            if batch in self._watch.known and self._watch.known[batch].live:
                self._start(self._join(claim, facts))
                return True
        return False

    async def _join(self, claim: Claim, facts: dict[str, Any]) -> None:
        await self._hand_over({claim: facts})
        self._watch.stir()

    def _begin(self) -> None:
        now = self._clock.monotonic()
        self._open = _Open(new_name(), now, now)
        self._filling[self._open.name] = self._open
        self._asked[self._open.name] = {}
        if len(self._asked) > SHARED_BATCHES:
            del self._asked[next(iter(self._asked))]
        self._start(self._fill(self._open))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except CounterfoilError as exc:
            self._stop(exc)

    async def close(self) -> None:
        """Gives back what is not on its way yet, and lets what is being submitted come to an end."""
        self._closing.set()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def abandon(self) -> None:
        """Stops at once: what is being submitted will be looked for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fill(self, batch: _Open) -> None:
        """Waits until a batch is full or nothing more comes, then submits it."""
        while self._open is batch and not self._closing.is_set():
            now = self._clock.monotonic()
            quiet = now - batch.last >= QUIET_SECONDS and not self._busy()
            if quiet or now - batch.since >= LONGEST_OPEN:
                self._open = None
            else:
                await self._pause(QUIET_SECONDS)
        while (wait := self._watch.full_until - self._clock.monotonic()) > 0 and not self._closing.is_set():
            await self._pause(wait)
        if self._closing.is_set():
            await settled(self._worker.deeds.release(batch.claims))
        else:
            await self._submit(batch)

    async def _pause(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.create_task(self._closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _submit(self, batch: _Open) -> None:
        service, name = self._service, batch.name
        facts = {"model": service.model, "account": service.account, "endpoint": service.endpoint}
        self._watch.sending.add(name)
        try:
            begun = await self._book.begin(name, **facts, count=len(batch.requests))
            self._watch.known[name] = begun
            del self._filling[name]
            done = await self._hand_over(batch.claims)
            wanted = {batch.claims[claim]["request"] for claim in done if not batch.claims[claim].get("shared")}
            requests = [request for request_id, request in batch.requests.items() if request_id in wanted]
            if requests:
                with suppress(Refused):  # others gave it up, and its documents are theirs
                    await self._send(Order(name, requests))
            else:
                await self._book.settle(name, "lost", "other workers took its documents over")
        finally:
            self._watch.sending.discard(name)
            self._watch.stir()

    async def _hand_over(self, claims: dict[Claim, dict[str, Any]]) -> set[Claim]:
        done = await settled(self._worker.deeds.hand_over(claims))
        for claim in done:
            self._tell(claim)
        return done

    async def _send(self, order: Order) -> None:
        """Submits, again only where surely nothing was submitted. Where that is open, it is for the watch to find."""
        problem: CounterfoilError | None = None
        for attempt in range(SEND_ATTEMPTS):
            try:
                # The last word before it goes out: whoever took us for dead may have given the batch up.
                await self._book.send(order.name, len(order.requests))
                await self._sent(order)
            except (Unreachable, RateLimited) as exc:
                problem = exc
                wait = exc.retry_after if isinstance(exc, RateLimited) else None
                await self._pause(wait or self._clock.random() * min(60.0, 2.0**attempt))
            except Unavailable as exc:
                _log.warning("it is not known whether a batch was submitted (%s); looking for it", exc)
                return
            except (SetupError, BatchGone) as exc:
                problem = exc
                break
            else:
                return
            if self._closing.is_set():
                break
        await self._book.settle(order.name, "lost", str(problem))
        if not self._closing.is_set():
            raise SetupError(f"no batch could be submitted: {problem}; its documents stay pending") from problem

    async def _sent(self, order: Order) -> None:
        at_provider = await self._service.submit(order)
        try:
            await self._book.submitted(order.name, at_provider)
        except Refused:  # we were away for so long that others gave it up: nobody waits for it
            await self._service.cancel(at_provider)


def _facts(name: str, request_id: str, asked: Asked) -> dict[str, Any]:
    return {
        "name": name,
        "request": request_id,
        "round": asked.round,
        "misfits": asked.misfits,
        "failures": asked.failures,
    }
