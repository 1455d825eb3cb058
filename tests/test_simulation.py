"""The laws of the protocol under every fault at once: a small share of `make prove`, and what it has found so far."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.simulation.mutants import MUTANTS
from tests.simulation.proof import first_breach
from tests.simulation.world import simulate

SHARE = range(200)
"""Seeds of `make prove` that every `make test` runs."""
QUICK = 150
"""Seeds within which a mutant that shows early must have shown."""


def test_every_invariant_holds_in_a_share_of_the_seeds():
    """I1 to I10, whatever befell store, model and processes."""
    verdict = first_breach(SHARE)
    assert verdict is None, f"python -m tests.simulation --seed {verdict.seed}: {verdict.breach}"


FOUND = {
    306: "a claim that landed while the doubtful ones were being checked was dropped (I6)",
    1868: "a listing from before a pause, heard after it, made a live worker look silent (I8)",
    4284: "the cost of a result was counted again when the same bytes came by again (I4)",
    7882: "a worker whose heartbeat was still being read was taken for one that has left (I8)",
    8630: "a heartbeat that landed late brought an old one back, and its writer seemed silent (I8)",
    9984: "a takeover that was on its way landed after the worker had looked at its claims (I8)",
    825: "an intent that had landed was heard of after a silence, when another had the document (I8)",
    27630: "a second pause, while the first was being answered, went unnoticed (I8)",
}
"""Seeds that once broke the protocol, and how. Mutants put these defects back, and `make prove` catches them."""


@pytest.mark.parametrize("seed", FOUND)
def test_what_once_broke_holds(seed: int):
    """Each seed that found a defect."""
    verdict = simulate(seed)
    assert verdict.breach is None, f"{verdict.breach}; once: {FOUND[seed]}"


def test_a_run_is_the_same_whenever_its_seed_is():
    """In this process and in another one with other hashes: the same writes at the same moments."""
    once, again = simulate(17), simulate(17)
    assert once.trace
    assert once.trace == again.trace
    print_it = "from tests.simulation.world import simulate; print(simulate(17).trace)"
    for hashes in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", print_it],
            env=os.environ | {"PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == once.trace.strip()


@pytest.mark.parametrize(
    "name",
    [
        "a 412 is believed",
        "no fence",
        "changes applied twice",
        "plain PUT for the conditional one",
        "acknowledged before the PUT",
    ],
)
def test_each_mutant_of_the_design_is_caught(name: str):
    """A checker that lets one of these five pass proves nothing."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with mutant.applied():
        assert first_breach(range(QUICK)) is not None


def test_a_failing_run_tells_its_seed_and_the_history_of_the_document_that_broke(capsys: pytest.CaptureFixture[str]):
    """Enough to begin with: what was written of the document, and what befell whom."""
    from tests.simulation.proof import one

    mutant = next(mutant for mutant in MUTANTS if mutant.name == "takeover under the same attempt")
    with mutant.applied():
        verdict = first_breach(range(QUICK))
        assert verdict is not None
        assert verdict.breach is not None
        assert one(verdict.seed) == 1
    told = capsys.readouterr().out
    assert f"seed {verdict.seed}: {verdict.breach}" in told
    assert "'planned'" in told
