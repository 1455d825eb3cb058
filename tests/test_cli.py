"""The command line as users meet it: real processes, files and a model server; exit codes and every printed key."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from tests import servers
from tests.batch import invoice_pdf

from counterfoil.cli import cli
from pdfmaker import make_pdf

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "samples"
KEYS = (
    "documents done review failed approved rejected pending paid_calls adopted input_tokens output_tokens cost_usd "
    "wall_s commits conflicts batches_running unknown_calls containers"
)
MODEL = "openai:gpt-4.1-mini"


def counterfoil(*arguments: str | Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "counterfoil", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | (environ or {}),
        timeout=90,
        check=False,
    )


def started(*arguments: str | Path, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "counterfoil", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | environ,
    )


@contextmanager
def model_server(latency: float) -> Generator[dict[str, str]]:
    """The environment to reach a model server in a process of its own."""
    port = servers.free_port()
    command = [sys.executable, "-m", "benchmarks.model_server", "--port", str(port), "--latency", str(latency)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        yield {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "none"}
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OUT made from the samples, with one file that can't be read among them."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(SAMPLES, folder / "in")
    (folder / "in" / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    run = counterfoil("run", folder / "in", "--out", folder / "out", "--json")
    assert run.returncode == 1
    return folder / "out"


def invoices(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        (folder / f"inv-{n:03}.pdf").write_bytes(invoice_pdf(f"N-{n:03}", 100 + n))
    return folder


def test_run_prints_one_object_with_exactly_the_promised_keys(tmp_path: Path):
    """On stdout, and nothing else there."""
    run = counterfoil("run", SAMPLES, "--out", tmp_path / "out", "--json")
    summary = json.loads(run.stdout)
    assert run.returncode == 0
    assert list(summary) == KEYS.split()
    assert (summary["documents"], summary["done"] + summary["review"], summary["pending"]) == (6, 6, 0)
    assert (summary["paid_calls"], summary["cost_usd"]) == (0, "0")


def test_run_again_resumes_and_reads_nothing_twice(tmp_path: Path):
    """No manifest write the second time."""
    counterfoil("run", SAMPLES, "--out", tmp_path / "out", "--quiet")
    again = json.loads(counterfoil("run", SAMPLES, "--out", tmp_path / "out", "--json").stdout)
    assert (again["documents"], again["commits"], again["adopted"]) == (6, 0, 0)


def test_failed_documents_are_named_with_their_reason_and_exit_with_1(demo: Path):
    """The others are read all the same."""
    run = counterfoil("run", demo.parent / "in", "--out", demo, "--json")
    assert run.returncode == 1
    assert re.search(r"failed: broken\.pdf: \S+", run.stderr)
    assert json.loads(run.stdout)["failed"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "no-such-folder", "--out", "OUT"], "no such file or folder"),
        (["run", "samples", "--out", "ftp://host/x"], "unknown scheme ftp://"),
        (["run", "gopher://x", "--out", "OUT"], "unknown scheme gopher://"),
        (["run", "samples"], "--out"),
        (["run", "samples", "--out", "OUT", "--model", "nobody:x"], "openai:NAME"),
        (["run", "samples", "--out", "OUT", "--model", "openai:gpt-4.1-mini"], "OPENAI_API_KEY"),
        (["run", "samples", "--out", "OUT", "--reader", "model"], "--model PROVIDER:NAME"),
        (["run", "samples", "--out", "OUT", "--concurrency", "0"], "--concurrency"),
        (["run", "samples", "--out", "pyproject.toml"], "is a file"),
        (["status", "OUT"], "no manifest here"),
        (["list", "OUT"], "no manifest here"),
        (["show", "OUT", "x.pdf"], "no manifest here"),
        (["export", "OUT", "--format", "jsonl"], "no manifest here"),
        (["export", "OUT", "--format", "yaml"], "--format"),
        (["retry", "OUT"], "no manifest here"),
        (["verify", "OUT"], "no manifest here"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_usage_and_set_up_get_one_sentence_and_exit_with_2(arguments: list[str], said: str, tmp_path: Path):
    """Never a traceback."""
    environ = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    run = counterfoil(*(a.replace("OUT", str(tmp_path / "out")) for a in arguments), environ=environ)
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_a_run_that_may_not_open_enough_connections_says_so_before_it_begins(tmp_path: Path):
    """One sentence that names the limit, and nothing is made."""
    run = f"run {tmp_path} --out {tmp_path}/out --model openai:any --concurrency 1000"
    command = ["bash", "-c", f"ulimit -n 256; exec {sys.executable} -m counterfoil {run}"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--concurrency 1000 needs" in ended.stderr
    assert "may have 256" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_list_show_and_status_tell_the_same_story(demo: Path):
    """Seven documents, one failed; the invoice of a sample; JSON for programs."""
    records = json.loads(counterfoil("list", demo, "--json").stdout)
    failed = json.loads(counterfoil("list", demo, "--status", "failed", "--json").stdout)
    status = json.loads(counterfoil("status", demo, "--json").stdout)
    shown = json.loads(counterfoil("show", demo, "mustang-505.hybrid.pdf", "--json").stdout)
    assert len(records) == status["documents"] == 7
    assert [record["document"] for record in failed] == ["broken.pdf"]
    assert status["failed"] == 1
    assert shown["result"]["invoice"]["gross_total"] == "571.04"
    assert shown["record"]["status"] == "done"
    for command in (
        ["list", demo],
        ["status", demo],
        ["show", demo, "mustang-505.hybrid.pdf"],
        ["show", demo, "broken.pdf"],
    ):
        run = counterfoil(*command)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.strip()


def test_of_an_invoice_that_is_there_twice_both_documents_are_named_everywhere(tmp_path: Path):
    """With `--duplicates note` the second is done all the same, and is read and paid for once."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.xml", "b.xml"):
        shutil.copy(SAMPLES / "xrechnung-0101-ubl.xml", folder / name)
    out = tmp_path / "out"
    run = counterfoil("run", folder, "--out", out, "--duplicates", "note")
    assert "2 done, 0 in review" in run.stdout
    assert json.loads(counterfoil("verify", out, "--json").stdout)["breaches"] == []
    records = {r["document"]: r for r in json.loads(counterfoil("list", out, "--json").stdout)}
    [second] = [name for name, record in records.items() if "duplicate" in record]
    [first] = records.keys() - {second}
    assert records[first]["duplicates"] == [second]
    assert (records[second]["duplicate"]["of"], records[second]["adopted"]) == (first, True)
    status = json.loads(counterfoil("status", out, "--json").stdout)
    assert (status["duplicates"], status["duplicates_named"]) == (1, [{"document": second, "of": first}])
    assert f"1 duplicate: {second} is {first} again" in counterfoil("status", out).stdout
    assert second in counterfoil("show", out, first).stdout
    assert first in counterfoil("show", out, second).stdout
    listed = counterfoil("list", out).stdout
    assert f"again as {second}" in listed
    assert f"duplicate.bytes of {first}" in listed
    table = csv.DictReader(io.StringIO(counterfoil("export", out, "--format", "csv").stdout.removeprefix("\ufeff")))
    assert {row["file"]: (row["duplicate_of"], row["duplicates"]) for row in table} == {
        first: ("", second),
        second: (first, ""),
    }


def test_an_unknown_document_is_a_sentence(demo: Path):
    """With a hint where the names are."""
    run = counterfoil("show", demo, "nobody.pdf")
    assert run.returncode == 2
    assert "no such document" in run.stderr


def test_export_writes_one_record_a_document_with_money_as_text(demo: Path, tmp_path: Path):
    """jsonl and csv to stdout or a file; parquet and xlsx to a file."""
    lines = counterfoil("export", demo, "--format", "jsonl").stdout.splitlines()
    records = {record["file"]: record for record in map(json.loads, lines)}
    assert len(records) == 7
    assert records["mustang-505.hybrid.pdf"]["gross_total"] == "571.04"
    assert records["broken.pdf"]["status"] == "failed"
    table = list(csv.DictReader(io.StringIO(counterfoil("export", demo, "--format", "csv").stdout.lstrip("\ufeff"))))
    assert len(table) == 7
    for form in ("jsonl", "csv", "parquet", "xlsx"):
        target = tmp_path / f"all.{form}"
        assert counterfoil("export", demo, "--format", form, "--output", target).returncode == 0
        assert target.stat().st_size > 100
    assert counterfoil("export", demo, "--format", "xlsx").returncode == 2
    assert counterfoil("export", demo, "--format", "csv", "--output", tmp_path / "no" / "where").returncode == 2


def test_retry_sends_failed_documents_back_and_keeps_their_history(tmp_path: Path):
    """Once mended, the next run reads it."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.pdf").write_bytes(b"%PDF-1.4 broken")
    out = tmp_path / "out"
    counterfoil("run", source, "--out", out, "--quiet")
    retried = counterfoil("retry", out)
    assert (retried.returncode, retried.stdout[:1]) == (0, "1")
    assert json.loads(counterfoil("status", out, "--json").stdout)["pending"] == 1
    (source / "a.pdf").write_bytes(invoice_pdf("A"))
    counterfoil("run", source, "--out", out, "--quiet")
    record = json.loads(counterfoil("show", out, "a.pdf", "--json").stdout)["record"]
    assert record["status"] in ("done", "review")
    assert [e["event"] for e in record["history"]].count("retried") == 1
    assert counterfoil("retry", out, "nobody.pdf").returncode == 2
    assert counterfoil("verify", out).returncode == 0


def test_retry_of_a_reviewed_document_reads_it_anew(tmp_path: Path):
    """Not from its old result: the user asked for another reading."""
    source, out = invoices(tmp_path / "in", 1), tmp_path / "out"
    with model_server(0) as environ:
        for expected in (1, 1):
            run = counterfoil("run", source, "--out", out, "--model", MODEL, "--json", environ=environ)
            assert json.loads(run.stdout)["paid_calls"] == expected
            assert counterfoil("retry", out, "inv-000.pdf").returncode == 0
    assert counterfoil("verify", out).returncode == 0


def test_verify_names_a_breach_and_exits_with_1(demo: Path, tmp_path: Path):
    """A result that somebody edited."""
    assert counterfoil("verify", demo).returncode == 0
    shutil.copytree(demo, tmp_path / "out")
    victim = next((tmp_path / "out" / "results").rglob("*.json"))
    victim.write_bytes(victim.read_bytes().replace(b"invoice", b"invoyce"))
    run = counterfoil("verify", tmp_path / "out", "--json")
    assert run.returncode == 1
    assert [b["invariant"] for b in json.loads(run.stdout)["breaches"]] == ["I7"]


def test_a_run_that_was_killed_is_resumed_at_once_and_pays_again_only_for_calls_in_flight(tmp_path: Path):
    """kill -9 in the middle; the next run on this host does not wait for the lease."""
    source, out = invoices(tmp_path / "in", 30), tmp_path / "out"
    with model_server(0.5) as environ:
        arguments = ("run", source, "--out", out, "--model", MODEL, "--concurrency", "5", "--json")
        first = started(*arguments, environ=environ)
        shard = out / "manifest" / "0000.json"
        while not shard.exists() or not re.search(rb'"status": "(done|review)"', shard.read_bytes()):
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.wait()
        began = time.monotonic()
        second = counterfoil(*arguments, environ=environ)
        assert time.monotonic() - began < 20
        summary = json.loads(second.stdout)
        assert (summary["documents"], summary["pending"], summary["failed"]) == (30, 0, 0)
        assert _calls(environ) <= 30 + 5
    assert counterfoil("verify", out).returncode == 0


def test_two_runs_at_once_share_the_documents_and_pay_for_each_once(tmp_path: Path):
    """Started together on one folder."""
    source, out = invoices(tmp_path / "in", 40), tmp_path / "out"
    with model_server(0.3) as environ:
        arguments = ("run", source, "--out", out, "--model", MODEL, "--concurrency", "4", "--json")
        runs = [started(*arguments, environ=environ) for _ in range(2)]
        summaries = [json.loads(run.communicate(timeout=80)[0]) for run in runs]
        assert _calls(environ) == 40
    assert [summary["pending"] for summary in summaries] == [0, 0]
    assert sum(summary["paid_calls"] for summary in summaries) == 40
    assert counterfoil("verify", out).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_leaves_no_claim_behind(number: signal.Signals, tmp_path: Path):
    """What was in flight is recorded, the rest is pending and free."""
    source, out = invoices(tmp_path / "in", 30), tmp_path / "out"
    with model_server(1) as environ:
        run = started("run", source, "--out", out, "--model", MODEL, "--concurrency", "3", environ=environ)
        while not _calls(environ):
            time.sleep(0.02)
        run.send_signal(number)
        _, errors = run.communicate(timeout=60)
        assert run.returncode == 130
        assert "Traceback" not in errors
        status = json.loads(counterfoil("status", out, "--json").stdout)
        assert (status["running"], status["workers_alive"]) == (0, 0)
        assert status["done"] + status["review"] == status["calls"] == _calls(environ)


def test_file_names_that_would_upset_a_terminal_are_read_and_shown_safely(tmp_path: Path):
    """Spaces, newline, quotes, a leading dash, 250 bytes, no UTF-8."""
    source = tmp_path / "in"
    source.mkdir()
    names = [
        b"  two  spaces .pdf",
        b"-rf.pdf",
        b"line\nbreak.pdf",
        b"quote'\"$(id);&.pdf",
        b"L" * 246 + b".pdf",
        b"\xff.pdf",
    ]
    for n, name in enumerate(names):
        (source / os.fsdecode(name)).write_bytes(invoice_pdf(f"N-{n}"))
    (source / "Rechnung Größe №7 請求書.pdf").write_bytes(invoice_pdf("N-U"))
    run = counterfoil("run", source, "--out", tmp_path / "out")
    assert run.returncode == 0
    assert "line\\nbreak.pdf" in run.stdout
    assert len(json.loads(counterfoil("list", tmp_path / "out", "--json").stdout)) == 7
    assert counterfoil("show", tmp_path / "out", "--", "-rf.pdf").returncode == 0


def test_relative_paths_that_climb_are_paths_like_any_other(tmp_path: Path):
    """`../invoices` as SOURCE and `../out` as OUT."""
    here = os.path.relpath(tmp_path, ROOT)
    assert here.startswith("..")
    invoices(tmp_path / "in", 2)
    run = counterfoil("run", f"{here}/in", "--out", f"{here}/x/../out", "--json")
    assert (run.returncode, json.loads(run.stdout)["failed"]) == (0, 0)
    assert (tmp_path / "out" / "manifest.json").exists()


def test_the_source_itself_can_be_the_out(tmp_path: Path):
    """What Counterfoil wrote is never read as a document, not even with an --include that takes everything."""
    source = invoices(tmp_path / "in", 2)
    for _ in range(2):
        run = counterfoil("run", source, "--out", source, "--include", "*", "--json")
        assert (run.returncode, json.loads(run.stdout)["documents"]) == (0, 2)


def test_an_empty_folder_is_said_and_is_no_error(tmp_path: Path):
    """A nightly job with nothing to do."""
    (tmp_path / "in").mkdir()
    run = counterfoil("run", tmp_path / "in", "--out", tmp_path / "out", "--json")
    assert (run.returncode, json.loads(run.stdout)["documents"]) == (0, 0)


def test_a_single_file_can_be_the_source(tmp_path: Path):
    """Its name is its id."""
    (tmp_path / "one.pdf").write_bytes(make_pdf([[(50, 50, 12, "Invoice 1")]]))
    counterfoil("run", tmp_path / "one.pdf", "--out", tmp_path / "out", "--quiet")
    assert [r["document"] for r in json.loads(counterfoil("list", tmp_path / "out", "--json").stdout)] == ["one.pdf"]


def test_every_command_and_option_is_documented():
    """docs/cli.md names each of them."""
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        assert f"`counterfoil {name} " in text, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(option in text for option in parameter.opts if option.startswith("--")), parameter.opts


def _calls(environ: Mapping[str, str]) -> int:
    import urllib.request

    with urllib.request.urlopen(environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/stats") as reply:
        return json.load(reply)["calls"]
