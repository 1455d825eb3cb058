"""`counterfoil lab race`: many tasks update one file, in every way that people try, on a real store.

What is lost is found by reading the file in the end, never taken from the theory. The requests counted are those of the
tasks; the one that prepares the file and the one that counts the losses are not among them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .lab_peer import Part, peer, take_part
from .lab_store import Place, pair, place
from .lab_trace import Column, Lane, Measured, Picture, count
from .lab_ways import prepare, recorded

S3_STANDARD = "0.0004/0.005"
"""Dollars for a thousand GET and a thousand PUT requests of S3 Standard in us-east-1."""
# Time for a second process to hear when it begins.
_HEAD_START = 0.05


@dataclass(frozen=True, slots=True)
class RaceSetting:
    """`latency`: seconds of the slowest call; the calls are spread evenly over the last `spread` (0 to 1) of it.
    `s3`: GET/PUT delay in ms. `price`: GET/PUT, dollars for a thousand requests."""

    store: str | None = None
    tasks: int = 100
    latency: float = 2.0
    spread: float = 0.1
    s3: str | None = None
    price: str = S3_STANDARD

    def calls(self) -> dict[int, float]:
        """Each task's number (from 1) and the seconds its call takes."""
        step = self.spread / max(1, self.tasks - 1)
        return {n: self.latency * (1 - self.spread + step * (n - 1)) for n in range(1, self.tasks + 1)}


@dataclass(frozen=True, slots=True)
class _Trial:
    name: str
    way: str
    processes: int
    title: str
    caption: str


_TRIALS = (
    _Trial(
        "unguarded", "unguarded", 1, "read, modify, write, unguarded",
        "Every task reads the file, adds its record and writes the file back. Whoever read before another wrote puts "
        "back what that other had changed. Red: written, acknowledged, and gone.",
    ),
    _Trial(
        "blocking", "blocking", 1, "a synchronous client, which blocks the loop",
        "Nothing is lost, by accident: while one task waits for the store, no other can run. Not even those whose "
        "answers are here.",
    ),
    _Trial(
        "lock", "lock", 1, "asyncio.Lock",
        "One task at a time may read and write. Right in one process, and slow: the file sets the pace, not the model.",
    ),
    _Trial(
        "lock-processes", "lock", 2, "asyncio.Lock, two processes",
        "Each process has its own lock, and neither knows of the other's. The race is back.",
    ),
    _Trial(
        "swap", "swap", 1, "compare-and-swap, each update",
        "The store takes a write only if the file is still what the task read. Nothing is lost; but each write lets "
        "one task through, and sends the others back to read again (orange: refused).",
    ),
    _Trial(
        "group", "group", 1, "compare-and-swap, group commit",
        "What comes while a write is under way goes out together as the next. The bottom lane is the only one that "
        "asks the store for anything.",
    ),
    _Trial(
        "group-processes", "group", 2, "group commit, two processes",
        "A writer in each process. Where both write at once the store refuses one of them, which reads and writes "
        "again with all that it has.",
    ),
)  # fmt: skip
_COLUMNS = (
    Column("way", "way of recording"),
    Column("wall_s", "wall", "{:.1f} s"),
    Column("times_latency", "x call", "{:.1f}"),
    Column("recorded", "recorded"),
    Column("lost", "lost"),
    Column("gets", "GET"),
    Column("puts", "PUT"),
    Column("refused", "refused"),
    Column("cost_usd", "cost", "${}"),
)


async def race(setting: RaceSetting) -> Measured:
    """Every way in turn, each on a file of its own making."""
    prices = tuple(map(Decimal, pair(setting.price, "--price", S3_STANDARD)))
    async with place(setting.store, setting.s3) as where:
        done = [(trial, await _tried(trial, where, setting.calls())) for trial in _TRIALS]
    rows = [_row(trial, picture, setting, prices) for trial, picture in done]
    pictures = [picture for _, picture in done]
    conditions = (
        f"{setting.tasks} tasks, each with a call of {setting.latency * (1 - setting.spread):.3g} to "
        f"{setting.latency:.3g} s and then one update of one file in {where.words}. Requests at ${prices[0]} for a "
        f"thousand GET and ${prices[1]} for a thousand PUT{' (S3 Standard)' if setting.price == S3_STANDARD else ''}."
    )
    return Measured("race", "Many tasks, one file", conditions, _COLUMNS, rows, pictures)


async def _tried(trial: _Trial, where: Place, calls: Mapping[int, float]) -> Picture:
    """One way, and what the file says of it in the end."""
    store = where.store()
    await prepare(store, list(calls))
    began, lanes = await _run([_part(trial, where, calls, share) for share in range(trial.processes)])
    kept = await recorded(store, list(calls))
    for lane in lanes:
        lane.lost = not lane.shared and int(lane.name.split()[-1]) not in kept
    return Picture(trial.name, trial.title, trial.caption, began, lanes, _opening(min(calls.values()), began, lanes))


def _opening(first_answer: float, began: float, lanes: Sequence[Lane]) -> float:
    """From where the picture is drawn: where little comes after the calls, most of their time is left out."""
    after = max(lane.end for lane in lanes) - began - first_answer
    return max(0.0, first_answer - after / 2)


def _part(trial: _Trial, where: Place, calls: Mapping[int, float], share: int) -> Part:
    """Every process gets every so-manieth task."""
    group = f"process {share + 1}" if trial.processes > 1 else "tasks"
    return Part(trial.way, where, group, {n: s for n, s in calls.items() if n % trial.processes == share})


async def _run(parts: Sequence[Part]) -> tuple[float, list[Lane]]:
    """The first part here, every other one in a process of its own; all begin at the same moment."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(peer(part)) for part in parts[1:]]
        began = time.monotonic() + (_HEAD_START if peers else 0)
        runs = (take_part(parts[0], began), *(other.take_part(began) for other in peers))
        found = await asyncio.gather(*runs)
    return began, [lane for lanes in found for lane in lanes]


def _row(trial: _Trial, picture: Picture, setting: RaceSetting, prices: Sequence[Decimal]) -> dict[str, Any]:
    lanes = picture.lanes
    wall = picture.seconds
    gets, puts = count(lanes, "read"), count(lanes, "write", "refused")
    lost = sum(lane.lost for lane in lanes)
    return {
        "name": trial.name,
        "way": trial.title,
        "wall_s": round(wall, 3),
        "times_latency": round(wall / setting.latency, 2),
        "recorded": setting.tasks - lost,
        "lost": lost,
        "gets": gets,
        "puts": puts,
        "refused": count(lanes, "refused"),
        "cost_usd": f"{(prices[0] * gets + prices[1] * puts) / 1000:.7f}",
    }
