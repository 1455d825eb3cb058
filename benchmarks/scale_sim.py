"""Many workers on one OUT in virtual time: the real worker, claims, commits and surveys, against a simulated cloud.

    python -m benchmarks scale-sim --workers 256 --documents 1000000

What is real: the loop of a run that claims and surveys (`pipeline.Run`), `Worker`, `Manifest`, `Register`, every change
of `transitions`, and the heartbeats. What is not: documents are not read, the model is a sleep, results are a wait of
one write, and shards are handed over as objects (`Scenario.json`: as their JSON). So the figures tell what the manifest
takes, in requests and in time that the model is not being called.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import logging
import random
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapreplace
from typing import Any
from unittest.mock import patch

from tests.simulation.loop import SimLoop

from counterfoil import commit, liveness, manifest, transitions
from counterfoil.claims import Claim
from counterfoil.clock import Clock
from counterfoil.document import Usage
from counterfoil.manifest import Manifest, shard_key, shard_of
from counterfoil.pipeline import Run
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source, shards_for
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker

from .scale_cloud import GCS, S3, SLOW_S3, Bill, Body, Cloud, Service, parsed

_START = datetime(2026, 1, 1, tzinfo=UTC)
_JOIN_WITHIN = 2.0
"""Seconds within which the workers of one job come."""
_READ_S = 0.05


@dataclass(frozen=True, slots=True)
class Scenario:
    """`latency`: seconds of an answer, a fifth more or less; `shards` None: as many as a run gives so many
    documents."""

    workers: int
    documents: int
    service: Service = S3
    latency: float = 5.0
    calls: int = 128
    shards: int | None = None
    seed: int = 1
    json: bool = False

    @property
    def ideal_s(self) -> float:
        """Seconds if every slot at the model were always taken."""
        return self.documents * self.latency / (self.workers * self.calls)


@dataclass(slots=True)
class Outcome:
    """What came of one scenario; times in virtual seconds from the moment the first worker came."""

    scenario: Scenario
    shards: int
    bill: Bill
    by_worker: Sequence[int]
    done_s: float
    left_s: float
    commits: int
    conflicts: int
    waited_for_intent_s: float
    cpu_s: float
    complaints: Sequence[str]

    @property
    def overhead(self) -> float:
        """By how much longer it took than the calls alone would have taken."""
        return self.done_s / self.alone_s - 1

    @property
    def alone_s(self) -> float:
        """Seconds that the calls alone take: whoever has a free slot takes the next document, and knows at once that
        there is one. Slots come when their workers do, and the last calls end when they end."""
        scenario, chance = self.scenario, random.Random(self.scenario.seed)
        join = (_JOIN_WITHIN * number / scenario.workers for number in range(scenario.workers))
        free = sorted(list(join) * scenario.calls)
        for _ in range(scenario.documents):
            heapreplace(free, free[0] + scenario.latency * (0.8 + 0.4 * chance.random()))
        return max(free)

    @property
    def starved(self) -> int:
        """Workers that finished less than half of what they would have on average."""
        return sum(count < 0.5 * sum(self.by_worker) / len(self.by_worker) for count in self.by_worker)


class _SimulatedRun(Run):
    """The run of a worker, the way of one document cut down to its waits and its commits."""

    def __init__(self, tools: Tools, settings: Settings, latency: float, put_s: float) -> None:
        super().__init__(tools, settings)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._latency, self._put_s = latency, put_s
        self.waited = 0.0
        self.last = 0.0

    async def _process(self, claim: Claim) -> None:
        clock = self.clock
        self._unread.discard(claim.document)
        await clock.sleep(_READ_S)
        async with self._slots:
            asked = clock.monotonic()
            await self.tools.worker.assure(claim)
            await self.tools.worker.deeds.intend(claim)
            self.waited += clock.monotonic() - asked
            await clock.sleep(self._latency * (0.8 + 0.4 * clock.random()))
        claim.used = Usage(1, 1800, 400)
        self.tally.usage += claim.used
        self._recording += 1
        self.tools.worker.news.set()
        await clock.sleep(self._put_s)
        await self.tools.worker.deeds.finish(claim, _facts(claim.document))
        self._recording -= 1
        self.tally.finished["done"] += 1
        self.last = clock.monotonic()


def _facts(document: str) -> dict[str, Any]:
    """Those of an ordinary invoice, of ordinary length."""
    name = hashlib.sha256(document.encode()).hexdigest()
    summary = {"invoice_number": f"RE-{document[:8]}", "issue_date": "2026-01-01", "seller_name": "Example Paper GmbH"}
    return {
        "status": "done",
        "input": name,
        "result": f"results/{name[:2]}/{name}.json",
        "result_sha256": name,
        "reader": "model",
        "adopted": False,
        "findings": [],
        "summary": {**summary, "currency": "EUR", "gross_total": "119.00"},
    }


def _clock(loop: asyncio.AbstractEventLoop, seed: object) -> Clock:
    chance = random.Random(str(seed))
    return Clock(loop.time, asyncio.sleep, lambda: _START + timedelta(seconds=loop.time()), chance.random)


def planned(cloud: Cloud, documents: int, shards: int) -> None:
    """Leaves the shards as a planner leaves them."""
    of: list[list[tuple[str, str, int]]] = [[] for _ in range(shards)]
    for number in range(documents):
        document = f"2026/{number % 12:02}/invoice-{number:08}.pdf"
        of[shard_of(document, shards)].append((document, f'"{number:032x}"', 48_213))
    for shard, those in enumerate(of):
        if those:
            records = transitions.plan(those, "2026-01-01T00:00:00Z")({})
            state = commit.State().next("planner", 1, records)
            cloud.place(shard_key(shard), state.body())


async def _work(scenario: Scenario, cloud: Cloud, number: int, shards: int) -> tuple[_SimulatedRun, Manifest]:
    loop = asyncio.get_running_loop()
    clock = _clock(loop, (scenario.seed, number))
    await clock.sleep(_JOIN_WITHIN * number / scenario.workers)
    name = f"ip-10-0-{number // 250}-{number % 250}-{hashlib.sha256(str(number).encode()).hexdigest()[:8]}"
    async with (
        Manifest.open(cloud, shards=shards, clock=clock, writer=name, prove_first=False) as manifest,
        Worker.join(manifest) as worker,
    ):
        tools: Any = (Source(MemoryStore(), clock), manifest, worker, None, None, None, _Model())
        settings = Settings("model", scenario.calls)
        run = _SimulatedRun(Tools(*tools), settings, scenario.latency, scenario.service.put_ms / 1000)
        await run.work(())
    return run, manifest


class _Model:
    name = "sim:model"


async def _all(scenario: Scenario, cloud: Cloud, shards: int) -> list[tuple[_SimulatedRun, Manifest]]:
    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(_work(scenario, cloud, n, shards)) for n in range(scenario.workers)]
    return [worker.result() for worker in workers]


@contextmanager
def _seams(scenario: Scenario) -> Generator[None]:
    """Each worker on a machine of its own, and shards as objects unless their JSON is wanted."""
    kept = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1000)
    with ExitStack() as stack:
        stack.enter_context(patch.object(liveness, "same_machine", lambda _: False))
        if not scenario.json:
            stack.enter_context(patch.object(commit.State, "body", lambda state: Body(state)))
            stack.enter_context(patch.object(commit, "parse", parsed))
            stack.enter_context(patch.object(manifest, "parse", parsed))
        yield
    gc.set_threshold(*kept)


def simulate(scenario: Scenario) -> Outcome:
    """Runs one scenario to its end, from a batch that is planned. The same scenario gives the same outcome."""
    loop = SimLoop()
    cloud = Cloud(scenario.service, loop, random.Random(scenario.seed))
    shards = scenario.shards or shards_for(scenario.documents)
    cpu = time.process_time()
    with _seams(scenario):
        planned(cloud, scenario.documents, shards)
        ran = loop.run_until_complete(loop.create_task(_all(scenario, cloud, shards)))
    outcome = Outcome(
        scenario,
        shards,
        cloud.bill,
        [run.tally.finished.total() for run, _ in ran],
        max(run.last for run, _ in ran),
        loop.time(),
        sum(manifest.stats.commits for _, manifest in ran),
        sum(manifest.stats.conflicts for _, manifest in ran),
        sum(run.waited for run, _ in ran),
        time.process_time() - cpu,
        loop.complaints,
    )
    loop.close()
    return outcome


_COLUMNS = (
    "workers",
    "documents",
    "shards",
    "store",
    "documents/s",
    "N L / (W C)",
    "calls alone",
    "took",
    "overhead",
    "least to most by a worker",
    "starved",
    "conflicts in 100 commits",
    "intent",
    "shard PUT/s (busiest second)",
    "shard GET/s",
    "LIST/s",
    "refused",
    "CPU a document",
)


def _cells(outcome: Outcome) -> list[str]:
    scenario, bill, took = outcome.scenario, outcome.bill, outcome.done_s
    return [
        f"{scenario.workers}",
        f"{scenario.documents:,}",
        f"{outcome.shards:,}",
        scenario.service.name,
        f"{scenario.documents / took:,.0f}",
        f"{scenario.ideal_s:.1f} s",
        f"{outcome.alone_s:.1f} s",
        f"{took:.1f} s",
        f"{outcome.overhead:.1%}",
        f"{min(outcome.by_worker):,} to {max(outcome.by_worker):,}",
        f"{outcome.starved}",
        f"{100 * outcome.conflicts / outcome.commits:.1f}",
        f"{1000 * outcome.waited_for_intent_s / scenario.documents:.0f} ms",
        f"{bill.of('manifest', 'put') / took:,.0f} ({bill.busiest['manifest', 'put']:,})",
        f"{bill.of('manifest', 'get') / took:,.0f}",
        f"{bill.of('manifest', 'list') / took:,.0f}",
        f"{bill.slow_downs + bill.too_soon:,}",
        f"{1000 * outcome.cpu_s / scenario.documents:.2f} ms",
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_SERVICES = {"s3": S3, "slow-s3": SLOW_S3, "gcs": GCS}


def main(arguments: Sequence[str]) -> int:
    """One scenario, as a line of the table in docs/scale.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale-sim", description=__doc__)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--documents", type=int, default=62_500)
    parser.add_argument("--latency", type=float, default=5.0, help="seconds of an answer, a fifth more or less")
    parser.add_argument("--calls", type=int, default=128, help="in flight in each worker")
    parser.add_argument("--shards", type=int)
    parser.add_argument("--store", choices=_SERVICES, default="s3")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    service = _SERVICES[asked.store]
    logging.disable()  # a store that refuses for a while is what is looked at
    scenario = Scenario(asked.workers, asked.documents, service, asked.latency, asked.calls, asked.shards, asked.seed)
    outcome = simulate(scenario)
    print(f"{_line(_COLUMNS)}\n{_line(['---'] * len(_COLUMNS))}\n{_line(_cells(outcome))}")
    return 0 if outcome.starved == 0 and sum(outcome.by_worker) == scenario.documents else 1
