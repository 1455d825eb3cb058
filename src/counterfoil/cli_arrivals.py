"""`counterfoil watch` on the command line: the options of `run`, and those of waiting for documents."""

from __future__ import annotations

from typing import Any

import click

from .cli_limits import limit_options
from .cli_run import run, show_report, shown
from .cli_watch import watch_options

# What means nothing where documents come one by one, or is for runs that are spread over processes.
_NOT_HERE = {"limit", "batch", "engine", "workers", "address", "cpus"}


@click.command(short_help="Keep running, and read documents as they arrive.")
@click.option(
    "--queue",
    metavar="URL",
    help="An SQS queue that tells of new objects: S3 event notifications, also by way of SNS or EventBridge.",
)
@click.option(
    "--every",
    type=click.FloatRange(0.1),
    metavar="SECONDS",
    help="How often SOURCE is listed: 10 if not given, 900 with --queue.",
)
@click.option("--idle", type=click.FloatRange(0.1), metavar="SECONDS", help="End after so long without anything new.")
@watch_options
@limit_options
def watch(
    as_json: bool, quiet: bool, queue: str | None, every: float | None, idle: float | None, **options: Any
) -> None:
    """Keep running, and read the documents of SOURCE as they arrive there.

    All that is there already is read first. Several watchers on one OUT share the work, also with runs. Ctrl-C or
    SIGTERM ends it: calls in flight end and are recorded.
    """
    from .command_arrivals import How, watch_source
    from .command_run_options import Options

    chosen, how = Options(**options), How(every, queue, idle)
    report = shown(chosen, lambda display: watch_source(chosen, how, display), quiet=quiet)
    if report is None:
        raise SystemExit(0)
    show_report(report, as_json=as_json, quiet=quiet, out=chosen.out, logged=chosen.log_format is not None)
    if report.cost_reached:
        raise SystemExit(3)
    raise SystemExit(1 if report.summary["failed"] and not report.interrupted else 0)


_source, _out, *_others = [parameter for parameter in run.params if parameter.name not in _NOT_HERE]
_own = [parameter for parameter in watch.params if parameter.name in ("queue", "every", "idle")]
watch.params = [_source, _out, *_own, *_others]
