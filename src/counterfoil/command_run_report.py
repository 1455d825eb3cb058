"""What is shown of a run while it works, and what is told of it at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .command_run_batch import still_running
from .display import Snapshot
from .document import Usage
from .duplicates import named, seconds_in
from .kinds import CONTAINER
from .manifest import Manifest
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


@dataclass(frozen=True, slots=True)
class Did:
    """What a run did itself, in one process or many, beside what its OUT is at then."""

    usage: Usage
    adopted: int
    seconds: float
    commits: int
    conflicts: int
    batches_running: int
    interrupted: bool
    cost_reached: bool


async def report_of(run: Run, started: float) -> Report:
    """The end of a run in this process."""
    stats = run.tools.manifest.stats
    did = Did(
        run.tally.usage,
        run.tally.adopted,
        time.monotonic() - started,
        stats.commits,
        stats.conflicts,
        still_running(run),
        run.stopping and not run.cost_reached,
        run.cost_reached,
    )
    return await report(run.tools.manifest, run.tools.worker.statuses, did)


async def report(manifest: Manifest, statuses: Counter[str], did: Did) -> Report:
    """The end of a run: counts of the whole OUT, and what the run did."""
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
    spent = as_json(did.usage)
    summary: dict[str, Any] = {
        "documents": statuses.total() - statuses[CONTAINER],
        "done": statuses["done"],
        "review": statuses["review"],
        "failed": statuses["failed"],
        "approved": statuses["approved"],
        "rejected": statuses["rejected"],
        "pending": statuses["pending"] + statuses["running"],
        "paid_calls": spent["calls"],
        "adopted": did.adopted,
        "input_tokens": spent["input_tokens"],
        "output_tokens": spent["output_tokens"],
        "cost_usd": spent["cost_usd"],
        "wall_s": round(did.seconds, 3),
        "commits": did.commits,
        "conflicts": did.conflicts,
        "batches_running": did.batches_running,
        "unknown_calls": spent["unknown_calls"],
        "containers": statuses[CONTAINER],
    }
    return Report(summary, failures, rows if statuses.total() <= _SHOWN else [], did.interrupted, did.cost_reached)
