"""What the offline readers get right of a folder of invoices with ground truth, as `counterfoil score` tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .machine import counterfoil, environment
from .row import Row, Setting

_KINDS = {
    "xml and hybrid-pdf": (("xml", "hybrid-pdf"), 99.0),
    "plain-pdf": (("plain-pdf",), 85.0),
    "scan and image": (("scan", "image"), 75.0),
}


def score(setting: Setting) -> list[Row]:
    """Reads the folder without a model, and scores what was read kind by kind."""
    assert setting.invoices is not None
    out = str(setting.folder / "out")
    ran = counterfoil(setting.folder, environment(), "run", str(setting.invoices), "--out", out, "--quiet").ran()
    rows = [_kind_row(_scored(setting, out, kinds), name, target) for name, (kinds, target) in _KINDS.items()]
    return [*rows, _done_row(_scored(setting, out, ()), ran.wall_s)]


def _scored(setting: Setting, out: str, kinds: Sequence[str]) -> Mapping[str, Any]:
    assert setting.invoices is not None
    chosen = [word for kind in kinds for word in ("--kind", kind)]
    truth = str(setting.invoices / "truth")
    return json.loads(counterfoil(setting.folder, environment(), "score", out, truth, "--json", *chosen).ran().stdout)


def _kind_row(result: Mapping[str, Any], name: str, target: float) -> Row:
    overall = 100 * result["overall"]
    fields = ", ".join(f"{field} {100 * of['accuracy']:.0f}" for field, of in result["fields"].items())
    return Row(
        f"score of {name}, no model",
        f"{overall:.1f} % of {result['documents']} documents, {result['missing']} without a record, "
        f"{result['spurious']} spurious ({fields})",
        f">= {target:.0f} % overall",
        overall >= target,
    )


def _done_row(result: Mapping[str, Any], wall: float) -> Row:
    done = result["done"]
    wrong = f": {', '.join(done['wrong'])}" if done["wrong"] else ""
    return Row(
        f"documents presented as done of which {', '.join(done['keys'])} are not all right",
        f"{len(done['wrong'])} of {done['documents']} done{wrong}; {result['documents']} documents in {wall:.1f} s",
        "0",
        bool(done["documents"]) and not done["wrong"],
    )
