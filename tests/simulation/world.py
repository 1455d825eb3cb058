"""One run: machines, processes and troubles drawn from a seed, then a time without troubles, and a verdict."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from counterfoil.errors import CommitUncertain, Unavailable

from . import actors
from .calls import Call, Calls
from .checker import Checker
from .fates import give_fate
from .loop import Body, SimLoop, buried
from .rules import Breach
from .seams import Machines, seams
from .server import Server, Way
from .toxics import Climate

SETTLED_WITHIN = 900.0
"""Seconds after the last trouble in which everything must be finished (a call that hangs may take 120 of them)."""
COMMITTED_WITHIN = 60.0
_LATE_WRITES = 100.0


@dataclass(slots=True)
class Verdict:
    """How a run ended. `story` is the history of the document that broke."""

    seed: int
    breach: Breach | None
    checks: Counter[str] = field(default_factory=Counter)
    virtual: float = 0.0
    story: list[str] = field(default_factory=list)
    trace: str = ""


class World:
    """Everything in one run."""

    def __init__(self, seed: int, loop: SimLoop) -> None:
        self.loop, self.chance = loop, random.Random(seed)
        self.reviewed = seed % 2 == 1  # the others stay the runs that they were before there were reviewers
        self.ends = self.chance.choice((15.0, 40.0, 90.0))
        self.climate = Climate.drawn(self.chance, self.ends)
        self.lease = self.chance.choice((6.0, 15.0, 30.0))
        self.shards, self.concurrency = self.chance.choice((1, 1, 2)), self.chance.choice((1, 2, 4))
        # In half of the runs even one shard is many: it is sealed, forgotten, and read by turns.
        self.few_shards = random.Random(f"few {seed}").choice((0, 64))
        self.grace = self.chance.choice((0.5, 30.0))
        self.calls, self.machines = Calls(), Machines()
        self.out, self.source = Server(self._written), Server()
        self.out.refused = self._refused
        self.checker = Checker(self.out, self.calls, self.lease)
        self.bodies: list[Body] = []
        self.breach: Breach | None = None
        self.broken = loop.create_future()
        self.log: list[str] = []
        for number in range(self.chance.randint(2, 6)):
            self._put_document(number, self.chance)

    # --- what is told to the checker

    def noting(self, check: Callable[..., Any], *args: Any) -> Any:
        """Has the checker look at something; the first breach ends the run."""
        try:
            return check(*args)
        except Breach as breach:
            self.breach = self.breach or breach.with_traceback(None)
            if not self.broken.done():
                self.broken.set_result(None)
            return None

    def _written(self, op: str, key: str, body: bytes, by: Body | None) -> None:
        self.log.append(f"{self.loop.time():8.3f} {by.name if by else ''} {op} {key}")
        self.noting(self.checker.written, op, key, body, self.loop.time())
        if by:
            self.happened(by, key.partition("/")[0])

    def _refused(self, op: str, key: str, body: bytes, by: Body | None) -> None:
        if op == "put_new" and key.startswith("results/"):
            self.noting(self.checker.offered, body)

    def called(self, by: Body, document: str, text: str) -> Call:
        take = self.noting(self.checker.called, by, document) or 0
        return self.calls.begin((document, text, take), by, self.loop.time())

    def waited(self, key: str, began: float) -> None:
        """A commit has ended: after the troubles none may have taken long."""
        if began > self.ends and self.loop.time() - began > COMMITTED_WITHIN:
            self.noting(self._starved, key, self.loop.time() - began)

    def _starved(self, key: str, seconds: float) -> None:
        raise Breach("I9", key, f"a commit took {seconds:.0f} s although nothing was wrong")

    def happened(self, by: Body, what: str) -> None:
        """Something that a fate may wait for."""
        if act := by.at_event.pop((what, by.events[what]), None):
            steps = self.chance.randint(0, 4)
            self.loop.after(0, act) if steps == 0 else by.at_step.update({by.steps + steps: act})
        by.events[what] += 1

    # --- the source

    def _put_document(self, number: int, chance: random.Random, edition: int = 1) -> None:
        kind = chance.choice(("inv", "inv", "inv", "inv", "xml", "bad", "twin"))
        name = "same" if kind == "twin" else f"doc{number}"
        self.source.apply(None, "put", f"doc{number}.pdf", f"{kind}-{name} v{edition}".encode())

    def edit_source(self, chance: random.Random) -> None:
        """Adds a document or changes one."""
        there = len(self.source.objects)
        number = chance.randint(0, min(there, 7))
        self._put_document(number, chance, 1 if number == there else chance.randint(2, 99))

    # --- processes

    def way(self, body: Body, *, source: bool = False) -> Any:
        server = self.source if source else self.out
        return Way(server, "sim://source" if source else "sim://out", body, self.climate, self.loop)

    def start(self, kind: str, work: Callable[[World, Body], Any], *, again: Body | None = None) -> Body:
        """A new process; one that was started again may have got its predecessor's pid."""
        number = len(self.bodies)
        machine = again.machine if again else f"machine-{self.chance.randint(1, 3)}"
        pid = again.pid if again and self.chance.random() < 0.5 else 100 + number
        body = Body(f"{kind}{number}", machine, pid, f"start-{number}", random.Random(self.chance.random()))
        self.bodies.append(body)
        self.machines.boot(body)
        task = self.loop.spawn(body, work(self, body))
        task.add_done_callback(lambda task: self._ended(body, task), context=self.loop.world)
        return body

    def start_worker(self, again: Body | None = None) -> None:
        if self.loop.time() < self.ends and len(self.bodies) < 12:
            give_fate(self, self.start("w", actors.worker, again=again))

    def _ended(self, body: Body, task: asyncio.Task[Any]) -> None:
        body.alive = False
        self.checker.dead.setdefault(body.name, self.loop.time())
        error = None if task.cancelled() else _single(task.exception())
        self.log.append(f"{self.loop.time():8.3f} {body.name} ended: {error!r}")
        if error is not None and not isinstance(error, (Unavailable, CommitUncertain)):
            self.noting(self._defect, body, error)
        if body.name in self.checker.uncertain or self._was_cut_off(body) or isinstance(error, Unavailable):
            self.calls.excuse("without its store", body.name)
        else:
            self.noting(self.checker.left, body)
        if body.restart:
            self.loop.after(self.chance.random() * self.lease, self.start_worker, body)

    def _was_cut_off(self, body: Body) -> bool:
        """Whether its store was away so lately that the patience with it may have come to its end."""
        return body.cut > 0 and self.loop.time() - body.cut < 300

    def _defect(self, body: Body, error: BaseException) -> None:
        raise Breach("defect", body.name, f"ended with {error!r}")

    # --- the run

    async def run(self) -> None:
        chance, after = self.chance, self.loop.after
        for _ in range(chance.randint(1, 3)):
            after(chance.random() ** 2 * self.ends / 2, self.start_worker)
        for _ in range(chance.randint(0, 2)):
            after(chance.random() * self.ends, self.start, "planner", actors.planner)
        for _ in range(chance.randint(0, 3)):
            after(chance.random() * self.ends, self.start, "retry", actors.retrier)
        for _ in range(chance.randint(2, 3) if self.reviewed else 0):
            after(chance.random() * self.ends, self.start, "person", actors.person)
        self.start("reader", actors.reader)
        await self._wait(self.ends)
        self._calm()
        await self._ended_all("planner", "retry", "person")  # what they add later than the last run is for another
        self.start("last", actors.worker)
        await self._ended_all("w", "last")
        if self.breach is None:
            await self._wait(_LATE_WRITES if self.climate.store_rate else 5.0)
            self.noting(self._end)

    async def _wait(self, seconds: float) -> None:
        await asyncio.wait([self.broken], timeout=seconds)

    def _calm(self) -> None:
        for body in self.bodies:
            body.cut = min(body.cut, self.loop.time())
            if body.paused and body.alive:
                body.wake(self.loop)

    async def _ended_all(self, *kinds: str) -> None:
        deadline = self.loop.time() + SETTLED_WITHIN
        while self.breach is None and self._busy(*kinds) and self.loop.time() < deadline:
            await self._wait(1.0)

    def _busy(self, *kinds: str) -> list[str]:
        return [body.name for body in self.bodies if body.alive and body.name.startswith(kinds)]

    def _end(self) -> None:
        if busy := self._busy("w", "last", "planner", "retry", "person"):
            raise Breach("I9", busy[0], f"still at it {SETTLED_WITHIN:.0f} s after the last trouble")
        self.checker.ended(sorted(self.source.objects))
        if self.loop.complaints:
            raise Breach("defect", "loop", self.loop.complaints[0])

    def story(self) -> list[str]:
        """The history of the document that broke: what the manifest says, what the model was asked, what befell all."""
        if self.breach is None:
            return []
        document = self.breach.document
        lines = [f"  {event}" for key in sorted(self.checker.versions) for event in self._history(key, document)]
        return [*lines, *(f"  {call}" for call in self.calls.of.get(document, [])), *self.log]

    def _history(self, key: str, document: str) -> list[Any]:
        versions = self.checker.versions[key]
        record = versions[-1].get(document, {}) if versions else {}
        return record.get("history", record.get("tokens", []))


def _single(error: BaseException | None) -> BaseException | None:
    return _single(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


@cache
def settle_down() -> None:
    """Spares each run's clean-up what was there before it: call it after a first run has imported everything."""
    gc.collect()
    gc.freeze()


def simulate(seed: int) -> Verdict:
    """One run. The same seed gives the same run."""
    collecting = gc.isenabled()
    gc.disable()  # what a collection ends would end at another moment in another run
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what a killed process had begun is never awaited
            verdict = _simulate(seed)
            with buried():
                gc.collect()
        settle_down()
        return verdict
    finally:
        if collecting:
            gc.enable()


def _simulate(seed: int) -> Verdict:
    logging.disable()  # what is said of each trouble interests nobody
    loop = SimLoop()
    world = World(seed, loop)
    kept = world.chance.choice((256, 256, 8, 3))
    with seams(world, kept):
        loop.run_until_complete(loop.create_task(world.run()))
    loop.close()
    logging.disable(logging.NOTSET)
    return Verdict(seed, world.breach, world.checker.checks, loop.time(), world.story(), "\n".join(world.log))
