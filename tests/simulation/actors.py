"""Who is at work in a run: workers with a clerk each, a planner, somebody who retries, reviewers, and a reader.

All of it real code."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from counterfoil import transitions
from counterfoil.clock import Clock
from counterfoil.document import Limits, Reading
from counterfoil.errors import CounterfoilError, InputError, Refused, SetupError
from counterfoil.extract import Examined, Extraction
from counterfoil.invoice import Invoice
from counterfoil.manifest import Manifest, shard_key
from counterfoil.pace import Pace
from counterfoil.pipeline import Run
from counterfoil.reviewing import review
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source, plan
from counterfoil.transitions_review import revision
from counterfoil.worker import Worker

from .calls import SimModel
from .loop import Body
from .rules import FINISHED

_LIMITS = Limits()
_FIELDS = ("seller_name", "buyer_reference")
_START = datetime(2026, 1, 1, tzinfo=UTC)


def clock_of(world: Any, body: Body) -> Clock:
    """A process's own clock: no two show the same time, and its wall clock may jump."""
    loop, ahead = world.loop, body.chance.random() * 1e6
    return Clock(
        lambda: loop.time() + ahead,
        asyncio.sleep,
        lambda: _START + timedelta(seconds=loop.time() + body.jump),
        body.chance.random,
    )


class Examiner:
    """Stands for the worker processes that read documents: what it finds is written in the document itself."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def run(self, function: Any, body: bytes, *more: Any) -> Examined:
        await asyncio.sleep(0.01 + 0.1 * self._chance.random())
        text = body.decode()
        if text.startswith("bad"):
            raise InputError("the file is damaged")
        reading = Reading("pdf", f"BODY {text}", 1)
        if text.startswith("xml"):
            return Examined(reading, Extraction(Invoice(invoice_number=f"{text} #0"), "xml", ()))
        return Examined(reading, None)


class Judges:
    """Stands for the worker process that checks answers, with the real checks."""

    ready = True

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        await asyncio.sleep(0.02)
        return function(*args)


async def worker(world: Any, body: Body) -> None:
    """One `counterfoil run`, and beside it in the same process a clerk who counts."""
    clock, chance = clock_of(world, body), body.chance
    about = {"shards": world.shards, "clock": clock, "writer": body.name}
    async with (
        Manifest.open(world.way(body), **about) as manifest,
        Worker.join(manifest, lease=world.lease) as worker,
    ):
        source = Source(world.way(body, source=True), clock)
        pace = Pace(world.concurrency, clock=clock)
        model = SimModel(world, body, world.climate, world.loop)
        tools = Tools(source, manifest, worker, Examiner(chance), Judges(), pace, model)  # type: ignore[arg-type]
        run = Run(tools, Settings("auto", world.concurrency, _LIMITS, grace=world.grace, poll=5.0))
        body.stop = run.stop
        counting = asyncio.create_task(_clerk(world, manifest, body))
        try:
            await run.work()
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)


async def _clerk(world: Any, manifest: Manifest, body: Body) -> None:
    """Adds tokens to shared records, each once; now and then its caller thinks better of it."""
    for number in range(body.chance.randint(1, 5)):
        await asyncio.sleep(body.chance.expovariate(0.4))
        adding = asyncio.create_task(_add(manifest, f"clerk-{body.chance.randint(0, 1)}", f"{body.name}.{number}"))
        if body.chance.random() < 0.4:
            world.loop.after(body.chance.random() * world.climate.latency * 4, adding.cancel)
        with suppress(CounterfoilError, asyncio.CancelledError):
            await asyncio.wait([adding])
            adding.result()


async def _add(manifest: Manifest, name: str, token: str) -> None:
    def change(record: dict[str, Any] | None) -> dict[str, Any]:
        known = record or {"status": "done", "owner": None, "attempt": 0, "tokens": []}
        return {**known, "tokens": [*known["tokens"], token]}

    await manifest.update(name, change)


async def planner(world: Any, body: Body) -> None:
    """Adds and changes documents of the source, and tells the manifest."""
    clock = clock_of(world, body)
    world.edit_source(body.chance)
    async with Manifest.open(world.way(body), shards=world.shards, clock=clock, writer=body.name) as manifest:
        await plan(Source(world.way(body, source=True), clock), manifest, Worker(manifest, world.lease))


async def retrier(world: Any, body: Body) -> None:
    """Sends a finished document back."""
    clock = clock_of(world, body)
    async with Manifest.open(world.way(body), shards=world.shards, clock=clock, writer=body.name) as manifest:
        finished = [d async for d, r in manifest.records() if r["status"] in FINISHED and "tokens" not in r]
        if finished:
            document = body.chance.choice(finished)
            with suppress(Refused):
                await manifest.register_of(document).commit(transitions.retry(document, clock.stamp()))


async def person(world: Any, body: Body) -> None:
    """A reviewer: looks at what is finished, thinks it over, and acts on what was seen."""
    clock, chance = clock_of(world, body), body.chance
    async with Manifest.open(world.way(body), shards=world.shards, clock=clock, writer=body.name) as manifest:
        for number in range(chance.randint(1, 8)):
            seen = [(d, r) async for d, r in manifest.records() if r["status"] in FINISHED and "tokens" not in r]
            await asyncio.sleep(chance.expovariate(0.5))
            if not seen:
                continue
            document, record = chance.choice(seen)
            act = chance.choice(("correct", "correct", "approve", "approve", "reject", "reopen"))
            fields = {chance.choice(_FIELDS): f"{body.name}.{number}"} if act == "correct" else {}
            with suppress(Refused):
                await review(manifest, document, act, by=body.name, seen=revision(record), fields=fields, reason="so")


async def reader(world: Any, body: Body) -> None:
    """Looks at everything again and again: its view is the truth of some moment, and never goes back."""
    clock, seen = clock_of(world, body), {}
    while True:
        await asyncio.sleep(body.chance.expovariate(0.3))
        with suppress(SetupError):
            manifest = await Manifest.read(world.way(body), clock=clock)
            there = {n: world.checker.latest(shard_key(n)) for n in range(manifest.shards)}
            async for shard, state in manifest.states(list(range(manifest.shards))):
                least = max(there[shard], seen.get(shard, 0))
                world.noting(world.checker.read, shard_key(shard), least, state.version, state.records)
                seen[shard] = state.version
