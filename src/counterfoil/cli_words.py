"""Arguments, options and the way to run things that several commands of the command line share."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

T = TypeVar("T")


def location(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Refuses what would be taken for a folder by mistake: an empty variable, a URL with a slash too few."""
    if not value.strip():
        raise click.BadParameter("it is empty; name a folder or a URL (. is this folder)")
    scheme = re.match(r"(s3|gs|gcs|az|azure|file):(?!//)", value, re.IGNORECASE)
    if scheme:
        raise click.BadParameter(f"{value}: write {scheme[1]}://... for a URL, ./{value} for a folder of this name")
    return value


OUT = click.argument("out", metavar="OUT", callback=location)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def run_to_end(work: Coroutine[Any, Any, T], *, logged: bool = False) -> T:
    """Runs a command's work on a loop of its own; what is waited for is said on stderr, unless all of it is `logged`
    there."""
    if not logged:
        from .display import Waiting

        logging.getLogger("counterfoil").addHandler(Waiting())
    return asyncio.run(work)
