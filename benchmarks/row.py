"""One line of the table: what was measured, what came out, and what it must reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

_WIDTHS = (46, 60, 34)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a measurement is given. `folder` is empty, and deleted afterwards; latencies of S3 in milliseconds, that of
    the model in seconds."""

    folder: Path
    get_ms: float = 30.0
    put_ms: float = 60.0
    repeat: int = 3
    seconds: float = 10.0
    invoices: Path | None = None
    hostile: Path | None = None
    documents: int = 2000
    concurrency: int = 1000
    latency: float = 5.0


@dataclass(frozen=True, slots=True)
class Row:
    """`reached` None: there is no target, only a figure."""

    what: str
    measured: str
    target: str = ""
    reached: bool | None = None
    command: str = ""


def table(rows: Sequence[Row]) -> str:
    """Plain text, each row ending with the command that measures it."""
    out = [_line(("WHAT", "MEASURED", "MUST REACH"), "")]
    for row in rows:
        mark = {True: "ok", False: "MISSED", None: ""}[row.reached]
        columns = [wrap(text, width) for text, width in zip((row.what, row.measured, row.target), _WIDTHS, strict=True)]
        for index in range(max(map(len, columns))):
            cells = [column[index] if index < len(column) else "" for column in columns]
            out.append(_line(cells, mark if index == 0 else ""))
        out.append(f"    {row.command}")
    return "\n".join(out)


def _line(cells: Sequence[str], mark: str) -> str:
    return "  ".join([*(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)), mark]).rstrip()
