"""`run --schema` on the command line: real processes, real HTTP; its results in `show`, `list` and every export."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest
from aiohttp import web
from benchmarks.model_server import ModelServer, completion, serving
from tests.test_cli import counterfoil
from tests.test_schema import ORDER, RECEIPT, SAID

from pdfmaker import make_pdf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two purchase orders in `in`, the user's model in `orders.py`, and room for `out`."""
    (tmp_path / "in").mkdir()
    for name in ("good", "bad"):
        text = [
            (50, 60, 10, f"Purchase order of {name}"),
            (50, 80, 10, "Paper 2 x 5.05 = 10.10"),
            (50, 100, 10, "Total"),
        ]
        (tmp_path / "in" / f"{name}.pdf").write_bytes(make_pdf([text]))
    (tmp_path / "orders.py").write_text(ORDER)
    return tmp_path


async def reply(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """The model: it misreads the total at first, and of `bad` again and again."""
    turns = body["messages"]
    bad = "Purchase order of bad" in str(turns[1]["content"])
    wrong = bad or len(turns) == 2
    SEEN.append(body)
    return completion(json.dumps(SAID | {"total": 99 if wrong else 10.1}), body)


SEEN: list[dict[str, Any]] = []


def run(folder: Path, *options: str) -> dict[str, Any]:
    """What `run` with the user's model reports of this folder."""

    async def story() -> tuple[int, bytes, bytes]:
        async with serving(ModelServer(script=reply)) as url:
            environ = os.environ | {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k"}
            command = [
                "run",
                str(folder / "in"),
                "--out",
                str(folder / "out"),
                "--model",
                "openai:some-model",
                "--json",
            ]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "counterfoil", *command, "--schema", f"{folder / 'orders.py'}:Order", *options),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environ,
            )
            out, err = await process.communicate()
            return process.returncode or 0, out, err

    SEEN.clear()
    code, out, err = asyncio.run(story())
    assert code == 0, err.decode()
    return json.loads(out)


def test_documents_of_ones_own_schema_go_the_whole_way(folder: Path):
    """A validator's words repair one answer; what can't be repaired is in review, as it was read."""
    report = run(folder)
    assert (report["done"], report["review"], report["failed"], report["paid_calls"]) == (1, 1, 0, 5)
    repairs = [body["messages"][-1]["content"] for body in SEEN if len(body["messages"]) > 2]
    assert all("the lines add up to 10.1, not to the total 99" in repair for repair in repairs)
    assert len(repairs) == 3
    assert all("You read business documents" in body["messages"][0]["content"] for body in SEEN)
    assert SEEN[0]["response_format"]["json_schema"]["name"] == "Order"

    shown = json.loads(counterfoil("show", folder / "out", "good.pdf", "--json").stdout)
    assert shown["result"]["schema"] == "Order"
    assert shown["result"]["data"]["total"] == "10.1"
    assert shown["result"]["recipe"]["schema"]["name"] == "Order"
    assert "invoice" not in shown["result"]
    words = counterfoil("show", folder / "out", "bad.pdf").stdout
    assert "schema.refused: the lines add up to 10.1, not to the total 99" in words
    assert "Café" in words
    assert "number PO-1" in counterfoil("list", folder / "out").stdout
    assert counterfoil("verify", folder / "out").returncode == 0
    check_exports(folder)
    (folder / "truth.csv").write_text("file,buyer.name,total\ngood.pdf,Café,10.1\nbad.pdf,Café,10.1\n")
    score = json.loads(counterfoil("score", folder / "out", folder / "truth.csv", "--json").stdout)
    assert score["fields"] == {"buyer.name": {"n": 2, "accuracy": 1.0}, "total": {"n": 2, "accuracy": 0.5}}
    assert score["done"]["precision"] == 1.0


def check_exports(folder: Path):
    """Every format has the schema's fields."""
    out = folder / "out"
    lines = [json.loads(line) for line in counterfoil("export", out, "--format", "jsonl").stdout.splitlines()]
    assert {line["file"]: line["data"]["total"] for line in lines} == {"good.pdf": "10.1", "bad.pdf": "99"}
    rows = list(csv.DictReader(io.StringIO(counterfoil("export", out, "--format", "csv").stdout.lstrip("\ufeff"))))
    good = next(row for row in rows if row["file"] == "good.pdf")
    assert (good["buyer.name"], good["total"], good["lines_count"], good["findings"]) == ("Café", "10.1", "1", "")
    for form in ("parquet", "xlsx"):
        assert counterfoil("export", out, "--format", form, "--output", folder / f"o.{form}").returncode == 0
    table = pyarrow.parquet.read_table(folder / "o.parquet").to_pylist()
    assert {row["total"] for row in table} == {Decimal("10.1"), Decimal(99)}
    assert json.loads(table[0]["lines"]) == [{"description": "Paper", "quantity": "2", "net": "10.1"}]
    book = openpyxl.load_workbook(folder / "o.xlsx")
    assert book.sheetnames == ["Documents", "lines"]
    assert [cell.value for cell in book["lines"][1]] == ["file", "line", "description", "quantity", "net"]
    assert book["lines"].max_row == 3


def test_the_same_bytes_by_another_schema_are_read_anew(folder: Path):
    """A finished document stays; sent back, it finds nothing to adopt where the schema has changed."""
    run(folder)
    (folder / "orders.py").write_text(ORDER.replace('"""A purchase order."""', '"""An order."""'))
    assert run(folder)["paid_calls"] == 0
    assert counterfoil("retry", folder / "out", "good.pdf").returncode == 0
    assert run(folder)["paid_calls"] == 2


def test_one_out_holds_documents_of_one_schema(folder: Path):
    """Or exports could not have columns for all of them."""
    run(folder)
    for schema in (["--schema", f"{folder / 'orders.py'}:Party"], []):
        ended = counterfoil(
            "run",
            folder / "in",
            "--out",
            folder / "out",
            *(["--model", "openai:x", *schema] if schema else []),
            environ={"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        )
        assert ended.returncode == 2
        assert "documents of another kind need an OUT of their own" in ended.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "--schema says what a model is to read; it needs --model PROVIDER:NAME"),
        (
            ["--model", "openai:x", "--reader", "rules"],
            "--reader rules reads invoices only; with --schema leave it out",
        ),
        (["--model", "openai:x"], "has no Pydantic model Nobody"),
    ],
)
def test_a_schema_that_can_not_be_used_is_one_sentence(options: list[str], why: str, folder: Path):
    """Exit code 2, before anything is made."""
    schema = f"{folder / 'orders.py'}:Nobody"
    ended = counterfoil("run", folder / "in", "--out", folder / "out", "--schema", schema, *options)
    assert ended.returncode == 2
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (folder / "out").exists()


def test_a_receipt_schema_as_a_json_file_loads_from_the_command_line(folder: Path):
    """A mistake in it is told there, too."""
    (folder / "receipt.json").write_text(json.dumps(RECEIPT | {"type": "string"}))
    ended = counterfoil(
        *("run", folder / "in", "--out", folder / "out", "--model", "openai:x"),
        *("--schema", folder / "receipt.json"),
    )
    assert ended.returncode == 2
    assert "a document is one JSON object" in ended.stderr
