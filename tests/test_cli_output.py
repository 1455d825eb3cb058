"""Where output goes, and what comes of arguments that are nearly right: real processes, as users start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.batch import invoice_pdf
from tests.test_cli import counterfoil


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OUT with one document, whose name is not in ASCII."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "in").mkdir()
    (folder / "in" / "Größe.pdf").write_bytes(invoice_pdf("N-1"))
    assert counterfoil("run", folder / "in", "--out", folder / "out", "--quiet").returncode == 0
    return folder / "out"


def shell(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A line for bash, in which `counterfoil` is ours."""
    script = f'set -o pipefail; counterfoil() {{ "{sys.executable}" -m counterfoil "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=os.environ | environ, timeout=60, check=False
    )


@pytest.mark.parametrize("command", ["list", "list --json", "show", "status", "export --format csv"])
def test_a_reader_that_has_seen_enough_is_no_error(command: str, out: Path):
    """`counterfoil list OUT | head -1` in a script with pipefail."""
    name, *options = command.split()
    document = "Größe.pdf" if name == "show" else ""
    run = shell(f"counterfoil {name} '{out}' {document} {' '.join(options)} | true")
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", ["list", "list --json", "status", "export --format jsonl"])
def test_a_full_disk_behind_stdout_is_one_sentence_and_2(command: str, out: Path):
    """However little was written."""
    name, *options = command.split()
    run = shell(f"counterfoil {name} '{out}' {' '.join(options)} > /dev/full")
    assert run.returncode == 2
    assert run.stderr.startswith("counterfoil: can't write to stdout: ")
    assert run.stderr.count("\n") == 1


def test_closed_streams_stop_nothing(out: Path):
    """As under some job schedulers."""
    assert shell(f"counterfoil list '{out}' >&-").returncode == 0
    assert shell(f"counterfoil run '{out.parent / 'in'}' --out '{out}' 2>&- >/dev/null").returncode == 0


def test_what_an_encoding_lacks_is_shown_as_an_escape(out: Path):
    """A bare C locale has only ASCII."""
    run = shell(f"counterfoil list '{out}'", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (run.returncode, run.stderr) == (0, "")
    assert "Gr\\xf6\\xdfe.pdf" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "IN", "--out", ""], "it is empty"),
        (["run", "", "--out", "OUT"], "it is empty"),
        (["list", " "], "it is empty"),
        (["run", "IN", "--out", "s3:/bucket/out"], "write s3://"),
        (["verify", "GS:bucket"], "write GS://"),
    ],
)
def test_an_empty_variable_or_a_slash_too_few_names_no_folder(arguments: list[str], said: str, out: Path):
    """Else `--out "$OUT"` would fill the current folder."""
    run = counterfoil(*(str(out.parent / "in") if a == "IN" else str(out) if a == "OUT" else a for a in arguments))
    assert run.returncode == 2
    assert said in run.stderr


def test_a_model_that_would_not_be_asked_is_refused(out: Path):
    """Who names one expects its answers."""
    run = counterfoil("run", out.parent / "in", "--out", out, "--reader", "rules", "--model", "openai:gpt-4.1-mini")
    assert run.returncode == 2
    assert "--reader rules asks no model" in run.stderr


def test_export_replaces_files_only(out: Path, tmp_path: Path):
    """A device, a pipe or a folder stays what it is, and a link keeps pointing where it did."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    refused = counterfoil("export", out, "--format", "jsonl", "--output", tmp_path / "pipe")
    assert refused.returncode == 2
    assert "no regular file" in refused.stderr
    assert (tmp_path / "pipe").is_fifo()
    assert counterfoil("export", out, "--format", "jsonl", "--output", tmp_path / "link").returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "target").read_text())["file"] == "Größe.pdf"


def test_retry_with_nothing_to_send_back_says_so(out: Path):
    """No document is failed here."""
    run = counterfoil("retry", out)
    assert (run.returncode, run.stdout) == (0, "0 documents back to pending: none is failed\n")
