"""python -m benchmarks [ROW]... : measures, and prints one table of what came out beside what must be reached.

`python -m benchmarks peers` compares with other tools instead, `scale-sim` simulates many workers, and `cost-model`
works out their requests; each has options of its own.

Run it in the root of the repository. Servers and temporary folders are gone when it ends, however it ends.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

from .batch import batch, shared
from .cluster import cluster
from .cost_model import main as cost_model
from .faults import faults
from .hostile import hostile
from .million import million
from .pacing import pacing
from .page import page
from .peers.command import main as peers
from .quality import score
from .reading import reading
from .row import Row, Setting, table
from .scale import in_flight, scale
from .scale_sim import main as scale_sim
from .startup import startup
from .updates import updates, ways

ROWS: Mapping[str, Callable[[Setting], list[Row]]] = {
    "batch": batch,
    "shared": shared,
    "updates": updates,
    "ways": ways,
    "pacing": pacing,
    "faults": faults,
    "scale": scale,
    "in-flight": in_flight,
    "million": million,
    "score": score,
    "hostile": hostile,
    "reading": reading,
    "startup": startup,
    "page": page,
    "cluster": cluster,
}
_NEEDS = {"score": "invoices", "hostile": "hostile", "million": "documents"}


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all that can be run if none")
    parser.add_argument("--s3", default="30/60", metavar="GET/PUT", help="latency of S3 in ms (default 30/60)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of `batch`, of which the median counts (default 3)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long `updates` goes on (default 10)")
    parser.add_argument("--invoices", type=Path, metavar="DIR", help="invoices with truth/, for `score`")
    parser.add_argument("--hostile", type=Path, metavar="DIR", help="hostile files, for `hostile`")
    parser.add_argument("--documents", type=int, metavar="N", help="of `scale` (default 2000) and `million`")
    parser.add_argument("--concurrency", type=int, default=1000, help="calls at once in `scale` (default 1000)")
    parser.add_argument("--latency", type=float, default=5.0, help="seconds an answer takes in `scale` (default 5)")
    parser.add_argument("--json", action="store_true", help="print a list of rows instead of the table")
    args = parser.parse_args(arguments)
    if unknown := [row for row in args.rows if row not in ROWS]:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if "cluster" in args.rows and find_spec("ray") is None:
        parser.error("cluster needs Ray: pip install 'counterfoil[ray]'")
    for row in args.rows:
        if row in _NEEDS and getattr(args, _NEEDS[row]) is None:
            parser.error(f"{row} needs --{_NEEDS[row]} DIR")
    return args


def _chosen(args: argparse.Namespace) -> Sequence[str]:
    can_be = [row for row in ROWS if row not in _NEEDS or getattr(args, _NEEDS[row]) is not None]
    return args.rows or [row for row in can_be if row != "cluster" or find_spec("ray")]


def _command(row: str, args: argparse.Namespace) -> str:
    """What measures this row alone, as it was measured now."""
    words = ["python", "-m", "benchmarks", row]
    if row in ("batch", "shared", "updates", "ways", "scale", "cluster"):
        words += ["--s3", args.s3]
    if row == "scale":
        words += ["--concurrency", str(args.concurrency), "--latency", f"{args.latency:g}"]
    if row in _NEEDS:
        words += [f"--{_NEEDS[row]}", str(getattr(args, _NEEDS[row]))]
    return shlex.join(words)


def _measure(row: str, setting: Setting, command: str) -> list[Row]:
    print(f"measuring {row} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        return [replace(line, command=command) for line in ROWS[row](replace(setting, folder=Path(folder)))]


_APART: Mapping[str, Callable[[Sequence[str]], int]] = {
    "peers": peers,
    "scale-sim": scale_sim,
    "cost-model": cost_model,
}


def _apart(name: str, arguments: Sequence[str]) -> int:
    try:
        return _APART[name](arguments)
    except KeyboardInterrupt:
        return 130


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every `finally` runs
    if sys.argv[1:] and sys.argv[1] in _APART:
        return _apart(sys.argv[1], sys.argv[2:])
    args = _parsed(sys.argv[1:])
    get_ms, put_ms = map(float, args.s3.split("/"))
    setting = Setting(
        Path(),
        get_ms,
        put_ms,
        args.repeat,
        args.seconds,
        args.invoices,
        args.hostile,
        args.documents or 2000,
        args.concurrency,
        args.latency,
    )
    try:
        rows = [line for row in _chosen(args) for line in _measure(row, setting, _command(row, args))]
    except KeyboardInterrupt:
        return 130
    print(json.dumps([asdict(row) for row in rows], indent=2) if args.json else table(rows))
    return 1 if any(row.reached is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
