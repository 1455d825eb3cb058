"""What is shown of a run while it works, and what is told of it at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .command_run_batch import still_running
from .display import Snapshot
from .duplicates import named, seconds_in
from .kinds import CONTAINER
from .pipeline import Run
from .spend import as_json


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. `failures` are (document, reason), the first few; `interrupted` if it was told to stop."""

    summary: Mapping[str, Any]
    failures: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, Mapping[str, Any]]]
    interrupted: bool
    cost_reached: bool = False


_SHOWN = 40


def snapshot(run: Run, started: float) -> Snapshot:
    """What the progress display shows of a run."""
    statuses, tally = run.tools.worker.statuses, run.tally
    return Snapshot(
        total=statuses.total() - statuses[CONTAINER],
        done=statuses["done"],
        review=statuses["review"],
        failed=statuses["failed"],
        reviewed=statuses["approved"] + statuses["rejected"],
        in_flight=run.tools.pace.in_flight if run.tools.model else run.tools.worker.held,
        finished_here=tally.finished.total(),
        usage=tally.usage,
        seconds=time.monotonic() - started,
        stopping=run.stopping,
    )


async def report_of(run: Run, started: float) -> Report:
    """The end of a run: counts of the whole OUT, spend and commits of this process."""
    manifest, tally, statuses = run.tools.manifest, run.tally, run.tools.worker.statuses
    failures: list[tuple[str, str]] = []
    rows: list[tuple[str, Mapping[str, Any]]] = []
    if statuses["failed"] or statuses.total() <= _SHOWN:
        async for document, record in manifest.records():
            if record["status"] == "failed" and len(failures) < _SHOWN:
                failures.append((document, record.get("reason", "")))
            if len(rows) < _SHOWN:
                rows.append((document, record))
    seconds = seconds_in(rows)
    rows = [(document, named(document, record, seconds)) for document, record in rows]
    spent, interrupted = as_json(tally.usage), run.stopping and not run.cost_reached
    summary: dict[str, Any] = {
        "documents": statuses.total() - statuses[CONTAINER],
        "done": statuses["done"],
        "review": statuses["review"],
        "failed": statuses["failed"],
        "approved": statuses["approved"],
        "rejected": statuses["rejected"],
        "pending": statuses["pending"] + statuses["running"],
        "paid_calls": spent["calls"],
        "adopted": tally.adopted,
        "input_tokens": spent["input_tokens"],
        "output_tokens": spent["output_tokens"],
        "cost_usd": spent["cost_usd"],
        "wall_s": round(time.monotonic() - started, 3),
        "commits": manifest.stats.commits,
        "conflicts": manifest.stats.conflicts,
        "batches_running": still_running(run),
        "unknown_calls": spent["unknown_calls"],
        "containers": statuses[CONTAINER],
    }
    return Report(summary, failures, rows if statuses.total() <= _SHOWN else [], interrupted, run.cost_reached)
