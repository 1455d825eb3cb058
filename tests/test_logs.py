"""Log lines: one an event, whatever is in it, and nothing else on stderr."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.batch import invoice_pdf
from tests.test_cli import MODEL, model_server

from counterfoil.document import Usage
from counterfoil.events import (
    CallEnded,
    Claimed,
    Company,
    CostReached,
    Ended,
    Event,
    Joined,
    Left,
    RunEnded,
    RunStarted,
    Slowed,
    StageEnded,
)
from counterfoil.logs import Lines, LogFormat, Logs, failed

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = 'a\nb\r\x1b[31m"quoted"\u2028\udcff=x y.pdf'
EVENTS: tuple[Event, ...] = (
    Joined("host-1"),
    RunStarted("in", "out", None),
    Company(2, 1),
    Claimed("a.pdf", 1, None),
    Claimed("a.pdf", 2, "host-2"),
    StageEnded("a.pdf", "read", 0.0, 1.0, None),
    *(CallEnded("a.pdf", 1, 0.0, 1.0, outcome) for outcome in ("answered", "refused", "unknown", "unavailable")),
    Slowed(12.0, 3),
    *(Ended("a.pdf", 1, status, 0.0, 1.0, Usage()) for status in ("done", "failed", "lost", "released")),
    CostReached(),
    RunEnded({"documents": 1}),
    Left(),
)


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Generator[Kept]:
    """What is logged while a test runs, down to the last detail."""
    handler, root = Kept(), logging.getLogger("counterfoil")
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(logging.NOTSET)


def line_of(record: logging.LogRecord, form: LogFormat = "json") -> str:
    return Lines(form).format(record)


def invoices(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        (folder / f"inv-{n:03}.pdf").write_bytes(invoice_pdf(f"N-{n:03}", 100 + n))
    return folder


def logged(*arguments: str | Path, **environ: str) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
    """A run in JSON log lines, each of them parsed: a line that is none fails the test."""
    command = [sys.executable, "-m", "counterfoil", "run", *map(str, arguments), "--log-format", "json"]
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environ, timeout=60, check=False
    )
    return [json.loads(line) for line in run.stderr.splitlines()], run


def test_a_run_is_told_in_json_lines_and_nothing_else_is_on_stderr(tmp_path: Path):
    """Two documents are read by a model, one can't be read; the report is on stdout as ever."""
    source = invoices(tmp_path / "in", 2)
    (source / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    with model_server(0.0) as environ:
        lines, run = logged(source, "--out", tmp_path / "out", "--model", MODEL, "--json", **environ)
    summary = json.loads(run.stdout)
    assert run.returncode == 1
    assert all({"time", "level", "event"} <= line.keys() for line in lines)
    events = [line["event"] for line in lines if line["event"] != "note"]
    assert events[:2] == ["worker joined", "run started"]
    assert events[-2:] == ["run ended", "worker left"]
    assert len({line["worker"] for line in lines if line["event"] != "note"}) == 1
    finished = {line["document"]: line for line in lines if line["event"] == "document finished"}
    assert sorted(finished) == ["broken.pdf", "inv-000.pdf", "inv-001.pdf"]
    assert (finished["broken.pdf"]["level"], finished["broken.pdf"]["status"]) == ("warning", "failed")
    assert finished["broken.pdf"]["reason"]
    read = [finished[f"inv-{n:03}.pdf"] for n in range(2)]
    assert [(line["reader"], line["attempt"], line["calls"]) for line in read] == [("model", 1, 1)] * 2
    assert sum(Decimal(line["cost_usd"]) for line in read) == Decimal(summary["cost_usd"]) > 0
    ended = next(line for line in lines if line["event"] == "run ended")
    assert {key: ended[key] for key in summary} == summary


def test_a_level_leaves_out_what_is_below_it(tmp_path: Path):
    """At `warning` only the document that failed is worth a line; at `debug` every stage is."""
    source = invoices(tmp_path / "in", 1)
    (source / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    warned, _ = logged(source, "--out", tmp_path / "out", "--log-level", "warning")
    assert [line["event"] for line in warned] == ["document finished"]
    detailed, _ = logged(source, "--out", tmp_path / "more", "--log-level", "debug")
    stages = [line["event"] for line in detailed if line.get("document") == "inv-000.pdf"]
    assert {"document claimed", "stage fetch", "stage read", "stage keep", "stage record"} <= set(stages)


def test_workers_that_a_run_has_started_log_to_its_stderr(tmp_path: Path):
    """In whole lines, each with its worker's name; the run's own end comes last."""
    source = invoices(tmp_path / "in", 6)
    lines, run = logged(source, "--out", tmp_path / "out", "--engine", "local[2]", "--shards", "4")
    assert run.returncode == 0
    finished = [line["document"] for line in lines if line["event"] == "document finished"]
    assert sorted(finished) == [f"inv-{n:03}.pdf" for n in range(6)]
    assert len({line["worker"] for line in lines if line["event"] == "worker joined"}) == 2
    assert (lines[-1]["event"], lines[-1]["documents"]) == ("run ended", 6)


def test_a_set_up_that_is_wrong_is_a_line_too(tmp_path: Path):
    """With exit code 2, and the sentence as its reason."""
    lines, run = logged(tmp_path / "nowhere", "--out", tmp_path / "out")
    assert run.returncode == 2
    assert [(line["level"], line["event"]) for line in lines] == [("error", "run failed")]
    assert "no such file or folder" in lines[0]["reason"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_hostile_name_stays_on_one_line_with_nothing_that_a_terminal_would_obey(form: LogFormat, kept: Kept):
    """Neither in an event nor in a note."""
    Logs()(Ended(HOSTILE, 1, "failed", 0.0, 1.0, Usage(), reason=HOSTILE))
    logging.getLogger("counterfoil.store").warning("%s", HOSTILE)
    for record in kept.records:
        line = line_of(record, form)
        assert len(line.splitlines()) == 1
        assert line.isascii()
        assert line.isprintable()
        if form == "json":
            said = json.loads(line)
            assert said.get("document", said.get("message")) == HOSTILE


def test_text_can_be_told_apart_by_programs_too(kept: Kept):
    """NAME=VALUE, in quotes where there is a space or anything odd."""
    Logs()(Ended("a b.pdf", 1, "done", 0.0, 1.25, Usage(1, 10, 5, Decimal("0.0001")), "model"))
    assert line_of(kept.records[0], "text").partition(" INFO ")[2] == (
        'document finished document="a b.pdf" attempt=1 status=done reader=model seconds=1.25 calls=1 '
        "input_tokens=10 output_tokens=5 cost_usd=0.0001 adopted=false"
    )


def test_a_cost_that_is_not_known_is_null(kept: Kept):
    """Never 0."""
    Logs()(Ended("a.pdf", 1, "done", 0.0, 1.0, Usage(1, 10, 5, None)))
    assert json.loads(line_of(kept.records[0]))["cost_usd"] is None


def test_every_event_is_documented_with_its_level(kept: Kept):
    """docs/observability.md names each."""
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    for event in EVENTS:
        Logs()(event)
    failed("no such folder")
    rows = {row.split("|")[1]: row.split("|")[2] for row in text.splitlines() if row.startswith("| `")}
    assert len(kept.records) == len(EVENTS) + 1
    for record in kept.records:
        level = next((level for names, level in rows.items() if f"`{record.getMessage()}`" in names), None)
        assert level is not None, record.getMessage()
        assert record.levelname.lower() in level
