"""How long a person waits for a short command, from the start of its process to its end."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .documents import write_invoices
from .machine import counterfoil, environment
from .row import Row, Setting

_TIMES = 10


def startup(setting: Setting) -> list[Row]:
    """`--help`, and `status` of a finished OUT in a folder; the median of ten, after one that warms the disk cache."""
    source, out = write_invoices(setting.folder / "source", 8), str(setting.folder / "out")
    counterfoil(setting.folder, environment(), "run", str(source), "--out", out, "--quiet").ran()
    helped, told = _walls(setting, "--help"), _walls(setting, "status", out)
    median = statistics.median(helped)
    return [
        Row("counterfoil --help", _spread(helped), "< 300 ms", median < 0.3),
        Row("counterfoil status, 8 documents in a folder", _spread(told)),
    ]


def _walls(setting: Setting, *arguments: str) -> Sequence[float]:
    finished = [counterfoil(setting.folder, environment(), *arguments).ran() for _ in range(_TIMES + 1)]
    return sorted(each.wall_s for each in finished[1:])


def _spread(walls: Sequence[float]) -> str:
    return f"{1000 * statistics.median(walls):.0f} ms ({1000 * walls[0]:.0f} to {1000 * walls[-1]:.0f})"
