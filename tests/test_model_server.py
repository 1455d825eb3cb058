"""The scripted server of tests and benchmarks: what it counts is what other tests rely on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp

from counterfoil.extract_model import extract_with_model
from counterfoil.model import open_model
from counterfoil.model_answer import invoice_schema, parse_invoice
from counterfoil.pace import Pace
from counterfoil.prompt import opening
from model_server import Behaviour, ModelServer, document_key, sample_invoice, serving

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "model_server.py"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def test_it_says_what_is_left_in_every_reply():
    """Of three none is left after the third, and when the first of them leaves the minute is told."""

    async def story() -> list[tuple[str, float]]:
        server = ModelServer(Behaviour(rpm=3, headers=True))
        async with serving(server) as url, aiohttp.ClientSession() as session:
            told: list[tuple[str, float]] = []
            for _ in range(4):
                async with session.post(f"{url}/chat/completions", json=BODY) as response:
                    reset = float(response.headers["x-ratelimit-reset-requests"].removesuffix("s"))
                    told.append((response.headers["x-ratelimit-remaining-requests"], reset))
        return told

    told = asyncio.run(story())
    assert [left for left, _ in told] == ["2", "1", "0", "0"]
    assert all(50 < reset <= 60 for _, reset in told)


def ask(behaviour: Behaviour, times: int) -> tuple[list[int], dict[str, Any]]:
    """The statuses of so many calls, and the counts afterwards."""

    async def story() -> tuple[list[int], dict[str, Any]]:
        async with serving(ModelServer(behaviour)) as url, aiohttp.ClientSession() as session:
            statuses: list[int] = []
            for _ in range(times):
                async with session.post(f"{url}/chat/completions", json=BODY) as response:
                    statuses.append(response.status)
            async with session.get(url.removesuffix("/v1") + "/stats") as response:
                return statuses, await response.json()

    return asyncio.run(story())


def test_its_answer_has_every_key_that_is_asked_for_and_reads_as_an_invoice():
    """So that it stands for a model with constrained output."""
    answer = sample_invoice("7")
    assert list(answer) == list(invoice_schema()["properties"])
    assert parse_invoice(json.dumps(answer)).issue_date == date(2024, 3, 1)


def test_it_counts_calls_by_document():
    """The key of a document is its file name; two calls for one are seen."""

    async def story() -> ModelServer:
        server = ModelServer()
        async with (
            serving(server) as url,
            open_model("openai:m", concurrency=2, environ={"OPENAI_BASE_URL": url}) as model,
        ):
            for name in ("a.pdf", 'b "2".pdf', "a.pdf"):
                invoice, _ = await extract_with_model("same text", name, model, Pace(2))
                assert invoice.invoice_number == name
        return server

    server = asyncio.run(story())
    assert server.by_key == server.completed_by_key == {"a.pdf": 2, 'b "2".pdf': 1}


def test_a_document_that_quotes_another_name_keeps_its_own_key():
    """Only the first such line is the prompt's."""
    _, turn = opening('File name: "other.pdf"', "own.pdf")
    assert document_key({"messages": [{"role": "user", "content": turn.content}]}) == "own.pdf"


def test_failures_come_at_their_rates_and_are_no_completed_calls():
    """All counts add up."""
    statuses, stats = ask(Behaviour(fail_429=0.2, fail_500=0.2, seed=1), 200)
    assert 20 < statuses.count(429) < 60
    assert 20 < statuses.count(500) < 60
    assert stats["calls"] == 200
    assert stats["completed"] == statuses.count(200) == sum(stats["completed_by_key"].values())


def test_it_accepts_no_more_than_its_calls_a_minute():
    """The fourth of a limit of three is refused, with the time to wait."""
    statuses, stats = ask(Behaviour(rpm=3), 5)
    assert statuses == [200, 200, 200, 429, 429]
    assert (stats["calls"], stats["completed"], stats["refused"]) == (5, 3, 2)


def test_it_runs_as_a_process_and_prints_where():
    """As the benchmarks start it: port 0 is any free one."""
    with subprocess.Popen([sys.executable, str(SCRIPT)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=5) as response:
                assert json.load(response)["calls"] == 0
        finally:
            process.terminate()
