"""How near to a server's limit a run comes, and how often it is refused: a limit that is given, and one that is not.

The installed command runs on a folder of many documents; the server enforces its limit in any 60 seconds, and counts.
What is measured is read from the server at the ends of a stretch of the run, then the run is stopped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .documents import write_invoices
from .machine import Command, Server, environment, model_server
from .row import Row, Setting

_PATIENCE = 30.0
"""Seconds for the first call to come."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the server saw between two moments."""

    calls: int
    refused: int
    seconds: float
    cpu_s: float

    @property
    def a_minute(self) -> float:
        return (self.calls - self.refused) * 60 / self.seconds

    @property
    def share(self) -> float:
        return self.refused / max(self.calls, 1)


def pacing(setting: Setting) -> list[Row]:
    """One run of 75 seconds, and two of two minutes."""
    return [_given(setting), _found(setting, "--headers"), _found(setting)]


def _given(setting: Setting) -> Row:
    whole = _run(setting.folder / "given", 600, 0.0, 75.0, [], ["--rpm", "600"])
    return Row(
        "--rpm 600, a server that enforces 600 in any minute, model 2 s, from the first call on",
        _told(whole, 600),
        ">= 95 % of the allowed pace, < 1 % refused",
        whole.a_minute >= 0.95 * 600 and whole.share < 0.01,
    )


def _found(setting: Setting, *options: str) -> Row:
    after = _run(setting.folder / f"found{len(options)}", 300, 60.0, 60.0, options, [])
    told = "says what is left" if options else "says only Retry-After"
    return Row(
        f"a server that enforces an unknown 300 in any minute and {told}, model 2 s, the second minute",
        _told(after, 300),
        ">= 85 % of the allowed pace, < 5 % refused",
        after.a_minute >= 0.85 * 300 and after.share < 0.05,
    )


def _told(stretch: Stretch, allowed: int) -> str:
    return (
        f"{stretch.a_minute:.1f} a minute, {stretch.a_minute / allowed:.1%} of the allowed pace; "
        f"{stretch.refused} of {stretch.calls} calls refused, {stretch.share:.2%}; model's CPU {stretch.cpu_s:.1f} s"
    )


def _run(
    folder: Path, rpm: int, warm_up: float, seconds: float, server: Sequence[str], options: Sequence[str]
) -> Stretch:
    """Runs the command until `seconds` after `warm_up` seconds after its first call."""
    source = write_invoices(folder / "source", int(rpm * (warm_up + seconds + 60) / 60) + 300)
    with ExitStack() as stack:
        model = stack.enter_context(model_server(2.0, "--rpm", str(rpm), *server))
        arguments = ["run", str(source), "--out", str(folder / "out"), "--model", "openai:scripted", "--quiet"]
        run = stack.enter_context(Command(folder, environment(model=model), *arguments, *options))
        _first_call(model, run)
        time.sleep(warm_up)
        before, cpu, begun = model.stats(), model.cpu_s(), time.monotonic()
        time.sleep(seconds)
        after, took = model.stats(), time.monotonic() - begun
        if run.process.poll() is not None:
            raise RuntimeError(f"the run ended too early, with exit code {run.process.returncode}")
        calls, refused = (after[name] - before[name] for name in ("calls", "refused"))
        return Stretch(calls, refused, took, model.cpu_s() - cpu)


def _first_call(model: Server, run: Command) -> None:
    end = time.monotonic() + _PATIENCE
    while not model.stats()["calls"]:
        if run.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the run made no call")
        time.sleep(0.02)
