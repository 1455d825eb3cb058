"""By what a run can be watched, as options: a port for metrics, traces, and log lines instead of what is else shown."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from .logs import LEVELS

LOOPBACK = "127.0.0.1"


def _address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """`PORT` on the loopback, or `HOST:PORT`; `[::1]:PORT` for IPv6."""
    if value is None:
        return None
    host, colon, port = value.rpartition(":")
    if port.isascii() and port.isdecimal() and int(port) < 65536 and bool(host) == bool(colon):
        return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)
    raise click.BadParameter(f"{value!r} is no port; write PORT, e.g. 9464, or HOST:PORT, e.g. 0.0.0.0:9464")


def watch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; `--log-level` alone asks for text."""

    @functools.wraps(command)
    def with_watch(*args: Any, log_format: str | None, log_level: str | None, **options: Any) -> Any:
        form = log_format or ("text" if log_level else None)
        return command(*args, log_format=form, log_level=log_level or "info", **options)

    decorated: Callable[..., Any] = with_watch
    for option in (
        click.option("--log-level", type=click.Choice(LEVELS), help="The least that is logged; info if not given."),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            help="Log lines on stderr, one an event, instead of the progress display.",
        ),
        click.option("--otel", is_flag=True, help="OpenTelemetry traces, one span a document; OTEL_* says where to."),
        click.option(
            "--metrics",
            metavar="PORT",
            callback=_address,
            help="Serve metrics for Prometheus at this port of this machine alone, or at HOST:PORT.",
        ),
    ):
        decorated = option(decorated)
    return decorated
