"""The run: documents on their way from the source to the manifest, as many at once as there is room for.

    source --> plan --> claim --> fetch --> examine (worker process) --> ask the model --> keep result --> record
                 ^                                |
                 +------ parts of a container ----+

A bad document is an outcome (`failed`, with a reason), never an exception that ends the run; exceptions are about the
run. A paid answer is never lost: once it is there, its result and its record are written even if the run is being
cancelled. This module holds no state that matters: kill it anywhere, and the manifest tells the next run what is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from weakref import WeakValueDictionary

from .cost_limit import CostLimit, CostReached, Withdrawn
from .document import Images, Limits, Ocr, ReaderName, Usage
from .errors import ClaimLost, CounterfoilError, InputError, SetupError, Unavailable
from .extract import NO_OCR, Examined, Extraction, ask_model, examine, recipe, recipe_of
from .form import Form, OwnSchema
from .jsonfile import encode
from .kinds import CONTAINER
from .manifest import Manifest
from .model import Model, Unreachable
from .offload import Offload
from .outcome import facts_of, result_content, untold_usage, usage_of_error
from .pace import Pace
from .parts import Parts
from .prices import LIST_PRICES, Prices
from .results import Results, Stored, input_of
from .source import Source, plan
from .spend import NOTHING
from .store import Entry
from .tasks import first_of, settled
from .worker import Claim, Worker

_READ_AHEAD = 32
_LEAST_AHEAD = 4
_MOST_RESTING = 256
_MORE_INPUT, _MOST_OUTPUT = 5_000, 4_000
"""Tokens: of what goes with a text, and of an answer; a guess on the high side, for as long as no call has told."""
_OTHERS_LOOKED_AT_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How documents are read, and how much happens at once. `grace` is how long (s) calls in flight may take to end
    once the run is told to stop; `poll` the longest time (s) between two looks at what other workers did.
    `max_attempts` bounds the calls for one answer, `call_timeout` each of them (s); `prices` say what they cost;
    `images` which pages a model sees; `ocr` reads pages without text; `max_cost` (US dollars) bounds what all calls of
    the OUT cost; `schema` is what documents are read by, if they are no invoices."""

    reader: ReaderName = "auto"
    concurrency: int = 128
    limits: Limits = field(default_factory=Limits)
    grace: float = 30.0
    poll: float = 5.0
    max_attempts: int = 6
    call_timeout: float = 120.0
    prices: Prices = LIST_PRICES
    images: Images = "auto"
    ocr: Ocr = NO_OCR
    max_cost: Decimal | None = None
    schema: OwnSchema | None = None

    @property
    def form(self) -> Form | None:
        """What a model is asked for; None for an invoice."""
        return self.schema.form if self.schema else None


@dataclass(slots=True)
class Tally:
    """What this run has done so far."""

    finished: Counter[str] = field(default_factory=Counter[str])
    adopted: int = 0
    usage: Usage = field(default_factory=Usage)


class _Stopped(Exception):
    """The run is being stopped before this document's next step: its claim is given back, with what it cost so far."""


@dataclass(frozen=True, slots=True)
class _Early:
    """A document that is read before it is claimed."""

    body: asyncio.Task[bytes]
    examined: asyncio.Task[Examined]


@dataclass(frozen=True, slots=True)
class Tools:
    """The opened components of a run, all passed in."""

    source: Source
    manifest: Manifest
    worker: Worker
    offload: Offload
    pace: Pace
    model: Model | None = None


class Run:
    """One process's share of a batch. `stop()` ends it gracefully, from a signal handler too."""

    def __init__(self, tools: Tools, settings: Settings) -> None:
        self.tools, self.settings = tools, settings
        self.clock = tools.manifest.clock
        self.tally = Tally()
        self._results = Results(tools.manifest.store, self.clock)
        self._recipe = recipe(settings.reader, self.model_name, settings.images, settings.schema, settings.ocr)
        self._parts = Parts(tools.source, tools.worker, tools.offload, settings.limits, tools.manifest.shards)
        self._stopping = asyncio.Event()
        self.cost_reached = False
        self._patient = replace(self.clock, sleep=self._sleep_unless_stopping)
        self._cost_limit = (
            CostLimit(settings.max_cost, tools.worker, settings.concurrency, self._patient)
            if settings.max_cost is not None
            else None
        )
        self._fatal: Exception | None = None
        self._active: set[asyncio.Task[None]] = set()
        self._resting = self._quiet = 0
        self._surveyed = self.clock.monotonic()
        self._early: dict[str, _Early] = {}
        self._inputs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def model_name(self) -> str | None:
        """The model that reads documents, None without one."""
        return self.tools.model.name if self.tools.model else None

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self, because: Exception | None = None) -> None:
        """Claims stop, calls in flight end and are recorded; `because` is raised by `work` afterwards."""
        self._fatal = self._fatal or because
        self._stopping.set()
        self.tools.worker.news.set()

    async def work(self, known: Sequence[Entry] | None = None) -> None:
        """Brings every document of the source to an end, sharing the work with whoever else is at this manifest."""
        planning = asyncio.create_task(self._plan(known), name="plan")
        if known and not self.tools.worker.statuses:
            self._read_early([entry for entry in known if self.tools.worker.is_next(entry.key)][: self._room()])
        try:
            while not self.stopping and not self._all_done(planning):
                for claim in await self._next_claims(planning):
                    self._start(claim)
        except CounterfoilError as exc:
            self.stop(exc)
        finally:
            if self.cost_reached:  # what can't be afforded now is pending, not forgotten
                await asyncio.wait([planning])
            await self._wind_down(planning)
        if self._fatal:
            raise self._fatal

    async def _plan(self, known: Sequence[Entry] | None) -> None:
        try:
            await plan(self.tools.source, self.tools.manifest, self.tools.worker, known)
        except* Exception as group:  # a defect of ours too: what was not planned must not pass for finished
            self.stop(first_of(group))
        finally:
            self.tools.worker.news.set()

    def _read_early(self, entries: Sequence[Entry]) -> None:
        """Has documents read while the manifest takes the plan. Only where it was empty: then none of them is finished,
        and we are likely to claim them."""

        async def examined(body: asyncio.Task[bytes]) -> Examined:
            return await self._examine(await body)

        for entry in entries:
            body = asyncio.create_task(self._fetch(entry.key, {"size": entry.size}))
            self._early[entry.key] = early = _Early(body, asyncio.create_task(examined(body)))
            early.examined.add_done_callback(lambda task: task.cancelled() or task.exception())  # it may not be needed

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
        the end, others may have a free slot for what we could only queue. Documents that rest between two attempts
        take no room, within reason: those that keep failing must not hold up the others.
        """
        calls = self.settings.concurrency if self.tools.model else 0
        share = max(_LEAST_AHEAD, self.tools.worker.statuses["pending"] // 4)
        ahead = 0 if self._first_wave else min(max(_READ_AHEAD, calls // 8), share)
        return calls + ahead + min(self._resting, max(calls, _MOST_RESTING)) - len(self._active)

    async def _next_claims(self, planning: asyncio.Task[None]) -> list[Claim]:
        """Claims for the room there is. Where there is none, waits for one of our tasks to end, or for news."""
        self.tools.worker.news.clear()
        if self.clock.monotonic() - self._surveyed > self.settings.poll:
            await self._survey()
        room = self._room()
        if room > 0 and (
            claims := await self.tools.worker.claim(room, asking=self._first_wave and not self._cost_limit)
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
        return min(_OTHERS_LOOKED_AT_EVERY, 0.1 * 2**self._quiet) if alone else self.settings.poll

    async def _sleep_then_look(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._surveyed = -self.settings.poll
        self.tools.worker.news.set()

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._process(claim), name=f"document {claim.document}")
        self._active.add(task)
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
            early = [task for document in self._early.values() for task in (document.body, document.examined)]
            rest: list[asyncio.Task[Any]] = [planning, *self._active, *early]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    # --- the way of one document

    async def _process(self, claim: Claim) -> None:
        """From its claim to its record, whatever becomes of it."""
        try:
            try:
                await self._outcome(claim)
            except InputError as exc:
                await settled(self._fail(claim, str(exc)))
            except (_Stopped, asyncio.CancelledError) as exc:
                await settled(self.tools.worker.release([claim]))
                if not isinstance(exc, _Stopped):
                    raise
            except CounterfoilError:
                raise
            except Exception as exc:  # a defect of ours must cost this document only, and must be seen
                reason = f"internal error ({type(exc).__name__}: {exc}); please report it"
                await settled(self._fail(claim, reason))
        except ClaimLost:
            pass  # somebody else's document by now
        except CounterfoilError as exc:
            self.stop(exc)
        finally:
            if self._cost_limit:
                self._cost_limit.ended(claim)

    async def _outcome(self, claim: Claim) -> None:
        early = self._early.pop(claim.document, None)
        body = await (early.body if early else self._fetch(claim.document, claim.record))
        name = claim.input = input_of(body, self._recipe, claim.record.get("take", 0))
        async with self._inputs.setdefault(name, asyncio.Lock()):  # equal documents wait for the first, and adopt
            # Equal archives have parts of their own, so theirs is not adopted unseen.
            if (stored := await self._results.find(name)) and stored.content["reader"] != CONTAINER:
                await settled(self._settle(claim, name, stored, adopted=True))
                return
            examined = await (early.examined if early else self._examine(body))
            await self._parts.plan(claim, examined.parts)
            how = recipe_of(examined, self._recipe, self.settings.ocr)
            if how != self._recipe:
                name = claim.input = input_of(body, how, claim.record.get("take", 0))
                if stored := await self._results.find(name):
                    await settled(self._settle(claim, name, stored, adopted=True))
                    return
            del body, early  # a thousand documents that wait for their model need not stay in memory
            extraction = examined.extraction or await self._ask(claim, examined)
            if extraction is not None:
                await settled(self._keep(claim, name, extraction, how))

    async def _sleep_unless_stopping(self, seconds: float) -> None:
        """Between two attempts: a run that is being stopped need not wait for what it will not do."""
        rest = [asyncio.create_task(self._stopping.wait()), asyncio.ensure_future(self.clock.sleep(seconds))]
        self._resting += 1
        self.tools.worker.news.set()
        try:
            await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._resting -= 1
            for task in rest:
                task.cancel()
        self._go_on()

    def _go_on(self) -> None:
        if self.stopping:
            raise _Stopped

    async def _fetch(self, document: str, record: Mapping[str, Any]) -> bytes:
        self._go_on()
        if "within" in record:
            return await self._parts.fetch(document, record)
        return await self.tools.source.fetch(document, record["size"], self.settings.limits.max_bytes)

    async def _examine(self, body: bytes) -> Examined:
        self._go_on()
        settings, limits = self.settings, self.settings.limits
        how = settings.reader, self.model_name is not None, limits, self.clock.utc().date(), settings.images
        examined = await self.tools.offload.run(examine, body, *how, settings.ocr)
        if not examined.scans:
            return examined
        self._go_on()
        seconds = limits.seconds + 2 * limits.ocr_seconds * examined.scans
        return await self.tools.offload.run(examine, body, *how, settings.ocr, True, seconds=seconds)

    async def _ask(self, claim: Claim, examined: Examined) -> Extraction | None:
        """What the model makes of a document; None if the claim was left to somebody who will ask it."""
        assert self.tools.model is not None, "only with a model is a document left to it"

        async def permit(so_far: Usage) -> None:
            """No call goes out once the run is stopping or the claim is lost, nor before the record says so."""
            claim.used = so_far
            self._go_on()
            await self.tools.worker.assure(claim)
            await self._intend(claim, examined)
            self._go_on()

        today, model = self.clock.utc().date(), self.tools.model
        if self._cost_limit:
            model = self._cost_limit.watching(model, claim)
        try:
            extraction = await ask_model(
                examined.reading,
                claim.document,
                model,
                self.tools.pace,
                permit,
                today,
                self._patient,
                max_attempts=self.settings.max_attempts,
                call_timeout=self.settings.call_timeout,
                prices=self.settings.prices,
                form=self.settings.form,
            )
            claim.used = extraction.usage
            return extraction
        except BaseException as exc:
            claim.used = usage_of_error(exc)  # however it ended, it may have to be paid
            if isinstance(exc, Unreachable) and not (claim.used + self.tally.usage).calls:  # no document's fault
                raise SetupError(f"the model can't be reached: {exc}; check its address and the network") from exc
            if isinstance(exc, Unavailable):
                raise InputError(f"the model gave no answer: {exc}; `retry` it later") from exc
            raise
        finally:
            self.tally.usage += claim.used

    async def _intend(self, claim: Claim, examined: Examined) -> None:
        """Has the record say that a call goes out, unless that would pass --max-cost."""
        if self._cost_limit is None or self.tools.model is None:
            return await self.tools.worker.intend(claim)
        tokens = len(examined.reading.text) // 2 + _MORE_INPUT, _MOST_OUTPUT
        guess = self.settings.prices.cost(self.tools.model.name, *tokens) or Decimal(0)
        try:
            await self._cost_limit.admit(claim, guess)
        except CostReached:
            self.cost_reached = True
            self.stop()
            raise _Stopped from None
        except Withdrawn:
            raise _Stopped from None

    async def _keep(self, claim: Claim, name: str, extraction: Extraction, how: Mapping[str, Any]) -> None:
        """Stores a result, then records it: in that order, so that a finished record always has its result."""
        content = result_content(claim, name, extraction, how, self.tools.manifest.writer, self.clock.stamp())
        stored, ours = await self._results.keep(name, encode(content))
        await self._settle(claim, name, stored, adopted=not ours)

    async def _settle(self, claim: Claim, name: str, stored: Stored, *, adopted: bool) -> None:
        """Records a document whose result is in the store; an adopted one may tell of calls that no record tells of."""
        facts = facts_of(name, stored, adopted=adopted)
        found = untold_usage(claim.document, claim.record["history"], stored.content) if adopted else NOTHING
        await self._record(claim, facts, found)

    async def _fail(self, claim: Claim, reason: str) -> None:
        await self._record(claim, {"status": "failed", "reason": reason})

    async def _record(self, claim: Claim, facts: Mapping[str, Any], found: Usage = NOTHING) -> None:
        await self.tools.worker.finish(claim, facts, found)
        self.tally.finished[facts["status"]] += 1
        self.tally.adopted += bool(facts.get("adopted"))
