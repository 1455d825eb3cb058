"""Which model a run asks and what that costs, on the command line: real processes and real HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.batch import invoice_pdf
from tests.test_cli import counterfoil, model_server

from counterfoil.prices import LIST_PRICES
from model_server import sample_invoice
from provider_server import ANTHROPIC, Reply, Server, served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one invoice, `in`, and room for `out`."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(invoice_pdf("A-1"))
    return tmp_path


def read(folder: Path, environ: dict[str, str], *options: str) -> dict[str, Any]:
    """What `run` reports of this folder."""
    run = counterfoil("run", folder / "in", "--out", folder / "out", "--json", *options, environ=environ)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_price_that_is_given_costs_a_model_that_no_list_knows(folder: Path):
    """Dollars for a million tokens in and out, to the last digit."""
    with model_server(0.0) as environ:
        report = read(folder, environ, "--model", "openai:my-own-llama", "--price", "2/30")
    assert report["paid_calls"] == 1
    cost = (2 * report["input_tokens"] + 30 * report["output_tokens"]) / Decimal(1_000_000)
    assert Decimal(report["cost_usd"]) == cost


def test_without_a_price_the_cost_of_such_a_model_is_unknown(folder: Path):
    """null, never 0; its tokens count."""
    with model_server(0.0) as environ:
        report = read(folder, environ, "--model", "openai:my-own-llama")
    assert report["cost_usd"] is None
    assert report["input_tokens"] > 0


def test_a_model_of_another_provider_reads_a_folder(folder: Path):
    """One call to Anthropic's API; its price is known, of the tokens of its cache too."""

    async def story() -> dict[str, Any]:
        async with served(Server(lambda _: Reply(ANTHROPIC.answer(sample_invoice("A-1"))))) as url:
            command = ["run", str(folder / "in"), "--out", str(folder / "out"), "--model", ANTHROPIC.spec, "--json"]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "counterfoil", *command),
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | ANTHROPIC.environ(url),
            )
            out, _ = await process.communicate()
            return json.loads(out)

    report = asyncio.run(story())
    assert (report["paid_calls"], report["input_tokens"], report["output_tokens"]) == (1, 35, 7)
    assert Decimal(report["cost_usd"]) == LIST_PRICES.cost(ANTHROPIC.spec, 35, 7, cached_tokens=20, written_tokens=5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "openai:x", "--price", "cheap"], "--price 'cheap' is no price: write INPUT/OUTPUT"),
        (["--price", "1/2"], "it needs --model PROVIDER:NAME"),
        (["--images", "always"], "it needs --model PROVIDER:NAME"),
        (["--model", "nobody:x"], "openai:NAME, anthropic:NAME, bedrock:NAME, google:NAME"),
        (["--model", "anthropic:x"], "set ANTHROPIC_API_KEY"),
        (["--model", "google:x"], "set GOOGLE_API_KEY"),
    ],
)
def test_a_model_or_a_price_that_can_not_be_gets_one_sentence(options: list[str], said: str, folder: Path):
    """And exit code 2, before anything is written."""
    environ = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"), "")
    run = counterfoil(
        "run", folder / "in", "--out", folder / "out", *options, environ=environ | {"OPENAI_BASE_URL": "http://host/v1"}
    )
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not (folder / "out").exists()
