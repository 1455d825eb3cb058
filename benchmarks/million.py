"""A million documents through one process: that its memory stays flat, and that a document costs the same at the end.

    python -m benchmarks million --documents 1000000

The source is made up (a few lines of text each, no two alike), the model answers at once, and OUT is a local folder.
The text goes to the model as it is: what is measured is all that there is around reading.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from counterfoil.clock import Clock
from counterfoil.document import Reading
from counterfoil.extract import Examined, recipe
from counterfoil.manifest import Manifest
from counterfoil.model import Request, ScriptedModel
from counterfoil.pace import Pace
from counterfoil.pipeline import Run
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source, count, shards_for
from counterfoil.store import Entry, Object
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker

from .row import Row, Setting

T = TypeVar("T")
_TEXT = "Invoice {0}\nDate 2024-03-01\nExample Paper GmbH\nNet 100.00\nVAT 19 % 19.00\nTotal 119.00 EUR\n"
_ANSWER = (
    '{{"invoice_number": "{0}", "issue_date": "2024-03-01", "currency": "EUR", "seller_name": "Example Paper GmbH", '
    '"net_total": 100.00, "tax_total": 19.00, "gross_total": 119.00}}'
)
_TENTHS = 10


class MadeUp(MemoryStore):
    """A bucket of that many documents, none of which is kept: the key tells the body."""

    def __init__(self, documents: int) -> None:
        super().__init__("memory://made-up")
        self._documents = documents

    async def list(self, _prefix: str = "") -> AsyncIterator[Entry]:
        for number in range(self._documents):
            if number % 1000 == 0:
                await asyncio.sleep(0)
            yield Entry(f"{number:08}.pdf", 100, "1")

    async def get(self, key: str) -> Object | None:
        return Object(_TEXT.format(key).encode(), "1")


class Readers:
    """Stands where the reading processes are: the body is the text."""

    async def run(self, _function: Callable[..., T], *args: Any) -> Any:
        return Examined(Reading("pdf", args[0].decode(), 1), None)


class Judges:
    """Stands where the process is that checks answers: it is done here, and counts."""

    ready = True

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)


@dataclass(frozen=True, slots=True)
class Tenth:
    """One tenth of the documents: seconds of wall and milliseconds of CPU for each, and the memory (MB) at its end."""

    wall: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{1 / self.wall:,.0f}/s {self.cpu:.2f} ms {self.memory:.0f} MB"


def million(setting: Setting) -> list[Row]:
    """As many documents as --documents says, in this process."""
    tenths = asyncio.run(_run(setting.folder / "out", setting.documents))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first, last = tenths[0].cpu, tenths[-1].cpu
    return [
        Row(
            f"{setting.documents:,} documents, model at once, OUT a folder: memory, and CPU a document",
            f"{memory:.0f} MB; CPU {first:.2f} ms in the first tenth, {last:.2f} ms in the last "
            f"({last / first:.2f} times); tenths: {'; '.join(map(str, tenths))}",
            "< 400 MB, no more at the end",
            memory < 400 and last / first < 1.15,
        )
    ]


async def _run(out: Path, documents: int) -> list[Tenth]:
    clock = Clock()
    source = Source(MadeUp(documents), clock)
    model = ScriptedModel(lambda request: _ANSWER.format(_number(request)))
    total, known = await count(source)
    about = {"source": source.url, "recipe": recipe("model", model.name)}
    async with (
        Manifest.open(str(out), shards=shards_for(total), about=about, clock=clock) as manifest,
        Worker.join(manifest) as worker,
    ):
        tools: Any = (source, manifest, worker, Readers(), Judges(), Pace(128, clock=clock), model)
        run = Run(Tools(*tools), Settings("model", 128))
        watching = asyncio.create_task(_watch(run, documents))
        await run.work(known)
        assert run.tally.finished["done"] == documents, run.tally.finished
        return await watching


def _number(request: Request) -> str:
    return request.turns[-1].content.partition("Invoice ")[2].partition("\n")[0]


async def _watch(run: Run, documents: int) -> list[Tenth]:
    """Looks ten times a second; each tenth is told on stderr as it ends."""
    tenths: list[Tenth] = []
    begun, used, done = time.monotonic(), time.process_time(), 0
    while len(tenths) < _TENTHS:
        await asyncio.sleep(0.1)
        finished = run.tally.finished.total()
        if finished < documents * (len(tenths) + 1) // _TENTHS:
            continue
        wall, cpu, more = time.monotonic() - begun, time.process_time() - used, finished - done
        tenths.append(Tenth(wall / more, 1000 * cpu / more, _resident()))
        print(f"{finished:,} of {documents:,}: {tenths[-1]}", flush=True)
        begun, used, done = time.monotonic(), time.process_time(), finished
    return tenths


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
