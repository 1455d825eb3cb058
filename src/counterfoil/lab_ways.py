"""The ways in which a task can record its update in a file that other tasks update too. Some lose updates: that is
what they are here for. Nothing outside of a lab uses them.

All of them meet the same file: the register of `commit`, `{version, commits, pruned, records}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from .clock import Clock
from .commit import Record, Register, parse
from .errors import Conflict, ManifestCorrupt, Unavailable
from .jsonfile import decode, encode
from .lab_store import DistantStore, Place
from .lab_trace import Lane
from .manifest import new_writer
from .store import Store, retried

KEY = "manifest.json"


class Desk:
    """What the tasks of one process share: the place, a lock, a thread, and a writer that commits for all of them."""

    def __init__(self, place: Place, group: str) -> None:
        self.inner, self.delays = place.store(), place.delays
        self.clock = Clock()
        self.lock = asyncio.Lock()
        self.thread = ThreadPoolExecutor(1, "lab")
        self.owner = asyncio.current_task()
        self.writer = Lane("the writer that all tasks share", group, shared=True)
        self.register = Register(self.store_of(self.writer), KEY, new_writer())

    def store_of(self, lane: Lane) -> DistantStore:
        """The store, with every request drawn in this lane."""
        return DistantStore(self.inner, self.delays, lane.add)


@asynccontextmanager
async def desk_at(place: Place, group: str) -> AsyncGenerator[Desk]:
    desk = Desk(place, group)
    try:
        yield desk
    finally:
        await desk.register.close()
        desk.thread.shutdown(wait=False, cancel_futures=True)


def finished(number: int) -> Record:
    """About what the record of an invoice says, without its history: some 200 bytes of JSON."""
    summary = {"invoice_number": f"2024-{number:06}", "issue_date": "2024-03-01", "seller_name": "Example Paper GmbH"}
    return {"status": "done", "summary": summary | {"currency": "EUR", "gross_total": "119.00"}}


def record_id(number: int) -> str:
    return f"invoice-{number:06}"


async def read_modify_write(store: Store, clock: Clock, number: int) -> None:
    """The natural way. Whoever writes between its read and its write is overwritten."""
    body, _ = await _read(store, clock, number)
    if body is not None:
        await retried(clock, lambda: store.put(KEY, body))


async def _read(store: Store, clock: Clock, number: int) -> tuple[bytes | None, str]:
    """The file as it is with this task's record in it, and the tag of what it was made from; None if nothing is new.

    A write whose reply was lost may have landed: then the record is there already, and there is nothing to write.
    """
    found = await retried(clock, lambda: store.get(KEY))
    if found is None:
        raise ManifestCorrupt(f"{store.url}/{KEY} was deleted while the lab was using it")
    content = decode(found.body, f"{store.url}/{KEY}")
    if content["records"].get(record_id(number)) == finished(number):
        return None, found.tag
    content["records"][record_id(number)] = finished(number)
    return encode(content), found.tag


async def unguarded(desk: Desk, lane: Lane, number: int) -> None:
    await read_modify_write(desk.store_of(lane), desk.clock, number)


async def blocking(desk: Desk, lane: Lane, number: int) -> None:
    """A synchronous client inside of a coroutine: while it waits for the store, nothing else in the process runs."""
    if desk.owner is not None and desk.owner.cancelling():  # Ctrl-C: every task is awake, and would take its turn
        raise asyncio.CancelledError
    work = read_modify_write(desk.store_of(lane), desk.clock, number)
    desk.thread.submit(asyncio.run, work).result()  # the loop stands still here


async def locked(desk: Desk, lane: Lane, number: int) -> None:
    async with desk.lock:
        await read_modify_write(desk.store_of(lane), desk.clock, number)


async def swapped(desk: Desk, lane: Lane, number: int) -> None:
    """Compare-and-swap for one update; when another writer was faster, again from what is there now."""
    store, attempt = desk.store_of(lane), 0
    while True:
        body, tag = await _read(store, desk.clock, number)
        if body is None:
            return
        try:
            await store.put_if(KEY, body, tag)
        except (Conflict, Unavailable):
            attempt += 1
            await desk.clock.back_off(attempt, base=0.01, cap=0.25)
        else:
            return


async def grouped(desk: Desk, _lane: Lane, number: int) -> None:
    """Counterfoil's own register: one write in flight, and what comes meanwhile goes out together as the next."""
    await desk.register.update(record_id(number), lambda _: finished(number))


WAYS: Mapping[str, Callable[[Desk, Lane, int], Awaitable[None]]] = {
    "unguarded": unguarded,
    "blocking": blocking,
    "lock": locked,
    "swap": swapped,
    "group": grouped,
}


async def prepare(store: Store, numbers: Sequence[int]) -> None:
    """The file before anybody has finished."""
    records = {record_id(number): {"status": "running"} for number in numbers}
    content = {"version": 1, "commits": {}, "pruned": 0, "records": records}
    await retried(Clock(), lambda: store.put(KEY, encode(content)))


async def recorded(store: Store, numbers: Sequence[int]) -> set[int]:
    """The tasks whose update is in the file."""
    found = await retried(Clock(), lambda: store.get(KEY))
    if found is None:
        return set()
    records = parse(found.body, found.tag, f"{store.url}/{KEY}").records
    return {number for number in numbers if records.get(record_id(number)) == finished(number)}
