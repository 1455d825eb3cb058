"""Batches as users meet them: real processes, and a provider of both wire formats over real HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.batch import answer_for, invoice_pdf
from tests.batch_provider import Fate, Provider, providing

from counterfoil.model import Request, Turn

ROOT = Path(__file__).resolve().parents[1]


def answer(name: str, body: Mapping[str, Any]) -> Fate:
    """What a good model says of the document in a request of either provider."""
    turn = Turn("user", body["messages"][-1]["content"])
    return Fate(text=answer_for(Request((turn,), {}, "invoice")))


async def counterfoil(*arguments: str | Path, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "counterfoil", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("model", ["openai:gpt-4.1-mini", "anthropic:claude-sonnet-4-5"])
async def test_a_batch_from_its_submission_to_its_end(model: str, tmp_path: Path):
    """Interrupted, listed, cancelled, collected: nothing asked twice, half the price, and `verify` finds nothing."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for n in range(3):
        (source / f"{n}.pdf").write_bytes(invoice_pdf(f"N-{n}"))
    provider = Provider(answer, now=time.time, takes=3600.0)
    provider.done_at_cancel = 3
    async with providing(provider) as environ:
        run = ["run", source, "--out", out, "--model", model, "--batch", "--json"]
        process = await counterfoil(*run, environ=environ)
        async with asyncio.timeout(30):
            while not (out / "batches.json").exists() or '"submitted"' not in (out / "batches.json").read_text():
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        code, said, told = await ended(process)
        assert (code, json.loads(said)["batches_running"], json.loads(said)["pending"]) == (130, 1, 3)
        assert "1 batch with 3 requests still run" in told
        assert f"counterfoil batches {out} --cancel" in told

        code, said, _ = await ended(await counterfoil("batches", out, "--json", environ=environ))
        (batch,) = json.loads(said)
        assert (code, batch["state"], batch["said"], batch["count"]) == (0, "submitted", "in_progress", 3)

        code, said, told = await ended(await counterfoil("batches", out, "--cancel", environ=environ))
        assert (code, "1 batch was told to end" in told, batch["name"] in said) == (0, True, True)

        code, said, told = await ended(await counterfoil(*run, environ=environ))
        summary = json.loads(said)
        assert (code, summary["done"], summary["paid_calls"], summary["batches_running"]) == (0, 3, 3, 0), told
        assert len(provider.submissions) == 3

        code, said, _ = await ended(await counterfoil("verify", out, environ=environ))
        assert code == 0, said


async def test_batches_of_another_key_are_told_apart(tmp_path: Path):
    """Listing says whose they are, cancelling one by name is refused, and a run leaves their documents pending."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "one.pdf").write_bytes(invoice_pdf("ONE"))
    provider = Provider(answer, now=time.time, takes=3600.0)
    async with providing(provider) as environ:
        run = ["run", source, "--out", out, "--model", "openai:gpt-4.1-mini", "--batch"]
        process = await counterfoil(*run, environ=environ)
        async with asyncio.timeout(30):
            while not (out / "batches.json").exists() or '"submitted"' not in (out / "batches.json").read_text():
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        await ended(process)
        other = environ | {"OPENAI_API_KEY": "another-key-9876543210"}
        name = re.findall(r"cf-\w+", (out / "batches.json").read_text())[0]
        code, said, _ = await ended(await counterfoil("batches", out, environ=other))
        assert (code, "another account" in said) == (0, True)
        code, _, told = await ended(await counterfoil("batches", out, "--cancel", name, environ=other))
        assert (code, "another account" in told) == (2, True)
        code, _, told = await ended(await counterfoil(*run, environ=other))
        assert (code, "1 document left as they are" in told) == (0, True)
        code, _, told = await ended(await counterfoil("batches", out, "cf-none", environ=environ))
        assert (code, "no such batch" in told) == (2, True)


async def test_batch_needs_a_model_that_has_a_batch_api(tmp_path: Path):
    """One sentence, before anything is made."""
    other = ["--batch", "--model", "mistral:x"]
    costly = ["--batch", "--model", "openai:gpt-4.1-mini", "--max-cost", "5"]
    cases = (["--batch"], "--batch asks a model"), (other, "--batch takes"), (costly, "--max-cost does not hold")
    for arguments, said in cases:
        process = await counterfoil("run", tmp_path, "--out", tmp_path / "out", *arguments, environ={})
        code, _, told = await ended(process)
        assert (code, said in told) == (2, True)
    assert not (tmp_path / "out").exists()
