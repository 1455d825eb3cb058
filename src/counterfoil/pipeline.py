"""The run: documents on their way from the source to the manifest, as many at once as there is room for.

    source --> plan --> claim --> fetch --> examine --> ask the model --> judge --> keep result --> record
                 ^                     (worker process)             (worker process)
                 +--- parts of a container ---+

A bad document is an outcome (`failed`, with a reason), never an exception that ends the run; exceptions are about the
run. A paid answer is never lost: once it is there, its result and its record are written even if the run is being
cancelled. This module holds no state that matters: kill it anywhere, and the manifest tells the next run what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from weakref import WeakValueDictionary

from .adoption import Adoption
from .ahead import Ahead
from .asking import Asker
from .brake import Brake, Stopped
from .claims import Claim
from .document import Reading, Usage
from .duplicates import Duplicate, Duplicates, noted
from .errors import ClaimLost, CounterfoilError, InputError
from .events import CostReached
from .extract import Examined, Extraction, examine, recipe, recipe_of
from .jsonfile import encode
from .judging import Answered, judged
from .kinds import CONTAINER
from .outcome import facts_of, result_content, untold_usage
from .parts import Parts
from .results import Results, Stored, input_of
from .settings import Settings, Tally, Tools
from .source import plan
from .spend import NOTHING
from .store import Entry
from .suspects import Suspects
from .tasks import first_of, settled

_READ_AHEAD = 32
_LEAST_AHEAD = 4
_MOST_ELSEWHERE = 256
_OTHERS_LOOKED_AT_EVERY = 1 / 64


class Run:
    """One process's share of a batch. `stop()` ends it gracefully, from a signal handler too."""

    def __init__(self, tools: Tools, settings: Settings) -> None:
        self.tools, self.settings = tools, settings
        self.clock, self._watch = tools.manifest.clock, tools.watch
        self.tally = Tally()
        self._results = Results(tools.manifest.store, self.clock)
        self._adoption = Adoption(self._results, tools.worker)
        self._duplicates = Duplicates(tools.manifest, self._results, settings.duplicates)
        how = (settings.reader, self.model_name, settings.images, settings.schema, settings.ocr)
        self._recipe = recipe(*how, ours=settings.ours)
        self._suspects = Suspects(tools.worker)
        self._parts = Parts(tools.source, tools.worker, tools.offload, settings.limits, tools.manifest.shards)
        self._brake = Brake(self.clock, tools.worker.news.set)
        self._asker = Asker(tools.model, tools, settings, self._brake, self.tally) if tools.model else None
        self._fatal: Exception | None = None
        self._active: set[asyncio.Task[None]] = set()
        self._quiet = self._recording = 0
        self._surveyed = self.clock.monotonic()
        self._unread: set[str] = set()
        self._ahead = Ahead(self._fetch, self._examine, max(settings.concurrency, _READ_AHEAD), self._read_ahead)
        self._inputs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def model_name(self) -> str | None:
        """The model that reads documents, None without one."""
        return self.tools.model.name if self.tools.model else None

    @property
    def stopping(self) -> bool:
        return self._brake.pulled

    @property
    def cost_reached(self) -> bool:
        """Whether --max-cost has stopped this run."""
        return self._asker is not None and self._asker.cost_reached

    @property
    def read_ahead(self) -> int:
        """How many documents have been read, or are being read, before they are claimed."""
        return len(self._ahead)

    def stop(self, because: Exception | None = None) -> None:
        """Claims stop, calls in flight end and are recorded; `because` is raised by `work` afterwards."""
        self._fatal = self._fatal or because
        self._brake.pull()

    async def work(
        self, known: Sequence[Entry] | None = None, arriving: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Brings every document of the source to an end, sharing the work with whoever else is at this manifest.

        With `arriving`, which plans documents as they come, it goes on until that returns and all is finished."""
        self._adoption.begin()
        planning = asyncio.create_task(self._plan(known, arriving), name="plan")
        if known and not self.tools.worker.statuses:
            next_ones = [entry for entry in known if self.tools.worker.is_next(entry.key)][: self._room()]
            # None of them is finished, and we are likely to claim them: read them while the manifest takes the plan.
            self._ahead.begin((entry.key, {"mark": entry.mark, "size": entry.size}) for entry in next_ones)
        try:
            while not self.stopping and not self._all_done(planning):
                for claim in await self._next_claims(planning):
                    self._start(claim)
        except CounterfoilError as exc:
            self.stop(exc)
        finally:
            if self.cost_reached:
                self._watch.tell(CostReached())
            if self.cost_reached and arriving is None:  # what can't be afforded now is pending, not forgotten
                await asyncio.wait([planning])
            await self._wind_down(planning)
        if self._fatal:
            raise self._fatal

    async def _plan(self, known: Sequence[Entry] | None, arriving: Callable[[], Awaitable[None]] | None) -> None:
        try:
            if arriving:
                await arriving()
            else:
                await plan(self.tools.source, self.tools.manifest, self.tools.worker, known)
        except* Exception as group:  # a defect of ours too: what was not planned must not pass for finished
            self.stop(first_of(group))
        finally:
            self.tools.worker.news.set()

    def _read_ahead(self) -> None:
        """What comes next, while no claimed document waits to be read: the readers would idle until answers come."""
        idle = not self._unread and not (self._first_wave and self._room() > 0)
        if idle and self._asker and not self.stopping:
            self._ahead.go_on(self.tools.worker.upcoming)

    # --- which documents, and when

    def _all_done(self, planning: asyncio.Task[None]) -> bool:
        """Whether nothing is left, for anybody. What was last seen does for that: from finished, a record goes on only
        by `retry` or a changed source, and that is new work for whoever asks for it."""
        return not self._active and planning.done() and not self._unfinished()

    def _unfinished(self) -> int:
        statuses = self.tools.worker.statuses
        return statuses["pending"] + statuses["running"] - self._left_alone()

    def _left_alone(self) -> int:
        """Documents that are not this run's to finish, whatever becomes of them: batches are for `BatchRun`."""
        return self.tools.worker.bound.total()

    async def _survey(self) -> None:
        self._surveyed = self.clock.monotonic()
        await self.tools.worker.survey()

    @property
    def _first_wave(self) -> bool:
        """Whether no call has ended yet: until then each document that is claimed has a free slot at the model."""
        return self.tools.model is not None and not self.tally.usage.calls

    def _room(self) -> int:
        """How many more documents may be on their way: those at the model, and those being read ahead for it.

        Reading ahead waits for our first answer, and then takes only a part of what is pending: until then, and near
        the end, others may have a free slot for what we could only queue. Documents that rest between two attempts, or
        are being recorded, take no room, within reason: neither those that keep failing nor a slow store must hold up
        the others.
        """
        calls = self.settings.concurrency if self.tools.model else 0
        share = max(_LEAST_AHEAD, self.tools.worker.statuses["pending"] // (4 * self.tools.worker.company))
        ahead = 0 if self._first_wave else min(max(_READ_AHEAD, calls // 8), share)
        elsewhere = min(self._brake.resting + self._recording, max(calls, _MOST_ELSEWHERE))
        return calls + ahead + elsewhere - len(self._active)

    async def _next_claims(self, planning: asyncio.Task[None]) -> list[Claim]:
        """Claims for the room there is. Where there is none, waits for one of our tasks to end, or for news."""
        self.tools.worker.news.clear()
        if self.clock.monotonic() - self._surveyed > self.settings.poll:
            await self._survey()
        room = self._room()
        if room > 0 and (
            claims := await self.tools.worker.claim(room, asking=self._first_wave and self.settings.max_cost is None)
        ):
            self._quiet = 0
            return claims
        alone = not self._active and planning.done()
        if not (alone and not self._unfinished()):
            await self._wait(alone)
        return []

    async def _wait(self, alone: bool) -> None:
        """Until something happens here, or for a while: short at first where others hold all that is left."""
        wait = self._look_again_after(alone)
        self._quiet = min(self._quiet + 1, 10) if alone else 0
        timer = asyncio.create_task(self._sleep_then_look(wait))
        try:
            await self.tools.worker.news.wait()
        finally:
            timer.cancel()

    def _look_again_after(self, alone: bool) -> float:
        if not alone:
            return self.settings.poll
        spread = self.tools.worker.company * _OTHERS_LOOKED_AT_EVERY  # many workers list many shards
        return min(max(1.0, spread), self.settings.poll, max(0.1, spread / 2) * 2**self._quiet)

    async def _sleep_then_look(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._surveyed = -self.settings.poll
        self.tools.worker.news.set()

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._process(claim), name=f"document {claim.document}")
        self._active.add(task)
        self._watch.began(claim)
        self._unread.add(claim.document)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._active.discard(task)
        self.tools.worker.news.set()

    async def _wind_down(self, planning: asyncio.Task[None]) -> None:
        """Gives calls in flight their grace; what then still runs is cancelled, and its claim given back on leaving."""
        planning.cancel()
        try:
            if self._active:
                await asyncio.wait(self._active, timeout=self.settings.grace)
        finally:
            rest: list[asyncio.Task[Any]] = [planning, *self._active]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, self._ahead.close(), return_exceptions=True)

    # --- the way of one document

    async def _process(self, claim: Claim) -> None:
        """From its claim to its record, whatever becomes of it."""
        try:
            try:
                await self._outcome(claim)
            except InputError as exc:
                await settled(self._fail(claim, str(exc)))
            except (Stopped, asyncio.CancelledError) as exc:
                await settled(self.tools.worker.deeds.release([claim]))
                if not isinstance(exc, Stopped):
                    raise
            except CounterfoilError:
                raise
            except Exception as exc:  # a defect of ours must cost this document only, and must be seen
                reason = f"internal error ({type(exc).__name__}: {exc}); please report it"
                await settled(self._fail(claim, reason))
        except ClaimLost:
            self._watch.outcome(claim, {"status": "lost"})  # somebody else's document by now
        except CounterfoilError as exc:
            self.stop(exc)
        finally:
            self._suspects.leave(claim)
            self._was_read(claim)
            if self._asker:
                self._asker.ended(claim)
            self._watch.ended(claim)

    def _was_read(self, claim: Claim) -> None:
        self._unread.discard(claim.document)
        if not self._unread:
            self._read_ahead()

    async def _outcome(self, claim: Claim) -> None:
        await self._suspects.begin(claim)
        early = self._ahead.take(claim.document, claim.record["mark"])
        body = b"" if early else await self._fetch(claim.document, claim.record)
        digest = await early.digest if early else sha256(body).digest()
        name = claim.input = input_of(digest, self._recipe, claim.record.get("take", 0))
        async with self._inputs.setdefault(name, asyncio.Lock()):  # equal documents wait for the first, and adopt
            # Equal archives have parts of their own, so theirs is not adopted unseen.
            if (stored := await self._adoption.find(claim, name)) and stored.content["reader"] != CONTAINER:
                await settled(self._settle(claim, name, stored, adopted=True))
                return
            examined = await (early.examined if early else self._examine(claim.document, body))
            del body, early  # a thousand documents that wait for their model need not stay in memory
            self._was_read(claim)
            await self._parts.plan(claim, examined.parts)
            how = recipe_of(examined, self._recipe, self.settings.ocr)
            if how != self._recipe:
                name = claim.input = input_of(digest, how, claim.record.get("take", 0))
                if scanned := await self._adoption.find(claim, name):
                    await settled(self._settle(claim, name, scanned, adopted=True))
                    return
            made = examined.extraction
            if made is None:
                await self._suspects.read(claim)
                made = await self._ask(claim, examined)
            if made is not None:
                self._recording += 1
                self.tools.worker.news.set()
                try:
                    await settled(self._keep(claim, name, made, examined.reading, how))
                finally:
                    self._recording -= 1

    async def _fetch(self, document: str, record: Mapping[str, Any]) -> bytes:
        self._brake.check()
        with self._watch.stage(document, "fetch"):
            if "within" in record:
                return await self._parts.fetch(document, record)
            return await self.tools.source.fetch(document, record["size"], self.settings.limits.max_bytes)

    async def _examine(self, document: str, body: bytes) -> Examined:
        with self._watch.stage(document, "read"):
            return await self._read(body)

    async def _read(self, body: bytes) -> Examined:
        self._brake.check()
        settings, limits = self.settings, self.settings.limits
        how = settings.reader, self.model_name is not None, limits, self.clock.utc().date(), settings.images
        examined = await self.tools.offload.run(examine, body, *how, settings.ocr, False, settings.ours)
        if not examined.scans:
            return examined
        self._brake.check()
        seconds = limits.seconds + 4 * limits.ocr_seconds * examined.scans
        return await self.tools.offload.run(examine, body, *how, settings.ocr, True, settings.ours, seconds=seconds)

    async def _ask(self, claim: Claim, examined: Examined) -> Answered | None:
        """What the model makes of a document; None if the claim was left to somebody who will ask it."""
        assert self._asker is not None, "only with a model is a document left to it"
        with self._watch.stage(claim.document, "ask"):
            return await self._asker.ask(claim, examined.reading)

    async def _keep(
        self, claim: Claim, name: str, made: Extraction | Answered, reading: Reading, how: Mapping[str, Any]
    ) -> None:
        """Stores a result, then records it: in that order, so that a finished record always has its result."""
        extraction = made if isinstance(made, Extraction) else await self._judged(claim, made, reading)
        content = result_content(claim, name, extraction, how, self.tools.manifest.writer, self.clock.stamp())
        judging = asyncio.create_task(self._duplicates.first(claim.document, content))  # beside the write, not after it
        with self._watch.stage(claim.document, "keep"):
            stored, ours = await self._results.keep(name, encode(content))
        await self._settle(claim, name, stored, adopted=not ours, judging=judging)

    async def _judged(self, claim: Claim, answer: Answered, reading: Reading) -> Extraction:
        with self._watch.stage(claim.document, "judge"):
            return await judged(answer, reading, self.tools.judges, self.clock.utc().date(), self.settings.ours)

    async def _settle(
        self,
        claim: Claim,
        name: str,
        stored: Stored,
        *,
        adopted: bool,
        judging: Awaitable[Duplicate | None] | None = None,
    ) -> None:
        """Records a document whose result is in the store; an adopted one may tell of calls that no record tells of."""
        duplicate = await judging if judging else None
        if adopted:
            duplicate = await self._duplicates.first(claim.document, stored.content)
        facts = noted(facts_of(name, stored, adopted=adopted), duplicate)
        found = untold_usage(claim.document, claim.record["history"], stored.content) if adopted else NOTHING
        await self._record(claim, facts, found)

    async def _fail(self, claim: Claim, reason: str) -> None:
        await self._record(claim, {"status": "failed", "reason": reason})

    async def _record(self, claim: Claim, facts: Mapping[str, Any], found: Usage = NOTHING) -> None:
        with self._watch.stage(claim.document, "record"):
            await self.tools.worker.deeds.finish(claim, facts, found)
        self._watch.outcome(claim, facts)
        self.tally.finished[facts["status"]] += 1
        self.tally.adopted += bool(facts.get("adopted"))
