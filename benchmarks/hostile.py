"""A folder of hostile files: every one must end with a status and a reason, in bounded time and memory."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .machine import Command, Finished, Peak, counterfoil, environment, watching_process
from .row import Row, Setting

_AWKWARD = "awkward-name.pdf"
_MB = 1_000_000


def hostile(setting: Setting) -> list[Row]:
    """Runs over the folder, without a model; the awkward file is laid out under each of its names."""
    assert setting.hostile is not None
    source = _lay_out(setting.hostile, setting.folder / "hostile")
    count = sum(1 for _ in source.iterdir())
    out = str(setting.folder / "out")
    options = ("run", str(source), "--out", out, "--quiet")
    with Command(setting.folder, environment(), *options) as command, watching_process(command.process.pid) as peak:
        ran = command.wait()
    records = counterfoil(setting.folder, environment(), "list", out, "--json").json()
    verify = counterfoil(setting.folder, environment(), "verify", out)
    return [_row(count, ran, records, peak, verify.code)]


def _lay_out(folder: Path, target: Path) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        if path.suffix not in (".md", ".json") and path.name != _AWKWARD:
            shutil.copyfile(path, target / path.name)
    for name in json.loads((folder / "awkward-names.json").read_text(encoding="utf-8")):
        shutil.copyfile(folder / _AWKWARD, target / name)
    return target


def _row(count: int, ran: Finished, records: Sequence[dict[str, Any]], peak: Peak, verify: int) -> Row:
    ended = [record for record in records if _is_explained(record)]
    statuses = ", ".join(f"{number} {status}" for status, number in Counter(r["status"] for r in records).items())
    unexplained = [record["document"] for record in records if not _is_explained(record)]
    return Row(
        f"{count} hostile inputs, no model",
        f"{len(ended)} of {count} ended with a reason ({statuses}){': not ' if unexplained else ''}"
        f"{', '.join(map(repr, unexplained))}; exit code {ran.code}, verify {verify}, {ran.wall_s:.1f} s, "
        f"parent {peak.parent / _MB:.0f} MB, largest worker {peak.worker / _MB:.0f} MB",
        "every one with a reason; the run ends; parent < 400 MB, worker < 1 GB",
        len(ended) == count and ran.code in (0, 1) and peak.parent < 400 * _MB and peak.worker < 1000 * _MB,
    )


def _is_explained(record: dict[str, Any]) -> bool:
    """Failed with a reason, in review with findings, or simply read."""
    why = {"failed": record.get("reason"), "review": record.get("findings"), "done": True}
    return bool(why.get(record["status"]))
