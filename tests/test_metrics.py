"""What Prometheus is told of a run: exact figures over HTTP, by names that are documented, few of them."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families
from tests.batch import answer_for, invoice_pdf
from tests.model_server import KEY, Behaviour, ModelServer, by, completion, serving
from tests.servers import free_port

from counterfoil.command_run import opened_run
from counterfoil.command_run_options import Options
from counterfoil.display import Display
from counterfoil.document import Usage
from counterfoil.errors import SetupError
from counterfoil.metrics import Look, Metrics, families, follow, served

ROOT = Path(__file__).resolve().parents[1]
ALL = Look({}, Usage(), 0, 0, {}, 0, 0, 1.0, 0.0, 0, {}, 0, 1)
"""A look that knows everything."""


def options(folder: Path, **more: Any) -> Options:
    chosen = Options(str(folder / "in"), str(folder / "out"), model="openai:gpt-4.1-mini", concurrency=8)
    return replace(chosen, metrics=("127.0.0.1", free_port()), **more)


def invoices(folder: Path, count: int) -> None:
    (folder / "in").mkdir()
    for n in range(count):
        (folder / "in" / f"inv-{n:03}.pdf").write_bytes(invoice_pdf(f"N-{n:03}", 100 + n))


def answered(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """What a good model says of an invoice of ours."""
    return completion(
        answer_for(SimpleNamespace(turns=[SimpleNamespace(content=body["messages"][-1]["content"])])), body
    )


def scraped(port: int) -> dict[str, float]:
    """Every sample that is served, by `name{label="value"}`."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {_named(sample.name, sample.labels): sample.value for sample in samples}


def _named(name: str, labels: Mapping[str, str]) -> str:
    return name + ("{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else "")


@asynccontextmanager
async def run_to_its_end(chosen: Options, server: ModelServer) -> AsyncGenerator[dict[str, float]]:
    """The run, still open, with what is scraped of it."""
    async with serving(server) as url:
        environ = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY}
        async with opened_run(chosen, Display(quiet=True), environ) as (run, known):
            await run.work(known)
            assert chosen.metrics
            yield await asyncio.to_thread(scraped, chosen.metrics[1])


def test_what_is_scraped_is_what_happened(tmp_path: Path):
    """Six documents, one of them broken, and a call that is refused: each figure is exact."""
    invoices(tmp_path, 5)
    (tmp_path / "in" / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    server = ModelServer(script=by(answered))

    async def law() -> None:
        async with run_to_its_end(options(tmp_path, price="1/10"), server) as told:
            name = "counterfoil_"
            assert told[name + 'documents{status="done"}'] == 5
            assert told[name + 'documents{status="failed"}'] == 1
            assert told[name + 'documents{status="pending"}'] == 0
            assert told[name + 'documents_finished_total{status="done"}'] == 5
            assert told[name + "document_seconds_count"] == 6
            assert told[name + "calls_total"] == server.calls == 5
            assert told[name + 'call_seconds_count{outcome="answered"}'] == 5
            assert told[name + 'tokens_total{direction="input"}'] == server.input_tokens
            assert told[name + 'tokens_total{direction="output"}'] == server.output_tokens
            dollars = Decimal(server.input_tokens + 10 * server.output_tokens) / 1_000_000
            assert told[name + "cost_usd_total"] == pytest.approx(float(dollars))
            assert told[name + "calls_in_flight"] == 0
            assert told[name + "calls_refused_total"] == told[name + "calls_unknown_total"] == 0
            assert told[name + 'stage_seconds_count{stage="read"}'] == 6
            assert told[name + 'stage_seconds_count{stage="judge"}'] == 5
            assert told[name + 'stage_seconds_count{stage="record"}'] == 6
            assert told[name + "commits_total"] == told[name + "commit_seconds_count"] > 0
            assert told[name + "workers"] == 1
            assert "counterfoil_calls_allowed_per_second" not in told

    asyncio.run(law())


def test_refusals_and_the_rate_that_was_found_are_told_and_an_unknown_price_is_absent(tmp_path: Path):
    """A server that refuses some calls for the rate; a model that no price list knows."""
    invoices(tmp_path, 3)
    server = ModelServer(Behaviour(fail_429=0.5, seed=4))

    async def law() -> None:
        async with run_to_its_end(options(tmp_path, model="openai:no-such-model"), server) as told:
            refused = server.by_outcome["429"]
            assert refused > 0
            assert told["counterfoil_calls_refused_total"] == refused
            assert told['counterfoil_call_seconds_count{outcome="refused"}'] == refused
            assert told["counterfoil_calls_total"] == server.calls
            assert told["counterfoil_calls_allowed_per_second"] > 0
            assert "counterfoil_cost_usd_total" not in told

    asyncio.run(law())


def test_no_document_is_named_and_their_number_changes_no_label(tmp_path: Path):
    """As many series for one document as for twenty."""

    async def series(folder: Path) -> set[str]:
        async with run_to_its_end(options(folder), ModelServer()) as told:
            assert not any("inv-" in name for name in told)
            return set(told)

    for count in (1, 20):
        (tmp_path / str(count)).mkdir()
        invoices(tmp_path / str(count), count)
    assert asyncio.run(series(tmp_path / "1")) == asyncio.run(series(tmp_path / "20"))


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path):
    """Before anything is read or written."""
    invoices(tmp_path, 1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = ["run", tmp_path / "in", "--out", tmp_path / "out", "--metrics", str(port)]
        run = subprocess.run(
            [sys.executable, "-m", "counterfoil", *map(str, command)], capture_output=True, text=True, timeout=60
        )
    assert run.returncode == 2
    said = f"counterfoil: --metrics: can't listen on 127.0.0.1:{port} (Address already in use); name another port"
    assert run.stderr.startswith(said)
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_port_is_free_again_once_the_run_has_ended():
    """The next run in this process can have it."""
    registry = Metrics().registry
    with served(registry, "127.0.0.1", 0) as port:
        assert scraped(port)["counterfoil_loop_lag_seconds_count"] == 0
    with served(registry, "127.0.0.1", port) as again:
        assert again == port
    with pytest.raises(SetupError, match="--metrics"), served(registry, "no-such-host.invalid", 0):
        pass


def test_a_loop_that_stands_still_is_no_reason_not_to_be_scraped():
    """The last known figures are served, in about a second."""

    async def law() -> None:
        metrics = Metrics()
        follow(metrics.registry, lambda: replace(ALL, commits=7))
        with served(metrics.registry, "127.0.0.1", 0) as port:
            assert (await asyncio.to_thread(scraped, port))["counterfoil_commits_total"] == 7
            assert scraped(port)["counterfoil_commits_total"] == 7  # asked on the loop, which waits for the answer

    asyncio.run(law())


def test_docs_list_exactly_the_metrics_that_there_are():
    """Each with its type; what is not ours is left to its library."""
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(counterfoil_\w+)` \| (\w+) \|", text, re.MULTILINE))
    own = [family for family in Metrics().registry.collect() if family.name.startswith("counterfoil_")]
    found = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in (*own, *families(replace(ALL, usage=Usage(cost_usd=Decimal(1)))))
    }
    assert listed == found


def test_docs_list_every_value_of_every_label():
    """None comes as a surprise to who writes an alert."""
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    own = [family for family in Metrics().registry.collect() if family.name.startswith("counterfoil_")]
    for family in (*own, *families(ALL)):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label == "le" or f"`{value}`" in text, (family.name, label, value)
