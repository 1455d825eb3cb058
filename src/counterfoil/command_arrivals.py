"""`counterfoil watch`: a run that goes on, and takes documents as they arrive.

It promises to begin again after whatever may pass (a store or a model that can't be reached), with what it said then,
and to end well when it is told to: calls in flight are recorded. Errors that a person must mend end it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

from .arrivals import Arrivals, Watching
from .command_run import Share, opened_run
from .command_run_options import Options
from .command_run_report import Report, report_of, snapshot
from .command_run_signals import Signals
from .display import Display, duration
from .errors import CommitUncertain, SetupError, Unavailable
from .events import RunEnded
from .pipeline import Run
from .queue_sqs import open_queue
from .settings import Tally

_LEAST_REST, _MOST_REST = 5.0, 60.0
_WAS_WELL = 300.0
"""Seconds of work after which an outage is taken for a new one."""
EVERY, EVERY_WITH_QUEUE = 10.0, 900.0
"""Seconds between two listings: often where nothing else tells of arrivals, seldom where messages may be lost."""


@dataclass(frozen=True, slots=True)
class How:
    """What the command line says of watching."""

    every: float | None = None
    queue: str | None = None
    idle: float | None = None


async def watch_source(
    options: Options, how: How, display: Display, environ: Mapping[str, str] = os.environ
) -> Report | None:
    """Watches until a signal stops it, nothing came for `how.idle` seconds, or --max-cost is reached. None if it was
    stopped while OUT could not be reached: there is nothing to tell then."""
    if how.queue and not options.source.startswith("s3://"):
        raise SetupError(f"--queue takes the event notifications of S3; {options.source} is no s3:// URL")
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(open_queue(how.queue, environ)) if how.queue else None
        every = how.every or (EVERY_WITH_QUEUE if queue else EVERY)
        return await _Watch(options, Watching(every, queue, how.idle), display, environ).to_the_end()


class _Watch:
    """One run after the other at the same OUT, as many as outages make of it."""

    def __init__(self, options: Options, watching: Watching, display: Display, environ: Mapping[str, str]) -> None:
        self._options, self._watching, self._display, self._environ = options, watching, display, environ
        self._signals = Signals(display.urge)
        self._stopping = asyncio.Event()
        self._run: Run | None = None
        self._tally = Tally()
        self._commits = self._conflicts = 0
        self._started = time.monotonic()

    def stop(self) -> None:
        """From a signal handler: no more claims, calls in flight may end."""
        self._stopping.set()
        if self._run:
            self._run.stop()

    async def to_the_end(self) -> Report | None:
        self._signals.handle(self)
        rest = _LEAST_REST
        while True:
            begun = time.monotonic()
            try:
                return await self._once()
            except (Unavailable, CommitUncertain) as exc:
                if time.monotonic() - begun > _WAS_WELL:
                    rest = _LEAST_REST
                if not self._stopping.is_set():
                    self._display.note(f"{exc}; nothing is lost, the next try is in {duration(rest)}")
                await self._pause(rest)
                rest = min(2 * rest, _MOST_REST)
            if self._stopping.is_set():
                return None

    async def _pause(self, seconds: float) -> None:
        with self._signals, suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _once(self) -> Report:
        """One run, until it is over or can't go on."""
        share = Share(None, self._signals, patient=True)
        async with opened_run(self._options, self._display, self._environ, share) as (run, _):
            self._run = run
            self._signals.handle(self)
            tools = run.tools
            if tools.source.only is not None:
                raise SetupError(
                    f"{tools.source.url} is one document; watch needs a folder or a bucket where they arrive"
                )
            arrivals = Arrivals(tools.source, tools.manifest, tools.worker, self._watching, self._display.note)
            self._go_on_from_before(run)
            self._display.note(f"watching {tools.source.url}")
            try:
                async with self._display.following(lambda: replace(snapshot(run, self._started), watching=True)):
                    await run.work(arriving=arrivals.plan)
                report = self._added(await report_of(run, self._started))
                tools.watch.tell(RunEnded(report.summary))
                return report
            finally:
                self._run, self._tally = None, run.tally
                self._commits += tools.manifest.stats.commits
                self._conflicts += tools.manifest.stats.conflicts
                tools.offload.retire()
                tools.judges.retire()

    def _go_on_from_before(self, run: Run) -> None:
        """What runs before an outage did counts as this one's."""
        run.tally.usage += self._tally.usage
        run.tally.finished += self._tally.finished
        run.tally.adopted += self._tally.adopted

    def _added(self, report: Report) -> Report:
        summary: dict[str, Any] = dict(report.summary)
        summary["commits"] += self._commits
        summary["conflicts"] += self._conflicts
        return replace(report, summary=summary)
