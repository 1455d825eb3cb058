"""The proof: many runs and every mutant, shared by a few processes, as one table."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing import get_context

from .mutants import MUTANTS
from .world import Verdict, simulate

INVARIANTS = {
    "I1": "acknowledged changes are in every later read",
    "I2": "finished once; changed then only by retry or source",
    "I3": "who was superseded finishes nothing",
    "I4": "a change takes effect once",
    "I5": "version grows by one with each accepted write",
    "I6": "a live worker knows every claim it holds",
    "I7": "done implies a result whose hash matches",
    "I8": "paid calls <= documents + calls in flight at faults",
    "I9": "faults over, everything finishes, nobody starves",
    "I10": "a cancellation loses and acknowledges nothing",
    "I11": "every call is told: what it took, or that nobody knows",
    "I13": "who reviews has seen it; approved is final for runs",
    "defect": "nothing ends with an error that is nobody's fault",
}
_CHUNK = 50
_STORY = 60


def one(seed: int) -> int:
    """Prints a run's verdict, and the history of the document that broke."""
    verdict = simulate(seed)
    _say(f"seed {seed}: {verdict.breach or 'every invariant holds'} ({verdict.virtual:.0f} virtual seconds)")
    _say("\n".join(verdict.story[-_STORY:]))
    return verdict.breach is not None


def batch(seeds: range) -> tuple[int, Counter[str], list[tuple[int, str, str]]]:
    """The runs of some seeds: how many, which invariants were held against them how often, and every breach."""
    checks: Counter[str] = Counter()
    breaches: list[tuple[int, str, str]] = []
    for seed in seeds:
        verdict = simulate(seed)
        checks += verdict.checks
        if verdict.breach:
            breaches.append((seed, verdict.breach.invariant, str(verdict.breach)))
    return len(seeds), checks, breaches


def caught(number: int, most: int) -> tuple[int, int, str]:
    """The first seed that shows a mutant, and the invariant that it breaks; ("-1", "") if none of `most` does."""
    with MUTANTS[number].applied():
        verdict = first_breach(range(most))
    if verdict is None or verdict.breach is None:
        return number, -1, ""
    return number, verdict.seed, verdict.breach.invariant


def first_breach(seeds: Iterable[int]) -> Verdict | None:
    return next((verdict for verdict in map(simulate, seeds) if verdict.breach), None)


def _caught(job: tuple[int, int]) -> tuple[int, int, str]:
    return caught(*job)


def prove(runs: int, processes: int) -> int:
    """Runs everything and prints the table; 1 if anything is not as it must be."""
    began = time.monotonic()
    chunks = [range(start, min(start + _CHUNK, runs)) for start in range(0, runs, _CHUNK)]
    checks: Counter[str] = Counter()
    breaches: list[tuple[int, str, str]] = []
    done = 0
    with get_context("spawn").Pool(processes, maxtasksperchild=None) as pool:
        for count, checked, broken in pool.imap_unordered(batch, chunks):
            done, checks = done + count, checks + checked
            breaches += broken
            _progress(f"{done} of {runs} runs, {len(breaches)} breaches")
        verdicts: list[tuple[int, int, str]] = []
        for verdict in pool.imap_unordered(_caught, [(n, runs) for n in range(len(MUTANTS))]):
            verdicts.append(verdict)
            _progress(f"{len(verdicts)} of {len(MUTANTS)} mutants")
    _progress("")
    _say("\n".join([*_invariants(runs, checks, breaches), "", *_mutants(sorted(verdicts))]))
    _say(f"\n{runs} runs and {len(MUTANTS)} mutants in {time.monotonic() - began:.0f} s")
    return int(bool(breaches) or any(seed < 0 for _, seed, _ in verdicts))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _invariants(runs: int, checks: Counter[str], breaches: list[tuple[int, str, str]]) -> Iterator[str]:
    yield f"{'invariant':64} {'runs':>7} {'checks':>10} {'breaches':>9}"
    for name, words in INVARIANTS.items():
        count = sum(invariant == name for _, invariant, _ in breaches)
        yield f"{name:7}{words:57} {runs:7} {checks[name] or runs:10} {count:9}"
    for seed, _, what in sorted(breaches)[:10]:
        yield f"  python -m tests.simulation --seed {seed}   {what[:150]}"


def _mutants(verdicts: list[tuple[int, int, str]]) -> Iterator[str]:
    yield f"{'mutant':64} {'caught by seed':>18} {'by':>9}"
    for number, seed, invariant in verdicts:
        yield f"{MUTANTS[number].name:64} {seed if seed >= 0 else 'NOT CAUGHT':>18} {invariant:>9}"
