"""One run by its seed, or the proof: ten thousand runs and every mutant, as one table."""

from __future__ import annotations

import argparse
import sys

from .mutants import MUTANTS
from .proof import one, prove


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one run, told in full")
    parser.add_argument("--mutant", type=int, help="with --seed: the number of the mutant to run it with")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.seed is None:
        return prove(options.runs, options.processes)
    if options.mutant is None:
        return one(options.seed)
    with MUTANTS[options.mutant].applied():
        return one(options.seed)


if __name__ == "__main__":
    sys.exit(main())
