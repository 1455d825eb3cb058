"""A Ray cluster of several nodes, all of them processes of this machine: what is lost when parts of it die in a batch,
and what more workers bring.

Needs Ray (`pip install 'counterfoil[ray]'`). What was paid is counted by the model server, what was recorded by
`counterfoil verify`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from counterfoil.commit import Record
from counterfoil.jsonfile import decode
from counterfoil.liveness import FOLDER
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest
from counterfoil.transitions import FINISHED

from .documents import write_invoices
from .machine import Command, Finished, Server, counterfoil, environment, model_server, s3_server
from .row import Row, Setting

_DOCUMENTS = 1000
_AT_ONCE = 16
_EACH = 480
_PATIENCE = 120.0
_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Blow:
    """What was struck, and how many calls it had made that no record told of then: at most so many are made again."""

    what: str
    asked: int


@dataclass(frozen=True, slots=True)
class Survived:
    """A batch that was struck. `left_over`: processes of its workers that were there after it."""

    finished: Finished
    verified: Finished
    paid: int
    blows: Sequence[Blow]
    left_over: int

    @property
    def asked(self) -> int:
        return sum(blow.asked for blow in self.blows)


class Out:
    """An OUT, seen from outside."""

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        self.url, self._store = url, open_store(url, environ)

    def records(self) -> dict[str, Record]:
        """Every record, none where there is no manifest yet."""
        return asyncio.run(self._records())

    async def _records(self) -> dict[str, Record]:
        if await self._store.get("manifest.json") is None:
            return {}
        return {document: record async for document, record in (await Manifest.read(self._store)).records()}

    def workers(self) -> dict[int, str]:
        """Process ids and names of those that have announced themselves."""
        return asyncio.run(self._workers())

    async def _workers(self) -> dict[int, str]:
        found = [await self._store.get(entry.key) async for entry in self._store.list(FOLDER)]
        beats = [decode(beat.body, "heartbeat") for beat in found if beat]
        return {beat["pid"]: beat["worker"] for beat in beats}


@contextmanager
def ray_cluster(*cpus: int) -> Generator[tuple[Any, Sequence[Any]]]:
    """A cluster with a node for each number of CPUs, and a head that has none for workers."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield cluster, [cluster.add_node(num_cpus=number) for number in cpus]
    finally:
        cluster.shutdown()


def cluster(setting: Setting) -> list[Row]:
    """Survival of a killed worker and a lost node; throughput of four workers beside one."""
    source = write_invoices(setting.folder / "source", 4 * _EACH)
    with s3_server(setting.get_ms, setting.put_ms) as s3:
        with model_server(2.0) as model:
            survived = struck(setting.folder, s3, model, source, _DOCUMENTS)
        with model_server(setting.latency) as model, ray_cluster(2, 1, 1) as (ray, _):
            one, four = (_spread(setting.folder, s3, model, source, workers, ray.address) for workers in (1, 4))
    gain = four.rate / one.rate
    return [
        _survival(survived),
        Row(
            f"{_EACH} PDFs for each worker, each {_AT_ONCE} calls at once, model {setting.latency:g} s, OUT on S3: "
            "documents a second of 4 Ray workers / 1, from the first claim to the last record",
            f"{gain:.2f} ({four.rate:.2f}/s, {one.rate:.2f}/s; {_AT_ONCE / setting.latency:.2f}/s is all that 1 can "
            f"do); whole commands {4 * one.wall / four.wall:.2f} ({four.wall:.0f} s, {one.wall:.0f} s)",
            ">= 3.8",
            gain >= 3.8,
        ),
    ]


def _survival(survived: Survived) -> Row:
    summary, count = survived.finished.json(), _DOCUMENTS
    clean = survived.verified.code == 0
    return Row(
        f"{count:,} PDFs, 4 Ray workers on 3 nodes, model 2 s, OUT on S3: {', '.join(b.what for b in survived.blows)}",
        f"{summary['done']:,} done, {summary['pending']} lost, {survived.paid:,} paid ({survived.asked} calls in "
        f"flight at the blows), verify {'clean' if clean else 'NOT clean'}, {survived.left_over} processes left, "
        f"{survived.finished.wall_s:.0f} s",
        f"{count:,}, 0, <= {count:,} + in flight, clean, 0",
        summary["done"] == count and survived.paid <= count + survived.asked and clean and not survived.left_over,
    )


def struck(folder: Path, s3: Server, model: Server, source: Path, count: int) -> Survived:
    """A batch of `count` by four workers on three nodes: after a quarter of it an actor is killed, after half of it a
    node is lost, then another one joins."""
    environ = environment(s3, model)
    out = Out("s3://bench/struck", environ)
    with ray_cluster(2, 1, 1) as (ray, nodes):
        options = ["--limit", str(count), "--workers", "4", "--address", ray.address]
        with Command(folder, environ, *_run(source, out.url, options)) as command:
            seen: dict[int, str] = {}
            _wait(command, lambda: _finished(out, seen) >= count // 4)
            blows = [_kill_actor(out)]
            _wait(command, lambda: _finished(out, seen) >= count // 2)
            blows.append(_lose_node(out, ray, nodes[-1]))
            ray.add_node(num_cpus=1)
            finished = command.wait().ran()
            left_over = sum(_running(pid) for pid in seen)
    verified = counterfoil(folder, environ, "verify", out.url)
    return Survived(finished, verified, model.stats()["calls"], blows, left_over)


def _run(source: Path, out: str, options: Sequence[str]) -> Sequence[str]:
    model = ["--model", "openai:scripted", "--price", "1/1", "--concurrency", str(_AT_ONCE)]
    return ["run", str(source), "--out", out, "--engine", "ray", *model, "--json", *options]


def _wait(command: Command, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached():
        if command.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the batch did not come that far: {command.wait().stderr[-2000:]}")
        time.sleep(_LOOK_EVERY)


def _finished(out: Out, seen: dict[int, str]) -> int:
    """How many documents are finished; adds who works there to `seen`."""
    seen |= out.workers()
    return sum(record["status"] in FINISHED for record in out.records().values())


def _kill_actor(out: Out) -> Blow:
    pid, name = next((pid, name) for pid, name in out.workers().items() if _running(pid))
    asked = _frozen(out, [pid], [name])
    os.kill(_parent(pid), signal.SIGKILL)
    return Blow("an actor killed with -9", asked)


def _lose_node(out: Out, ray: Any, node: Any) -> Blow:
    """The node's agent and all that it started are gone; its workers' heartbeats stay."""
    agent = node.all_processes["raylet"][0].process.pid
    there = {pid: name for pid, name in out.workers().items() if _running(pid) and _parent(_parent(pid)) == agent}
    asked = _frozen(out, list(there), list(there.values()))
    ray.remove_node(node, allow_graceful=False)
    return Blow(f"a node with {len(there)} worker{'' if len(there) == 1 else 's'} lost", asked)


def _frozen(out: Out, workers: Sequence[int], names: Sequence[str]) -> int:
    """Stops workers where they are, and counts the documents that they have asked about and not finished."""
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    return sum(record["owner"] in names and "asking" in record for record in out.records().values())


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _running(pid: int) -> bool:
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def _stat(pid: int) -> Sequence[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class Took:
    """Documents a second from the first claim to the last record, and seconds of the whole command."""

    rate: float
    wall: float


def _spread(folder: Path, s3: Server, model: Server, source: Path, workers: int, address: str) -> Took:
    environ, count = environment(s3, model), workers * _EACH
    out = Out(f"s3://bench/by-{workers}", environ)
    options = ["--limit", str(count), "--workers", str(workers), "--address", address]
    finished = counterfoil(folder, environ, *_run(source, out.url, options)).ran()
    if finished.json()["done"] != count:
        raise RuntimeError(f"not all were done: {finished.stdout}")
    events = [event for record in out.records().values() for event in record["history"]]
    claimed = min(datetime.fromisoformat(event["at"]) for event in events if event["event"] == "claimed")
    recorded = max(datetime.fromisoformat(event["at"]) for event in events if event["event"] == "done")
    return Took(count / (recorded - claimed).total_seconds(), finished.wall_s)
