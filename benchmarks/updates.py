"""Updates of a shared manifest: how many are acknowledged a second, how many survive, and how the simpler ways compare.

All ways meet the same S3 server, in one run of this script, so that their ratios hold whatever the machine does.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from counterfoil.locations import open_store
from counterfoil.source import shards_for

from .batch import MODEL_SECONDS
from .machine import Server, environment, s3_server
from .row import Row, Setting
from .ways import GROUPED, WAYS, opened, record, recorded

_MANY, _FEW = 2000, 100


@dataclass(frozen=True, slots=True)
class Pace:
    """Updates acknowledged a second, those of them that a later read does not show, and CPU seconds."""

    per_second: float
    lost: int
    own_cpu: float
    s3_cpu: float
    wall_s: float


def updates(setting: Setting) -> list[Row]:
    """Many tasks, each updating its own record again and again."""
    with s3_server(setting.get_ms, setting.put_ms) as s3:
        one = asyncio.run(_hammer(s3, GROUPED, _MANY, setting.seconds))
        shards = shards_for(_MANY)
        several = asyncio.run(_hammer(s3, GROUPED, _MANY, setting.seconds, shards))
        few = asyncio.run(_hammer(s3, GROUPED, _FEW, setting.seconds / 2))
        lock = asyncio.run(_hammer(s3, "lock", _FEW, setting.seconds / 2))
        swap = asyncio.run(_hammer(s3, "compare-and-swap", _FEW, setting.seconds / 2))
    return [
        _pace_row(f"manifest updates a second, {_MANY} tasks, 1 shard", one),
        _pace_row(f"the same, {shards} shards (what a run of {_MANY} documents has)", several),
        Row(
            f"the same, {_FEW} tasks, 1 shard, beside the simpler ways",
            f"{few.per_second:,.0f}/s; under one asyncio.Lock {lock.per_second:.1f}/s (1/{_times(few, lock)}), "
            f"compare-and-swap per update {swap.per_second:.1f}/s (1/{_times(few, swap)}); "
            f"best against the lock: {_times(max(one, several, key=lambda pace: pace.per_second), lock)} times",
            "the lock: 11/s",
        ),
    ]


def _times(fast: Pace, slow: Pace) -> str:
    return f"{fast.per_second / slow.per_second:,.0f}"


def _pace_row(what: str, pace: Pace) -> Row:
    return Row(
        what,
        f"{pace.per_second:,.0f}/s, {pace.lost} lost; CPU of {pace.wall_s:.0f} s: "
        f"this process {pace.own_cpu:.1f} s, S3 {pace.s3_cpu:.1f} s",
        ">= 3,000/s, 0 lost",
        pace.per_second >= 3000 and pace.lost == 0,
    )


async def _hammer(s3: Server, way: str, tasks: int, seconds: float, shards: int = 1) -> Pace:
    store = open_store(f"s3://bench/hammer-{way}-{tasks}-{shards}", environment(s3))
    acknowledged = {f"record-{number}": 0 for number in range(tasks)}
    async with opened(way, store, {key: record(0) for key in acknowledged}, shards) as recorder:
        begun, own, theirs = time.monotonic(), time.process_time(), s3.cpu_s()

        async def again_and_again(key: str) -> None:
            while time.monotonic() - begun < seconds:
                number = acknowledged[key] + 1
                await recorder.update(key, record(number))
                acknowledged[key] = number

        await asyncio.gather(*map(again_and_again, acknowledged))
        wall = time.monotonic() - begun
        own, theirs = time.process_time() - own, s3.cpu_s() - theirs
    found = await recorded(way, store)
    lost = sum(number - found[key]["n"] for key, number in acknowledged.items())
    return Pace(sum(acknowledged.values()) / wall, lost, own, theirs, wall)


def ways(setting: Setting) -> list[Row]:
    """The table of the design: 100 documents whose calls end at about the same time, recorded in four ways."""
    with s3_server(setting.get_ms, setting.put_ms) as s3:
        return [asyncio.run(_way_row(s3, way)) for way in [*WAYS, GROUPED]]


async def _way_row(s3: Server, way: str) -> Row:
    store = open_store(f"s3://bench/way-{way}", environment(s3))
    keys = [f"record-{number}" for number in range(_FEW)]
    async with opened(way, store, {key: {"status": "running"} for key in keys}) as recorder:
        begun = time.monotonic()

        async def call_then_record(key: str, number: int) -> None:
            await asyncio.sleep(MODEL_SECONDS)
            await recorder.update(key, record(number))

        await asyncio.gather(*(call_then_record(key, number) for number, key in enumerate(keys)))
        wall = time.monotonic() - begun
    kept = sum(fields["status"] == "done" for fields in (await recorded(way, store)).values())
    return Row(
        f"{_FEW} calls of 2 s, then recorded: {way}",
        f"{wall:.1f} s, {wall / MODEL_SECONDS:.1f} times the model's latency, {kept} of {_FEW} recorded, "
        f"{_FEW - kept} lost",
    )
