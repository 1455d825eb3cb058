"""Hostile documents of our own making end with the right reason, within the time and the memory of a worker process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from tests.hostile_made import HOSTILE, mail_with_odd_names, zip_of_one_name, zip_that_lies_about_sizes

from counterfoil.containers import extract, parts_of
from counterfoil.document import Finding, Limits
from counterfoil.errors import InputError
from counterfoil.extract import Examined, examine
from counterfoil.offload import Offload

_LIMITS = Limits(seconds=8.0, max_cells=50_000)


def _said(outcome: Any) -> str:
    """What a person is told of a document."""
    if isinstance(outcome, InputError):
        return str(outcome)
    assert isinstance(outcome, Examined)
    findings: tuple[Finding, ...] = outcome.extraction.findings if outcome.extraction else ()
    return " ".join(f.message for f in findings) if outcome.parts else f"read: {outcome.reading.text.strip()}"


async def _all() -> dict[str, Any]:
    """Each in a worker process, as a run would have it."""
    async with Offload(workers=2, limits=_LIMITS) as offload:

        async def outcome_of(make: Callable[[], bytes]) -> Any:
            try:
                return await offload.run(examine, make(), "auto", False, _LIMITS, date(2026, 1, 1))
            except InputError as exc:
                return exc

        outcomes = await asyncio.gather(*(outcome_of(make) for make, _ in HOSTILE.values()))
    return dict(zip(HOSTILE, outcomes, strict=True))


@pytest.fixture(scope="module")
def ended() -> dict[str, Any]:
    return asyncio.run(_all())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_ends_with_its_reason(name: str, ended: dict[str, Any]):
    """The right one, and never as an invoice that is done."""
    outcome = ended[name]
    assert re.search(HOSTILE[name][1], _said(outcome)), _said(outcome)[:300]
    assert "crashed" not in _said(outcome)
    if isinstance(outcome, Examined) and outcome.extraction and not outcome.parts:
        assert outcome.extraction.status == "review"


def test_a_size_that_lies_is_found_out_when_the_part_is_taken_out():
    """Not a byte more than the directory says is unpacked."""
    archive = zip_that_lies_about_sizes()
    assert [part.size for part in parts_of(archive, Limits())] == [100]
    assert "damaged in its archive" in str(extract(archive, "a.pdf", Limits(), 0)["a.pdf"])


@pytest.mark.parametrize("make", [mail_with_odd_names, zip_of_one_name])
def test_hostile_names_become_safe_and_unique(make: Any):
    """No way out, nothing hidden, nothing longer than a screen, no two alike."""
    names = [part.name for part in parts_of(make(), Limits())]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.isprintable()
        assert len(name) <= 400
        assert not name.startswith("/")
        assert ".." not in name.split("/")
