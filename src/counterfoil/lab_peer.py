"""The part that one process takes in the race, and a second process that takes the other half: `python -m` of this.

The second process is told by one line of JSON on its stdin what to do, says "ready", and begins at the moment that a
second line names. It ends with its parent, whose end closes that stdin.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass

import orjson

from .errors import CounterfoilError, SetupError
from .lab_store import Delays, Place
from .lab_trace import Bar, Lane
from .lab_ways import WAYS, desk_at

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one process does: these tasks, each with the seconds that its call takes, recorded in this way."""

    way: str
    place: Place
    group: str
    calls: Mapping[int, float]


async def take_part(part: Part, began: float) -> list[Lane]:
    """A lane for each task, and one for the shared writer if it has written. Begins when the clock shows `began`."""
    async with desk_at(part.place, part.group) as desk:
        record = WAYS[part.way]

        async def one(number: int, seconds: float) -> Lane:
            lane = Lane(f"task {number}", part.group)
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
            answered = began + seconds  # also if the loop was stuck, and this task comes to know of it later
            await record(desk, lane, number)
            bars = [Bar("call", began, answered), Bar("wait", answered, time.monotonic()), *lane.bars]
            return Lane(lane.name, lane.group, bars)

        lanes = await asyncio.gather(*(one(number, seconds) for number, seconds in part.calls.items()))
    return [*lanes, *([desk.writer] if desk.writer.bars else [])]


class Peer:
    """A second process, ready to take its part."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ready(self) -> None:
        """Waits until it has read its part."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.hear()
        except TimeoutError as exc:
            raise SetupError(f"the second process of the lab did not start within {_PATIENCE:.0f} s") from exc

    async def take_part(self, began: float) -> list[Lane]:
        """Its lanes; `began` is of this machine's monotonic clock."""
        await self.say(began)
        lanes = orjson.loads(await self.hear())
        return [
            Lane(lane["name"], lane["group"], [Bar(*bar) for bar in lane["bars"]], shared=lane["shared"])
            for lane in lanes
        ]

    async def say(self, value: object) -> None:
        """One line of JSON to it."""
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # it has ended: what it said last tells why
            self._process.stdin.write(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) + b"\n")
            await self._process.stdin.drain()

    async def hear(self) -> bytes:
        """One line from it; `SetupError` with its last words if it has ended instead."""
        assert self._process.stdout is not None and self._process.stderr is not None
        line = await self._process.stdout.readline()
        if not line:
            why = (await self._process.stderr.read()).decode("utf-8", "replace").strip().splitlines()
            raise SetupError(f"the second process of the lab ended: {why[-1] if why else 'it was killed'}")
        return line


@asynccontextmanager
async def peer(part: Part) -> AsyncGenerator[Peer]:
    """A second process that has read its part; it is gone when the block ends."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", __name__)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, limit=2**26)
    other = Peer(process)
    try:
        await other.say(asdict(part))
        await other.ready()
        yield other
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# What follows runs in the second process.


def _read_part(line: bytes) -> Part:
    raw = orjson.loads(line)
    where = raw["place"]
    place = Place(where["location"], Delays(**where["delays"]), where["words"])
    return Part(raw["way"], place, raw["group"], {int(number): s for number, s in raw["calls"].items()})


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _tell(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """The second process, from its first line to its last."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    part = _read_part(sys.stdin.buffer.readline())
    _tell("ready")
    began: float = orjson.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        lanes: Sequence[Lane] = asyncio.run(take_part(part, began))
    except CounterfoilError as exc:
        sys.stderr.write(f"{exc}\n")
    else:
        _tell([asdict(lane) | {"bars": [list(bar) for bar in lane.bars]} for lane in lanes])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # not held up by the thread that reads


if __name__ == "__main__":
    main()
