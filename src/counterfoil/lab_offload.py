"""`counterfoil lab offload`: a big PDF read on the event loop, in threads, and in processes, and how the loop fares.

The reading is Counterfoil's own, and so are the processes (`offload`). The loop's lag is how late a timer that was due
at any moment came to run: one is due every few milliseconds, and those that a busy loop passes over count with the time
that they would have waited. Only the reading is timed: the processes have been started before.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .clock import Clock
from .document import Limits
from .errors import InputError
from .lab_pdf import long_invoice
from .lab_store import Place, place
from .lab_trace import Column, Lane, Measured, Picture
from .offload import Offload
from .reader import read_document
from .store import retried

Read = Callable[[bytes], Awaitable[tuple[float, float]]]
"""Reads a PDF, somewhere; returns when that began and when it ended."""
_KEY = "big.pdf"
_EVERY = 0.005
# A lag from which the loop is drawn as stuck.
_STUCK = 0.02
_LIMITS = Limits(seconds=300.0)


@dataclass(frozen=True, slots=True)
class OffloadSetting:
    """`documents`: how many times the PDF of `pages` pages is read. `s3`: GET/PUT delay in ms."""

    store: str | None = None
    documents: int = 8
    pages: int = 40
    s3: str | None = None


@asynccontextmanager
async def on_the_loop() -> AsyncGenerator[Read]:
    async def read(data: bytes) -> tuple[float, float]:
        return _read(data)

    yield read


@asynccontextmanager
async def in_threads() -> AsyncGenerator[Read]:
    """The default pool of `run_in_executor`. pdfium is not thread-safe, so the threads must take turns in it."""
    turn, given_up, loop = threading.Lock(), threading.Event(), asyncio.get_running_loop()

    def read_in_turn(data: bytes) -> tuple[float, float]:
        with turn:
            return (0.0, 0.0) if given_up.is_set() else _read(data)

    async def read(data: bytes) -> tuple[float, float]:
        return await loop.run_in_executor(None, read_in_turn, data)

    try:
        yield read
    finally:
        given_up.set()  # threads can't be stopped, only told


@asynccontextmanager
async def in_processes() -> AsyncGenerator[Read]:
    async with Offload(limits=_LIMITS, preload=("counterfoil.reader",)) as offload:

        async def read(data: bytes) -> tuple[float, float]:
            return await offload.run(_read, data)

        await asyncio.gather(*(read(long_invoice(1)) for _ in range(4)))  # every worker has started
        yield read


def _read(data: bytes) -> tuple[float, float]:
    start = time.monotonic()
    read_document(data, _LIMITS, rules="never")
    return start, time.monotonic()


_WAYS = (
    ("loop", "on the loop", on_the_loop, "While a document is parsed, nothing else moves. "
     "The replies of the store (blue) have been here for long; nobody can take them."),
    ("threads", "in threads (run_in_executor)", in_threads,
     "The loop and the readers take turns at the interpreter's lock; only one thread may be in pdfium at a time."),
    ("processes", "in processes (Counterfoil's Offload)", in_processes,
     "The loop is free, every core reads, and a document that hangs or crashes costs only itself."),
)  # fmt: skip
_COLUMNS = (
    Column("way", "where it is read"),
    Column("wall_s", "wall", "{:.2f} s"),
    Column("documents_per_s", "documents a second", "{:.2f}"),
    Column("lag_p50_ms", "loop lag p50", "{:.1f} ms"),
    Column("lag_p99_ms", "p99", "{:.1f} ms"),
    Column("lag_max_ms", "max", "{:.1f} ms"),
)


async def offload(setting: OffloadSetting) -> Measured:
    """Every way in turn, on the same PDF."""
    data = long_invoice(setting.pages)
    rows: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    async with place(setting.store, setting.s3) as where:
        store = where.store()
        await retried(Clock(), lambda: store.put(_KEY, data))
        for name, title, way, caption in _WAYS:
            async with way() as read:
                picture, lags = await _measured(where, setting.documents, read, Picture(name, title, caption, 0, ()))
            pictures.append(picture)
            rows.append(_row(picture, lags, setting.documents))
    conditions = (
        f"A PDF of {setting.pages} pages ({len(data) / 1e6:.1f} MB), read {setting.documents} times, from "
        f"{where.words}. The loop's lag is of a timer due every {_EVERY * 1000:g} ms."
    )
    return Measured("offload", "Work beside the loop", conditions, _COLUMNS, rows, pictures)


async def _measured(where: Place, documents: int, read: Read, plan: Picture) -> tuple[Picture, list[float]]:
    lanes = [Lane(f"document {number + 1}", "documents") for number in range(documents)]
    loop_lane, lags = Lane("the loop", "loop", shared=True), list[float]()

    async def one(lane: Lane) -> None:
        store = where.distant(lane.add)
        found = await retried(Clock(), lambda: store.get(_KEY))
        if found is None:
            raise InputError(f"{store.url}/{_KEY} was deleted while the lab was using it")
        with lane.during("wait"):
            start, end = await read(found.body)
        lane.add("parse", start, end)

    began = time.monotonic()
    ticking = asyncio.create_task(_tick(lags, loop_lane))
    try:
        await asyncio.gather(*map(one, lanes))
        await asyncio.sleep(_EVERY)  # the timer sees what came last
    finally:
        ticking.cancel()
    return Picture(plan.name, plan.title, plan.caption, began, [*lanes, loop_lane]), lags


async def _tick(lags: list[float], lane: Lane) -> None:
    """Adds the lag of every timer that was due, also of those that a busy loop never came to set."""
    due = time.monotonic() + _EVERY
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now - due > _STUCK:
            lane.add("stuck", due, now)
        while due <= now:
            lags.append(now - due)
            due += _EVERY


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _row(picture: Picture, lags: Sequence[float], documents: int) -> dict[str, Any]:
    wall = max(lane.end for lane in picture.lanes if not lane.shared) - picture.began
    return {
        "name": picture.name,
        "way": picture.title,
        "wall_s": round(wall, 3),
        "documents_per_s": round(documents / wall, 3),
        "lag_p50_ms": round(quantile(lags, 0.5) * 1000, 2),
        "lag_p99_ms": round(quantile(lags, 0.99) * 1000, 2),
        "lag_max_ms": round(max(lags, default=0.0) * 1000, 2),
    }
