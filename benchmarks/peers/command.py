"""python -m benchmarks peers: Counterfoil beside its peers, the same documents and the same model server, in one run.

Each peer gets a virtual environment of its own in the cache folder, made once, with pip. Each is first run on two
documents, which is not counted: a peer that can't do that here is left out, with its last words.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..machine import Server, model_server, s3_server
from .contestants import CONTESTANTS, Contestant, Documents, Trial, write_documents
from .measure import Broken, Resumed, Whole, resumed, whole
from .report import resumed_table, whole_table

_FLOOR = "floor"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterfoil" / "peers"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    names = [contestant.name for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=100, metavar="N", help="default 100")
    parser.add_argument("--latency", type=float, default=2.0, metavar="S", help="seconds of an answer (default 2)")
    parser.add_argument("--concurrency", type=int, default=20, metavar="N", help="calls at once (default 20)")
    parser.add_argument("--rpm", type=int, metavar="N", help="calls the server accepts in any 60 s (default: all)")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"any of {', '.join(names)}")
    parser.add_argument("--s3", default="30/60", metavar="GET/PUT", help="latency of S3 in ms (default 30/60)")
    parser.add_argument("--no-kill", action="store_true", help="the first table only")
    parser.add_argument("--cache", type=Path, default=_CACHE, metavar="DIR", help="of the environments")
    parser.add_argument("--grace", type=float, metavar="S", help="seconds from half to the kill (default: latency / 2)")
    args = parser.parse_args(arguments)
    args.grace = args.latency / 2 if args.grace is None else args.grace
    return args


@dataclass(slots=True)
class _Hall:
    """Where they meet: the S3 server, the documents, and a folder and a model server for each trial."""

    folder: Path
    s3: Server
    documents: Documents
    args: argparse.Namespace
    trials: int = 0

    def trial(self, stack: ExitStack, documents: Documents, latency: float, *options: str) -> Trial:
        self.trials += 1
        folder = self.folder / f"trial-{self.trials}"
        folder.mkdir()
        model = stack.enter_context(model_server(latency, *options))
        return Trial(documents, model, self.s3, self.args.concurrency, folder)

    def _limit(self) -> Sequence[str]:
        return [] if self.args.rpm is None else ["--rpm", str(self.args.rpm)]

    def warmed(self, contestant: Contestant) -> None:
        """Raises `Broken` if it does not record two documents."""
        two = write_documents(self.folder / f"two-{self.trials}", 2)
        with ExitStack() as stack:
            ran = whole(contestant, self.trial(stack, two, 0.0))
        if ran.recorded != 2:
            raise Broken(f"it recorded {ran.recorded} of two documents")

    def whole(self, contestant: Contestant) -> Whole:
        with ExitStack() as stack:
            return whole(contestant, self.trial(stack, self.documents, self.args.latency, *self._limit()))

    def resumed(self, contestant: Contestant) -> Resumed:
        with ExitStack() as stack:
            trial = self.trial(stack, self.documents, self.args.latency, *self._limit())
            return resumed(contestant, trial, self.args.grace)


def _compare(hall: _Hall) -> int:
    """Prints the tables, and why somebody is missing in them."""
    runs: dict[str, Whole] = {}
    after: dict[str, Resumed] = {}
    missing: list[str] = []
    chosen = [one for one in CONTESTANTS if hall.args.only is None or one.name in hall.args.only]
    for contestant in chosen:
        print(f"measuring {contestant.name} ...", file=sys.stderr, flush=True)
        try:
            contestant.prepare(hall.args.cache)
            hall.warmed(contestant)
            runs[contestant.name] = hall.whole(contestant)
            if contestant.resumes and not hall.args.no_kill:
                after[contestant.name] = hall.resumed(contestant)
        except (Broken, subprocess.CalledProcessError) as problem:
            missing.append(f"{contestant.name}: {problem}")
    _print(hall.args, runs, after)
    for line in missing:
        print(f"left out: {line}")
    return 1 if missing else 0


def _print(args: argparse.Namespace, runs: dict[str, Whole], after: dict[str, Resumed]) -> None:
    print(f"{args.documents} documents, {args.latency:g} s an answer, N = {args.concurrency} calls at once")
    print(whole_table(runs, _FLOOR))
    if after:
        print(f"\nkill -9 of the process group {args.grace:g} s after half was answered, then run again:")
        print(resumed_table(after, runs))
    print("\nset up and resumed with:")
    for contestant in CONTESTANTS:
        if contestant.name in runs:
            print(f"  {contestant.name}: {contestant.setting}; {contestant.resumes or 'cannot resume'}")


def main(arguments: Sequence[str]) -> int:
    args = _parsed(arguments)
    get_ms, put_ms = map(float, args.s3.split("/"))
    with tempfile.TemporaryDirectory(prefix="counterfoil-peers-") as folder, s3_server(get_ms, put_ms) as s3:
        hall = _Hall(Path(folder), s3, write_documents(Path(folder, "all"), args.documents), args)
        return _compare(hall)
