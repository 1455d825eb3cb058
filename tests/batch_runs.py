"""Whole runs with batches in virtual time: real manifest, workers and pipeline; a provider kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from tests.batch import Inline, Mortal, MortalModel, answer_for
from tests.batch_provider import Fate, Kept, Provider
from tests.virtual import virtual_clock

from counterfoil.batch import (
    BatchGone,
    BatchLimits,
    BatchRequest,
    BatchView,
    Order,
    Outcome,
    Search,
    Sought,
    Unprocessed,
    account_of,
)
from counterfoil.batch_book import BatchBook
from counterfoil.document import Limits
from counterfoil.errors import InputError, SetupError, Unavailable
from counterfoil.manifest import Manifest
from counterfoil.model import Answer, Model, Request
from counterfoil.pace import Pace
from counterfoil.pipeline_batch import BatchRun
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker

MODEL = "openai:gpt-4.1-mini"


def good(name: str, request: Request) -> Fate:
    """What a good model answers."""
    return Fate(text=answer_for(request))


def provider(fate: Callable[[str, Request], Fate] = good, *, takes: float = 3600.0) -> Provider:
    """A provider on the running virtual loop, which began at `virtual_clock`'s beginning."""
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    return Provider(fate, now=lambda: start + asyncio.get_running_loop().time(), takes=takes)


class Service:
    """One process's way to a provider. A dead process asks nothing and hears nothing. `cut` is told before and after
    each request, by name, and may kill."""

    limits = BatchLimits(requests=50_000, bytes=200_000_000)

    def __init__(self, provider: Provider, process: Mortal, key: str = "key", model: str = MODEL) -> None:
        self.provider, self.process, self.key, self.model = provider, process, key, model
        self.account, self.endpoint = account_of("openai", "memory", key), "memory"
        self.cut: Callable[[str], None] = lambda point: None
        self.blind = False
        self.latency = 0.05
        self.looks = 0

    async def _do(self, what: str, work: Callable[[], Any]) -> Any:
        self.cut(f"before {what}")
        await self.process.alive()
        await asyncio.sleep(self.latency if what == "submit" else 0.05)
        await self.process.alive()
        outcome = work()
        self.cut(f"after {what}")
        await asyncio.sleep(0.05)
        await self.process.alive()
        return outcome

    def encoded(self, request: BatchRequest) -> bytes:
        return b"x" * request.request.characters

    async def submit(self, order: Order) -> str:
        def work() -> str:
            requests = {request.id: request.request for request in order.requests}
            kept = self.provider.submit(self.account, requests, {"name": order.name})
            if self.provider.drop_replies:
                self.provider.drop_replies -= 1
                raise Unavailable("the reply was lost")
            return kept.id

        return await self._do("submit", work)

    async def find(self, sought: Sought) -> Search:
        def work() -> Search:
            mine = [b for b in self.provider.listed(self.account) if b.metadata["name"] == sought.name]
            if mine and self.blind and not self.provider.ended(mine[0]):
                return Search(open=True)
            return Search(mine[0].id) if mine else Search()

        return await self._do("find", work)

    def _kept(self, batch: str) -> Kept:
        kept = self.provider.get(self.account, batch)
        if kept is None:
            raise BatchGone("no such batch")
        return kept

    async def look(self, batch: str) -> BatchView:
        def work() -> BatchView:
            self.looks += 1
            kept = self._kept(batch)
            problems: dict[str, Any] = {"full": Unavailable("too much queued"), "broken": SetupError("no such model")}
            problem = problems.get(kept.problem or "")
            said = "cancelled" if kept.cancelled else "completed"
            return BatchView(batch, self.provider.ended(kept), said, problem)

        return await self._do("look", work)

    async def results(self, batch: str) -> AsyncIterator[tuple[str, Outcome]]:
        kept = await self._do("results", lambda: self._kept(batch))
        for name, fate in kept.fates.items():
            yield name, self._outcome(fate)

    def _outcome(self, fate: Fate) -> Outcome:
        match fate.kind:
            case "expired" | "canceled":
                return Unprocessed(fate.kind)
            case "error":
                return {400: InputError, 401: SetupError}.get(fate.status, Unavailable)(fate.text)
            case kind:
                finish: Any = kind if kind in ("length", "refused") else "stop"
                return Answer(fate.text, 1000, 100, "gpt-4.1-mini", finish)

    async def cancel(self, batch: str) -> None:
        await self._do("cancel", lambda: self.provider.cancel(self._kept(batch)))


class BatchProcess:
    """One `counterfoil run --batch`, as it would be on a machine of its own; with `model`, one that only collects."""

    def __init__(
        self,
        out: Any,
        source: MemoryStore,
        provider: Provider | None,
        *,
        seed: int = 0,
        key: str = "key",
        model: Model | None = None,
        asks: bool = True,
        name: str = MODEL,
        **settings: Any,
    ) -> None:
        self.store = Mortal(out)
        self.service = Service(provider, self.store, key, name) if provider else None
        self.run: BatchRun | None = None
        self._source, self._seed, self._asks = source, seed, asks and model is None
        self._model = MortalModel(model, self.store) if model else None
        self._settings = Settings(**{"concurrency": 4, "limits": Limits(), **settings})
        self.task = asyncio.create_task(self._main())
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody hears from the dead

    async def _main(self) -> BatchRun:
        clock = virtual_clock(self._seed)
        async with AsyncExitStack() as stack:
            manifest = await stack.enter_async_context(
                Manifest.open(self.store, clock=clock, writer=f"w{self._seed}", about={"source": "memory"})  # type: ignore[arg-type]
            )
            worker = await stack.enter_async_context(Worker.join(manifest))
            worker._heart._about["machine"] = f"machine-{self._seed}"  # its pid means nothing to the others
            await worker._heart.beat()
            pace = Pace(self._settings.concurrency, clock=clock)
            source = Source(self._source, clock)
            tools = Tools(source, manifest, worker, Inline(), Inline(), pace, self._model)  # type: ignore[arg-type]
            self.run = BatchRun(tools, self._settings, BatchBook(manifest), self.service, asks=self._asks)
            await self.run.work()
        return self.run

    def kill(self) -> None:
        """kill -9: from here on nothing of this process reaches the store or the provider."""
        self.store.connected.clear()

    def stop(self) -> None:
        """The first Ctrl-C."""
        assert self.run is not None
        self.run.stop()


async def batches_of(out: Any) -> Mapping[str, Any]:
    """The book, as it is now."""
    return await BatchBook(await Manifest.read(out, clock=virtual_clock())).read()
