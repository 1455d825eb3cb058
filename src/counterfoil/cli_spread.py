"""Over how many processes `counterfoil run` is spread, as options: together they make one `Spread`, or none."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from .distribute_spread import Spread


def _engine(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Spread | None:
    """`local`, `ray`, or `local[4]` for `local` with four workers."""
    if value is None:
        return None
    if value == "ray":
        return Spread("ray")
    found = re.fullmatch(r"local(?:\[([1-9]\d{0,3})\])?", value)
    if not found:
        raise click.BadParameter(f"{value!r} is no engine; there are local, local[N] and ray")
    return Spread("local", int(found[1]) if found[1] else None)


def spread_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as one argument, `spread`, None without `--engine`."""

    @functools.wraps(command)
    def with_spread(
        *args: Any, engine: Spread | None, workers: int | None, address: str | None, cpus: float | None, **options: Any
    ) -> Any:
        if engine is None and (workers or address or cpus):
            raise click.UsageError("--workers, --address and --worker-cpus need --engine local or --engine ray")
        if engine and engine.workers and workers and workers != engine.workers:
            raise click.UsageError(f"--engine local[{engine.workers}] and --workers {workers} contradict each other")
        if engine:
            engine = replace(engine, workers=workers or engine.workers, address=address, cpus=cpus)
        return command(*args, spread=engine, **options)

    decorated: Callable[..., Any] = with_spread
    for option in (
        click.option(
            "--worker-cpus", "cpus", type=click.FloatRange(0.01, 1000), metavar="N", help="CPUs of each Ray worker (1)."
        ),
        click.option("--address", metavar="ADDRESS", help="Where Ray is, e.g. auto; without it one on this machine."),
        click.option(
            "--workers",
            type=click.IntRange(1, 10_000),
            metavar="N",
            help="Worker processes of --engine; by default as many as there are CPUs.",
        ),
        click.option(
            "--engine",
            callback=_engine,
            metavar="local|ray",
            help="Many workers: processes of this machine (local, local[N]), or of a Ray cluster.",
        ),
    ):
        decorated = option(decorated)
    return decorated
