"""Runs a contestant to its end, or kills it at half and runs it again; what came of it is counted from outside.

Calls are counted by the model server, by document; time from before the process is made until it is gone; CPU by the
kernel for the process and all that it waited for; memory is the sum over the processes of its session, sampled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contestants import Contestant, Report, Trial

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.1
_LOOK_SECONDS = 0.01
_PATIENCE = 600.0
"""Seconds that a contestant gets."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What the server counted. `made` are calls about a document, `repeated` those whose document had been asked."""

    made: int
    repeated: int
    refused: int
    other: int


def counted(stats: Mapping[str, Any], names: Sequence[str]) -> Calls:
    """From the server's GET /stats; a call is about the document whose name is its key."""
    by_key: Mapping[str, int] = stats["by_key"]
    made = [by_key[name] for name in names if name in by_key]
    return Calls(sum(made), sum(made) - len(made), stats["refused"], stats["calls"] - sum(made))


@dataclass(frozen=True, slots=True)
class Ran:
    """One process, from its start to its end. CPU in seconds, memory in bytes."""

    wall_s: float
    cpu_s: float
    peak: int


@dataclass(frozen=True, slots=True)
class Whole:
    """An undisturbed run, and the CPU seconds that the two servers used meanwhile."""

    ran: Ran
    calls: Calls
    recorded: int
    spend: float | None
    unit: str
    servers_cpu_s: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run that was killed with `answered` answers given and `flying` calls under way, and the run after it."""

    answered: int
    flying: int
    calls: Calls
    recorded: int
    spend: float | None
    unknown: int
    wall_s: float


class Broken(Exception):
    """A contestant that could not do its work; says how it ended."""


def whole(contestant: Contestant, trial: Trial) -> Whole:
    cpu = trial.model.cpu_s() + trial.s3.cpu_s()
    ran = _run(contestant, trial)
    cpu = trial.model.cpu_s() + trial.s3.cpu_s() - cpu
    report = contestant.report(trial)
    calls = counted(trial.model.stats(), trial.documents.names)
    return Whole(ran, calls, _right(report, trial), report.spend, report.unit, cpu)


def resumed(contestant: Contestant, trial: Trial, grace: float) -> Resumed:
    """Kills the whole process group `grace` seconds after half was answered, and waits until the server knows."""
    half = len(trial.documents.names) / 2
    with _started(contestant, trial) as process:
        _wait(lambda: trial.model.stats()["completed"] >= half or process.poll() is not None)
        time.sleep(grace)
        before = trial.model.stats()
        if process.poll() is not None:
            raise Broken(f"it ended before it could be killed, {_last_words(trial)}")
    _wait(lambda: not trial.model.stats()["in_flight"])
    ran = _run(contestant, trial)
    report = contestant.report(trial)
    calls = counted(trial.model.stats(), trial.documents.names)
    recorded, answered, flying = _right(report, trial), before["completed"], before["in_flight"]
    return Resumed(answered, flying, calls, recorded, report.spend, report.unknown, ran.wall_s)


def _right(report: Report, trial: Trial) -> int:
    """Documents recorded with their own invoice number, which is their name."""
    return sum(report.answers.get(name) == name for name in trial.documents.names)


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not until():
        if time.monotonic() > end:
            raise Broken(f"nothing came of it in {_PATIENCE:.0f} s")
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _started(contestant: Contestant, trial: Trial) -> Generator[subprocess.Popen[bytes]]:
    """In a session of its own, which is killed at the end of the block, if there still is any of it."""
    command, environ = contestant.command(trial), dict(contestant.environ(trial))
    with (trial.folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            cwd=trial.folder,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _run(contestant: Contestant, trial: Trial) -> Ran:
    begun = time.monotonic()
    with _started(contestant, trial) as process, _bounded(process.pid), _watched(process.pid) as peak:
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Broken(f"exit code {process.returncode}, {_last_words(trial)}")
    return Ran(wall, used.ru_utime + used.ru_stime, peak[0])


@contextmanager
def _bounded(group: int) -> Generator[None]:
    """Kills a process group that outlasts our patience."""
    clock = threading.Timer(_PATIENCE, os.killpg, (group, signal.SIGKILL))
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _last_words(trial: Trial) -> str:
    said = (trial.folder / "output.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip()[:300] for line in reversed(said) if line.strip()), "without a word")


@contextmanager
def _watched(session: int) -> Generator[list[int]]:
    """The most bytes (in a list of one) that the processes of a session had resident together."""
    peak, stop = [0], threading.Event()

    def sample() -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], sum(_resident(session)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _resident(session: int) -> Generator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session:
                    yield int(fields[21]) * _PAGE
