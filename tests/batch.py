"""A whole run in virtual time: real manifest, workers, pipeline and reading; a scripted model, a store that can die."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from tests.virtual import virtual_clock

from counterfoil.arrivals import Arrivals, Watching
from counterfoil.document import Limits
from counterfoil.errors import SetupError
from counterfoil.manifest import Manifest
from counterfoil.model import Answer, Model, Request
from counterfoil.pace import Pace
from counterfoil.pipeline import Run
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source
from counterfoil.store import Entry, Object
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import COMPANY_SEEN_EVERY, Worker
from pdfmaker import make_pdf

T = TypeVar("T")


def invoice_pdf(number: str, net: int = 100) -> bytes:
    """A one-page invoice with a net, tax and gross total that agree."""
    tax = net * 19 // 100
    texts = [
        "Paper Mill Ltd",
        f"Invoice number: {number}",
        "Invoice date: 2025-12-30",
        f"Net {net}.00",
        f"VAT {tax}.00",
        f"Total {net + tax}.00 EUR",
    ]
    return make_pdf([[(50, 60 + 20 * n, 10, text) for n, text in enumerate(texts)]])


async def folder_of(count: int, **others: bytes) -> MemoryStore:
    """A source of `count` invoices, and others by name."""
    source = MemoryStore("memory://source")
    for n in range(count):
        await source.put(f"inv-{n:03}.pdf", invoice_pdf(f"N-{n:03}", 100 + n))
    for name, body in others.items():
        await source.put(name, body)
    return source


def answer_for(request: Any) -> str:
    """What a good model says of an `invoice_pdf`."""
    text = request.turns[-1].content
    number = text.split("Invoice number: ")[1].split()[0]
    net = int(text.split("Net ")[1].split(".")[0])
    tax = net * 19 // 100
    known = {"invoice_number": number, "issue_date": "2025-12-30", "currency": "EUR", "seller_name": "Paper Mill Ltd"}
    return json.dumps(known | {"net_total": net, "tax_total": tax, "gross_total": net + tax})


class Inline:
    """Reads in this process, for tests in virtual time; the worker processes have tests of their own."""

    ready = True

    async def run(self, function: Callable[..., T], *args: Any, seconds: float | None = None) -> T:
        await asyncio.sleep(0.01)
        return function(*args)


class Mortal:
    """One process's way to a store. While it is cut off, nothing that it asks goes through and nothing comes back."""

    def __init__(self, store: Any, latency: float = 0.03) -> None:
        self._store, self._latency = store, latency
        self.url, self.commit_gap = store.url, 0.0
        self.connected = asyncio.Event()
        self.connected.set()
        self._over = False
        self.cut: Callable[[str], None] = lambda point: None
        """Told before and after each write, and may kill."""

    async def _pass(self) -> None:
        await asyncio.sleep(self._latency / 2)
        await self.alive()

    async def alive(self) -> None:
        """Returns once the process is not cut off."""
        if self._over and not self.connected.is_set():
            raise SetupError("this process is dead")
        try:
            await self.connected.wait()
        except asyncio.CancelledError:
            self._over = True  # the test ends: let whatever tidies up come to its end too
            raise

    async def _do(self, work: Callable[[], Any]) -> Any:
        await self._pass()
        outcome = await work()
        await self._pass()
        return outcome

    async def _write(self, key: str, work: Callable[[], Any]) -> Any:
        self.cut(f"before {key}")
        await self._pass()
        outcome = await work()
        self.cut(f"after {key}")
        await self._pass()
        return outcome

    async def get(self, key: str) -> Object | None:
        return await self._do(lambda: self._store.get(key))

    async def look(self, key: str) -> Entry | None:
        return await self._do(lambda: self._store.look(key))

    async def put_new(self, key: str, body: bytes) -> str:
        return await self._write(key, lambda: self._store.put_new(key, body))

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        return await self._write(key, lambda: self._store.put_if(key, body, tag))

    async def put(self, key: str, body: bytes) -> None:
        await self._do(lambda: self._store.put(key, body))

    async def delete(self, key: str) -> None:
        await self._do(lambda: self._store.delete(key))

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        await self._pass()
        async for entry in self._store.list(prefix):
            yield entry


class MortalModel:
    """One process's way to a model: a dead process starts no call and hears no answer."""

    def __init__(self, model: Model, process: Mortal) -> None:
        self._model, self._process = model, process
        self.name = model.name

    async def complete(self, request: Request) -> Answer:
        await self._process.alive()
        answer = await self._model.complete(request)
        await self._process.alive()
        return answer


class Process:
    """One `counterfoil run`, or with `watching` one `counterfoil watch`, as it would be on a machine of its own."""

    def __init__(
        self,
        out: Any,
        source: MemoryStore,
        model: Model | None,
        *,
        seed: int = 0,
        offload: Any = None,
        watching: Watching | None = None,
        **settings: Any,
    ) -> None:
        self._offload = offload or Inline()
        self.store = Mortal(out)
        self.run: Run | None = None
        self.said: list[str] = []
        self._source, self._seed, self._watching = source, seed, watching
        self._model = MortalModel(model, self.store) if model else None
        self._settings = Settings(**{"concurrency": 4, "limits": Limits(), **settings})
        self.task = asyncio.create_task(self._main())

    async def _main(self) -> Run:
        clock = virtual_clock(self._seed)
        async with AsyncExitStack() as stack:
            manifest = await stack.enter_async_context(
                Manifest.open(self.store, clock=clock, writer=f"w{self._seed}", about={"source": "memory"})
            )
            pace = Pace(self._settings.concurrency, clock=clock)
            limited = self._settings.max_cost is not None
            joining = Worker.join(manifest, company=pace.share if limited else None)
            worker = await stack.enter_async_context(joining)
            worker._heart._about["machine"] = f"machine-{self._seed}"  # its pid means nothing to the others
            await worker._heart.beat()
            if limited and worker.company > 1:
                pace.hold(2 * COMPANY_SEEN_EVERY)
            source = Source(self._source, clock)
            tools = Tools(source, manifest, worker, self._offload, Inline(), pace, self._model)  # type: ignore[arg-type]
            self.run = Run(tools, self._settings)
            arriving = None
            if self._watching:
                arriving = Arrivals(source, manifest, worker, self._watching, self.said.append).plan
            await self.run.work(arriving=arriving)
        return self.run

    def kill(self) -> None:
        """kill -9: from here on nothing of this process reaches the store."""
        self.store.connected.clear()


async def records_of(out: Any) -> dict[str, dict[str, Any]]:
    manifest = await Manifest.read(out, clock=virtual_clock())
    return {document: record async for document, record in manifest.records()}
