"""Reading in worker processes: whatever a document does to its worker, only that document pays for it."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from counterfoil.document import Limits
from counterfoil.errors import InputError, Unavailable
from counterfoil.offload import Offload

QUICK = Limits(seconds=0.6, memory_bytes=200_000_000)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux offers this")


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def double(number: int) -> int:
    return 2 * number


def nap(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def hang(mark: str = "") -> None:
    if mark:
        Path(mark).write_text(str(os.getpid()))
    while True:
        pass


def hang_in_c() -> None:
    re.match(r"(a+)+$", "a" * 40 + "b")


def burst() -> int:
    return len(bytearray(2_000_000_000))


def burst_in_the_value() -> list[bytes]:
    return [bytes([n]) * 30_000_000 for n in range(5)]


def refuse(reason: str) -> None:
    raise InputError(reason)


class OddError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} is not\n{two}")


def fail_oddly() -> None:
    raise OddError(1, 2)


def unpicklable() -> object:
    return lambda: None


def speak() -> str:
    os.write(1, b"native noise on stdout\n")
    os.write(2, b"native noise on stderr\n")
    return "said"


def signal_itself(number: int, mark: str) -> str:
    """Dies of the signal the first time, is well the second."""
    if not Path(mark).exists():
        Path(mark).touch()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return "well"


@in_a_loop
async def test_fifty_tasks_around_every_kind_of_bad_one_all_survive() -> None:
    """A hang (in Python or in C), an abort, a burst and an odd error each cost one task, with a reason each."""
    bad = {
        hang: "reading took longer than 0.6 s",
        hang_in_c: "reading took longer than 0.6 s",
        os.abort: "the reader crashed on this file (SIGABRT, perhaps for lack of memory)",
        burst: "reading needed more than 200 MB of memory",
        fail_oddly: "the reader failed on this file: OddError: 1 is not 2",
    }
    async with Offload(workers=2, limits=QUICK) as offload:
        good = [offload.run(double, n) for n in range(50)]
        ill = [offload.run(function) for function in bad]
        results = await asyncio.gather(*good[:20], *ill, *good[20:], return_exceptions=True)
    told = results[20 : 20 + len(bad)]
    assert [r for r in results if isinstance(r, int)] == [2 * n for n in range(50)]
    assert all(isinstance(error, InputError) for error in told)
    assert [str(error) for error in told] == list(bad.values())


@in_a_loop
async def test_an_input_error_arrives_as_it_was_raised() -> None:
    """The reader's own sentence reaches the record word for word."""
    async with Offload(workers=1, limits=QUICK) as offload:
        with pytest.raises(InputError, match=r"^page 3 is torn$"):
            await offload.run(refuse, "page 3 is torn")


@in_a_loop
async def test_a_value_that_cannot_come_back_costs_its_task_only() -> None:
    """Whether it can't be pickled or is too large to be: an `InputError`, and the worker lives on."""
    async with Offload(workers=1, limits=QUICK) as offload:
        with pytest.raises(InputError, match="the reader failed on this file: "):
            await offload.run(unpicklable)
        with pytest.raises(InputError, match="more than 200 MB of memory"):
            await offload.run(burst_in_the_value)
        assert await offload.run(double, 4) == 8


@in_a_loop
async def test_the_time_limit_counts_from_the_start_of_the_task() -> None:
    """Eight naps of 0.2 s on one worker take longer than the limit of one task, and none is overdue."""
    async with Offload(workers=1, limits=QUICK) as offload:
        assert await asyncio.gather(*(offload.run(nap, 0.2) for _ in range(8))) == ["awake"] * 8


@in_a_loop
async def test_a_cancelled_call_kills_its_task(tmp_path: Path) -> None:
    """The worker does not go on with what nobody waits for, and its place is free again."""
    mark = tmp_path / "pid"
    async with Offload(workers=1, limits=Limits(seconds=60)) as offload:
        task = asyncio.create_task(offload.run(hang, str(mark)))
        pid = await written(mark)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await offload.run(double, 1) == 2
        assert not alive(pid)


@in_a_loop
async def test_closing_is_quick_even_if_a_worker_hangs_and_a_large_task_waits(tmp_path: Path) -> None:
    """Whoever still waits is told, instead of waiting for ever."""
    mark = tmp_path / "pid"
    async with Offload(workers=1, limits=Limits(seconds=60)) as offload:
        stuck = asyncio.create_task(offload.run(hang, str(mark)))
        large = asyncio.create_task(offload.run(len, bytes(20_000_000)))
        pid = await written(mark)
        started = time.monotonic()
    took = time.monotonic() - started
    for task in (stuck, large):
        with pytest.raises(Unavailable, match="closed"):
            await task
    assert not alive(pid)
    assert took < 0.5  # 0.1 to 0.2 s on a machine with nothing else to do


@in_a_loop
async def test_a_signal_to_the_whole_group_does_not_cost_a_document(tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM are for the parent: workers ignore them; a task whose worker died of one is tried again."""
    async with Offload(workers=1, limits=Limits(seconds=20)) as offload:
        pid = await offload.run(os.getpid)
        napping = asyncio.create_task(offload.run(nap, 0.2))
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert await napping == "awake"
        assert await offload.run(os.getpid) == pid
        assert await offload.run(signal_itself, signal.SIGTERM, str(tmp_path / "mark")) == "well"


@in_a_loop
async def test_an_idle_worker_that_dies_is_replaced() -> None:
    """Nobody's task was lost, so nobody hears of it."""
    async with Offload(workers=1, limits=QUICK) as offload:
        pid = await offload.run(os.getpid)
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.15)
        assert await offload.run(double, 3) == 6


@in_a_loop
async def test_the_loop_stays_free_while_workers_work() -> None:
    """While 50 tasks are worked on, start of the workers included, the loop turns more often than tasks end."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with Offload(workers=2, limits=Limits(seconds=20)) as offload:
        turning = asyncio.create_task(turn())
        await asyncio.gather(*(offload.run(nap, 0.004) for _ in range(50)))
        turning.cancel()
    assert turns > 50 * 10


PARENT = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from test_offload import hang, speak
from counterfoil.document import Limits
from counterfoil.offload import Offload

async def main():
    async with Offload(workers=1, limits=Limits(seconds=60)) as offload:
        {body}

asyncio.run(main())
"""


def script(body: str) -> list[str]:
    return [sys.executable, "-c", PARENT.format(tests=str(Path(__file__).parent), body=body)]


@LINUX
def test_no_orphan_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    """`kill -9` of the parent takes a worker in the middle of an endless task with it."""
    mark = tmp_path / "pid"
    parent = subprocess.Popen(script(f"await offload.run(hang, {str(mark)!r})"))
    worker = asyncio.run(written(mark))
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not alive(worker):
            break
        time.sleep(0.02)
    assert not alive(worker)


def test_what_a_worker_prints_is_not_heard() -> None:
    """The parent's stdout is a contract (JSON), and so a native library's chatter must not get into it."""
    done = subprocess.run(script("print(await offload.run(speak))"), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("said\n", "")


async def written(path: Path) -> int:
    """The number in a file, once it is there."""
    for _ in range(2000):
        if text := content(path):
            return int(text)
        await asyncio.sleep(0.01)
    raise TimeoutError(path)


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
