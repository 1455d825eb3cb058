"""What the offline readers get right, by the score of a folder of invoices with ground truth (its own `score.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from .machine import counterfoil, environment
from .row import Row, Setting

_KINDS = {"xml and hybrid-pdf": (("xml", "hybrid-pdf"), 97.0), "plain-pdf": (("plain-pdf",), 70.0)}


def score(setting: Setting) -> list[Row]:
    """Reads the folder without a model, and scores what was read kind by kind."""
    assert setting.invoices is not None
    out, lines = str(setting.folder / "out"), setting.folder / "records.jsonl"
    ran = counterfoil(setting.folder, environment(), "run", str(setting.invoices), "--out", out, "--quiet").ran()
    counterfoil(setting.folder, environment(), "export", out, "--format", "jsonl", "--output", str(lines)).ran()
    rows = [_kind_row(setting.invoices, lines, name, *rest) for name, rest in _KINDS.items()]
    records = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    return [*rows, _gross_row(setting.invoices / "truth", records, ran.wall_s)]


def _kind_row(invoices: Path, lines: Path, name: str, kinds: Sequence[str], target: float) -> Row:
    chosen = [word for kind in kinds for word in ("--kind", kind)]
    command = [sys.executable, str(invoices / "score.py"), str(lines), "--json", *chosen]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    overall = 100 * result["overall"]
    fields = ", ".join(f"{field} {100 * of['accuracy']:.0f}" for field, of in result["fields"].items())
    return Row(
        f"score of {name}, no model",
        f"{overall:.1f} % of {result['documents']} documents, {result['missing']} without a record, "
        f"{result['spurious']} spurious ({fields})",
        f">= {target:.0f} % overall",
        overall >= target,
    )


def _gross_row(truths: Path, records: Sequence[dict[str, Any]], wall: float) -> Row:
    done = [record for record in records if record["status"] == "done"]
    wrong = [record["file"] for record in done if not _gross_is_right(truths, record)]
    empty = sum(record["gross_total"] is None for record in done)
    return Row(
        "documents presented as done whose gross total is wrong",
        f"{len(wrong)} of {len(done)} done{': ' if wrong else ''}{', '.join(wrong)} ({empty} of them without one); "
        f"{len(records)} documents in {wall:.1f} s",
        "0",
        bool(done) and not wrong,
    )


def _gross_is_right(truths: Path, record: dict[str, Any]) -> bool:
    """A total that was not given presents nothing wrong; the sign of a credit note is left aside, as in the score."""
    truth = json.loads((truths / f"{record['file']}.json").read_text(encoding="utf-8"))
    if record["gross_total"] is None or truth.get("gross_total") is None:
        return True
    got, expected = Decimal(record["gross_total"]), Decimal(str(truth["gross_total"]))
    if truth.get("doc_type") == "credit_note":
        got, expected = abs(got), abs(expected)
    return abs(got - expected) < Decimal("0.005")
