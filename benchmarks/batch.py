"""The whole `counterfoil run` command against a model of known latency and an S3 of known latency, timed from outside.

What was recorded is counted by `counterfoil verify`, what was paid by the model server: never by the run itself.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterfoil.locations import open_store

from .documents import invoice_pdf, name, write_invoices
from .machine import (
    Command,
    Finished,
    Server,
    children_cpu_s,
    counterfoil,
    environment,
    model_server,
    s3_server,
)
from .row import Row, Setting

MODEL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One batch: the runs that shared it, and what others say of it. CPU in seconds."""

    runs: Sequence[Finished]
    wall_s: float
    paid: int
    audit: Mapping[str, Any]
    verify_code: int
    own_cpu: float
    s3_cpu: float
    model_cpu: float

    @property
    def recorded(self) -> int:
        return self.audit["done"] + self.audit["review"]

    @property
    def cpu(self) -> str:
        return f"CPU: runs {self.own_cpu:.1f} s, S3 {self.s3_cpu:.2f} s, model {self.model_cpu:.2f} s"


@dataclass(frozen=True, slots=True)
class Bench:
    """The two servers, and how a run finds them."""

    s3: Server
    model: Server
    environ: Mapping[str, str]
    folder: Path

    def run(self, source: str, out: str, processes: int = 1) -> Outcome:
        """Starts that many runs at the same moment on one OUT and waits for the last."""
        paid, cpu = self.model.stats()["calls"], self._cpu()
        options = ["run", source, "--out", out, "--model", "openai:scripted", "--json", "--quiet"]
        with ExitStack() as stack:
            started = [stack.enter_context(Command(self.folder, self.environ, *options)) for _ in range(processes)]
            with ThreadPoolExecutor(processes) as pool:  # each is timed to its own end, whichever ends first
                runs = [run.ran() for run in pool.map(Command.wait, started)]
        used = [after - before for before, after in zip(cpu, self._cpu(), strict=True)]
        paid = self.model.stats()["calls"] - paid
        audit = counterfoil(self.folder, self.environ, "verify", out, "--json")
        return Outcome(runs, max(run.wall_s for run in runs), paid, audit.json(), audit.code, *used)

    def _cpu(self) -> tuple[float, float, float]:
        return children_cpu_s(), self.s3.cpu_s(), self.model.cpu_s()

    def upload(self, location: str, count: int) -> str:
        """Puts that many invoices below an S3 URL."""

        async def put_all() -> None:
            store = open_store(location, self.environ)
            await asyncio.gather(*(store.put(name(number), invoice_pdf(number)) for number in range(count)))

        asyncio.run(put_all())
        return location


@contextmanager
def bench(setting: Setting) -> Generator[Bench]:
    with s3_server(setting.get_ms, setting.put_ms) as s3, model_server(MODEL_SECONDS) as model:
        yield Bench(s3, model, environment(s3, model), setting.folder)


def batch(setting: Setting) -> list[Row]:
    """100 documents, one process; the source once a folder and once in the same S3."""
    with bench(setting) as servers:
        folder = str(write_invoices(setting.folder / "source", 100))
        uploaded = servers.upload("s3://bench/source", 100)
        return [
            _batch_row("a folder", [servers.run(folder, f"s3://bench/a{n}") for n in range(setting.repeat)]),
            _batch_row("S3", [servers.run(uploaded, f"s3://bench/b{n}") for n in range(setting.repeat)]),
        ]


def _batch_row(source: str, outcomes: Sequence[Outcome]) -> Row:
    over = sorted(outcome.wall_s - MODEL_SECONDS for outcome in outcomes)
    median = statistics.median(over)
    recorded = {outcome.recorded for outcome in outcomes}
    paid = {outcome.paid for outcome in outcomes}
    clean = all(outcome.verify_code == 0 for outcome in outcomes)
    return Row(
        f"100 PDFs from {source}, model 2 s: whole command less 2 s",
        f"{median:.2f} s (all: {', '.join(f'{s:.2f}' for s in over)}), {_set(recorded)} recorded, {_set(paid)} paid, "
        f"verify {'clean' if clean else 'NOT CLEAN'}; {outcomes[-1].cpu}",
        "<= 0.8 s, 100 recorded, 100 paid",
        median <= 0.8 and recorded == {100} and paid == {100} and clean,
    )


def _set(numbers: set[int]) -> str:
    return "/".join(map(str, sorted(numbers)))


def shared(setting: Setting) -> list[Row]:
    """400 documents, four processes started together on one OUT."""
    with bench(setting) as servers:
        folder = str(write_invoices(setting.folder / "source", 400))
        outcome = servers.run(folder, "s3://bench/shared", processes=4)
    lost = 400 - outcome.recorded - outcome.audit["failed"]
    codes = [run.code for run in outcome.runs]
    conflicts, commits = (sum(run.json()[what] for run in outcome.runs) for what in ("conflicts", "commits"))
    calls = sorted(run.json()["paid_calls"] for run in outcome.runs)
    clean = outcome.verify_code == 0
    return [
        Row(
            "400 PDFs, 4 processes started together on one OUT",
            f"{outcome.recorded} finished, {outcome.paid} paid, {lost} lost, verify {'clean' if clean else 'NOT CLEAN'}"
            f" ({len(outcome.audit['breaches'])} breaches), exit codes {codes}, {outcome.wall_s:.2f} s in all, "
            f"calls by process {calls}, {commits} manifest writes, {conflicts} conflicts; {outcome.cpu}",
            "400 finished, 400 paid, 0 lost, verify clean",
            outcome.recorded == outcome.paid == 400 and clean and codes == [0] * 4,
        )
    ]
