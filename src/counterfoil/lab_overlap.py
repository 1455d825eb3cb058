"""`counterfoil lab overlap`: four ways to start many calls, and what each costs in time and in memory.

Each task reads its document from the store, waits for its call, and writes its result. Memory is what `tracemalloc`
counts (Python's own objects) when `waiting` calls are to be made and every one that has begun is waiting.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from .clock import Clock
from .lab_store import Place, place
from .lab_trace import Bar, Column, Lane, Measured, Picture
from .store import retried

One = Callable[[int], Awaitable[None]]
Way = Callable[[Sequence[int], One, int], Coroutine[Any, Any, None]]
_SETTLE = 10


@dataclass(frozen=True, slots=True)
class OverlapSetting:
    """`latency`: seconds of a call. `limit`: most calls at once, where a way has a bound. `s3`: GET/PUT delay in ms."""

    store: str | None = None
    tasks: int = 20
    latency: float = 0.5
    limit: int = 8
    waiting: int = 10_000
    s3: str | None = None


async def one_by_one(numbers: Sequence[int], one: One, _limit: int) -> None:
    for number in numbers:
        await one(number)


async def all_at_once(numbers: Sequence[int], one: One, _limit: int) -> None:
    await asyncio.gather(*(one(number) for number in numbers))


async def spawn_then_acquire(numbers: Sequence[int], one: One, limit: int) -> None:
    """Bounds the calls, not the tasks: all of them exist from the first moment on."""
    room = asyncio.Semaphore(limit)

    async def bounded(number: int) -> None:
        async with room:
            await one(number)

    await asyncio.gather(*(bounded(number) for number in numbers))


async def acquire_then_spawn(numbers: Sequence[int], one: One, limit: int) -> None:
    """Bounds both: a task is made when there is room for its call."""
    room = asyncio.Semaphore(limit)

    async def bounded(number: int) -> None:
        try:
            await one(number)
        finally:
            room.release()

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            await room.acquire()
            group.create_task(bounded(number))


_WAYS: Sequence[tuple[str, str, Way, str]] = (
    ("for", "for + await", one_by_one, "The next call begins when the one before has ended: no two ever overlap."),
    ("gather", "gather", all_at_once, "All begin at once, and nothing bounds them: 10,000 documents, 10,000 calls."),
    ("semaphore", "gather, a semaphore inside", spawn_then_acquire,
     "No more calls at once than allowed, but a task for each document from the first moment on."),
    ("bounded", "TaskGroup, acquire before spawn", acquire_then_spawn,
     "No more calls at once than allowed, and no more tasks: a document that has no room yet is a line in a list."),
)  # fmt: skip
_COLUMNS = (
    Column("way", "way of starting"),
    Column("wall_s", "wall", "{:.2f} s"),
    Column("start_ms", "next task starts after", "{:.3f} ms"),
    Column("overlapped", "waits at once"),
    Column("waiting_begun", "calls begun"),
    Column("waiting_mb", "memory", "{:.2f} MB"),
    Column("waiting_bytes", "a document", "{:,} bytes"),
)


async def overlap(setting: OverlapSetting) -> Measured:
    """Every way in turn: first timed on the store, then its memory."""
    rows: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    async with place(setting.store, setting.s3) as where:
        await _prepare(where, setting.tasks)
        for name, title, way, caption in _WAYS:
            picture = await _timed(where, setting, way, name, title, caption)
            begun, memory = await waiting(way, setting.waiting, setting.limit)
            pictures.append(picture)
            rows.append(_row(picture, begun, memory, setting))
    conditions = (
        f"{setting.tasks} tasks: each reads its document, waits {setting.latency:g} s for its call, writes its result "
        f"in {where.words}. At most {setting.limit} calls at once where there is a bound. Calls begun and memory: with "
        f"{setting.waiting:,} documents to be read, when every call that has begun is waiting; what tracemalloc counts."
    )
    return Measured("overlap", "Waits that overlap", conditions, _COLUMNS, rows, pictures)


async def _prepare(where: Place, tasks: int) -> None:
    store, clock = where.store(), Clock()
    for number in range(tasks):
        key = _key(number)
        await retried(clock, lambda key=key: store.put(key, b"%PDF- a document\n"))


def _key(number: int) -> str:
    return f"documents/{number:06}.pdf"


async def _timed(where: Place, setting: OverlapSetting, way: Way, name: str, title: str, caption: str) -> Picture:
    lanes = [Lane(f"task {number + 1}", "tasks") for number in range(setting.tasks)]
    clock = Clock()

    async def one(number: int) -> None:
        store = where.distant(lanes[number].add)
        await retried(clock, lambda: store.get(_key(number)))
        with lanes[number].during("call"):
            await asyncio.sleep(setting.latency)
        await retried(clock, lambda: store.put(f"results/{number:06}.json", b"{}\n"))

    began = time.monotonic()
    await way(range(setting.tasks), one, setting.limit)
    for lane in lanes:
        lane.bars.insert(0, Bar("wait", began, lane.bars[0].start))
    return Picture(name, title, caption, began, lanes)


async def waiting(way: Way, documents: int, limit: int) -> tuple[int, int]:
    """How many calls have begun, and the bytes that are held, while every one of them waits."""
    answer, begun = asyncio.Event(), 0

    async def one(_: int) -> None:
        nonlocal begun
        begun += 1
        await answer.wait()

    gc.collect()
    tracemalloc.start()
    try:
        running = asyncio.create_task(way(range(documents), one, limit))
        for _ in range(_SETTLE):
            await asyncio.sleep(0)
        gc.collect()
        memory, at_rest = tracemalloc.get_traced_memory()[0], begun
    finally:
        tracemalloc.stop()
    answer.set()
    await running
    return at_rest, memory


def _row(picture: Picture, begun: int, memory: int, setting: OverlapSetting) -> dict[str, Any]:
    calls = [bar for lane in picture.lanes for bar in lane.bars if bar.kind == "call"]
    starts = sorted(lane.bars[0].end for lane in picture.lanes)
    return {
        "name": picture.name,
        "way": picture.title,
        "wall_s": round(picture.seconds, 3),
        "start_ms": round((starts[-1] - starts[0]) / max(1, len(starts) - 1) * 1000, 4),
        "overlapped": most_at_once(calls),
        "waiting_begun": begun,
        "waiting_mb": round(memory / 1e6, 3),
        "waiting_bytes": round(memory / setting.waiting),
    }


def most_at_once(bars: Sequence[Bar]) -> int:
    """The most of these that were under way at one moment."""
    turns = sorted([(bar.start, 1) for bar in bars] + [(bar.end, -1) for bar in bars])
    most = now = 0
    for _, step in turns:
        now += step
        most = max(most, now)
    return most
