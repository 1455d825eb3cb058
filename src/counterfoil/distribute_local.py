"""Seats on this machine: each holds one worker process, which knows nothing of the others."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

from .command_run_options import Options
from .cores import usable_cores
from .distribute_order import Ended, Engine, Order, Seat, Word, parcel, told
from .distribute_spread import Spread
from .model import open_model
from .tasks import settled

_UNSAID = "ignore:resource_tracker:UserWarning"  # of a killed worker; stderr is for our lines alone, JSON among them
_COMMAND = ("-P", "-W", _UNSAID, "-m", "counterfoil.distribute_main")
_KEPT = 2000


class LocalSeat:
    """A worker here is a process of its own session, so that Ctrl-C reaches the driver alone; `environ` is its
    environment, `path` where it finds its modules. It dies with `parent`, or, without one, stops when that is gone."""

    def __init__(
        self, order: Order, environ: Mapping[str, str], path: Sequence[str], *, parent: int | None = None
    ) -> None:
        self._order = parcel(replace(order, parent=parent))
        self._environ = {**environ, "PYTHONPATH": os.pathsep.join(path)}
        self._logs = order.options.log_format is not None
        self._process: Process | None = None

    async def work(self) -> Ended:
        try:
            process = self._process = await self._start()
        except OSError as exc:
            return Ended("failed", f"can't start a worker process: {exc}")
        try:
            said, complaint = await asyncio.gather(self._speak(process), _tail(process))
            code = await process.wait()
        finally:
            self._process = None
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await settled(process.wait())
        return told(said) or Ended("lost", _death(code, complaint))

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *_COMMAND,
            stdin=PIPE,
            stdout=PIPE,
            stderr=None if self._logs else PIPE,
            env=self._environ,
            start_new_session=True,
        )

    async def _speak(self, process: Process) -> bytes:
        """Gives the order, and hears the answer."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):  # it is dead already; its exit code says more
            process.stdin.write(self._order)
            await process.stdin.drain()
        return await process.stdout.read()

    async def present(self) -> bool:
        return self._process is not None

    async def tell(self, word: Word) -> None:
        if self._process and self._process.stdin:
            with suppress(ConnectionError):
                self._process.stdin.write(f"{word}\n".encode())
                await self._process.stdin.drain()


def local_engine(options: Options, spread: Spread, environ: Mapping[str, str]) -> Engine:
    """Seats for workers that are processes of this machine. Raises `SetupError` for a model that can't be opened."""
    if options.asked:
        open_model(options.asked, concurrency=1, environ=environ)  # not entered: only whether it could be

    async def seats(order: Order) -> Sequence[Seat]:
        path = [entry or str(Path.cwd()) for entry in sys.path]
        return [LocalSeat(order, environ, path) for _ in range(spread.workers_on(usable_cores()))]

    return seats


async def _tail(process: Process) -> str:
    """The last of what a worker printed on stderr, nothing where that is our own."""
    kept = b""
    while process.stderr and (more := await process.stderr.read(_KEPT)):
        kept = (kept + more)[-_KEPT:]
    return kept.decode(errors="replace").strip()


def _death(code: int, complaint: str) -> str:
    """Why a process ended that said nothing, as far as it can be known."""
    if code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    last = complaint.rpartition("\n")[2]
    return f"exit code {code}{f': {last}' if last else ''}"
