"""The part of the command line that is `counterfoil lab`: what can be asked for. Everything else is imported late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import click


@click.group()
def lab() -> None:
    """Watch the race: measured on your own folder or bucket, as a table and as a page with timelines.

    A lab works in a place of its own there, counterfoil-lab-RANDOM/, and deletes it afterwards.
    """


def _lab_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every lab has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout."),
        click.option("--pictures", metavar="FOLDER", help="Write every timeline as an SVG file, too."),
        click.option("--output", metavar="FILE", help="The page; counterfoil-lab-NAME.html here if not given."),
        click.option("--s3", metavar="GET/PUT", help="Delay to add, in ms; 30/60 without --store, else none."),
        click.option("--store", metavar="URL", help="A folder or bucket; a temporary folder if not given."),
    ):
        command = option(command)
    return command


@lab.command(name="race")
@click.option("--tasks", type=click.IntRange(2, 1000), default=100, show_default=True, help="How many tasks.")
@click.option(
    "--latency", type=click.FloatRange(0.01), default=2.0, show_default=True, help="Seconds of the slowest call."
)
@click.option(
    "--spread",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Share of the latency over which the calls end.",
)
@click.option(
    "--price", metavar="GET/PUT", default="0.0004/0.005", show_default=True, help="Dollars for a thousand requests."
)
@_lab_options
def lab_race(**options: Any) -> None:
    """Many tasks update one file: unguarded, blocking, locked, in two processes, compare-and-swap, group commit."""
    _run_lab("race", options)


@lab.command(name="overlap")
@click.option("--tasks", type=click.IntRange(2, 1000), default=20, show_default=True, help="How many tasks.")
@click.option("--latency", type=click.FloatRange(0.01), default=0.5, show_default=True, help="Seconds of a call.")
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True, help="Most calls at once, if bounded.")
@click.option(
    "--waiting", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Documents, for the memory."
)
@_lab_options
def lab_overlap(**options: Any) -> None:
    """Ways to start many calls: for + await, gather, a semaphore inside, a bounded TaskGroup."""
    _run_lab("overlap", options)


@lab.command(name="offload")
@click.option("--documents", type=click.IntRange(1, 1000), default=8, show_default=True, help="How often it is read.")
@click.option("--pages", type=click.IntRange(1, 300), default=40, show_default=True, help="Pages of the PDF.")
@_lab_options
def lab_offload(**options: Any) -> None:
    """A big PDF read on the event loop, in threads, in processes: how the loop fares."""
    _run_lab("offload", options)


def _run_lab(name: str, options: dict[str, Any]) -> None:
    from .lab import run_lab

    asyncio.run(run_lab(name, **options))
