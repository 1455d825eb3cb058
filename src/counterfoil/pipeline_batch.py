"""A run at an OUT that has batches: it asks by batches itself, or only collects what others have asked.

    source --> plan --> claim --> fetch --> examine --> batch ... (a day) ... claim --> fetch --> ... --> record

No claim is held while a batch runs: its documents are pending, and whoever sees that it has come to an end claims them
like any others, finds the request's answer, and goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .batch import BatchService, Outcome
from .batch_answers import BatchAnswers
from .batch_book import Batch, BatchBook
from .batch_submit import Submitter
from .batch_turns import Again, follow
from .batch_watch import BatchWatch
from .claims import Claim
from .errors import CounterfoilError
from .extract import Examined
from .judging import Answered
from .model import Request
from .model_answer import invoice_form
from .pipeline import Run
from .prompt import opening
from .results import Stored
from .settings import Settings, Tools
from .spend import NOTHING
from .store import Entry
from .tasks import settled

_BATCHES_LOOKED_AT_EVERY = 30.0


class BatchRun(Run):
    """A `Run` that knows of batches. `service` is the account whose batches it can collect, None for none; `asks` says
    whether it submits batches, or calls `tools.model` for whatever no batch is to answer."""

    def __init__(
        self, tools: Tools, settings: Settings, book: BatchBook, service: BatchService | None, *, asks: bool
    ) -> None:
        self._by_batch = service.model if service and asks else None
        super().__init__(tools, settings)
        self._batches = BatchWatch(book, service, tools.worker, self.clock, self.stop)
        self._answers = BatchAnswers(service, book, self.clock, settings.prices)
        self._outcomes: dict[Claim, Outcome | None] = {}
        self._submitter: Submitter | None = None
        if service and asks:
            self._submitter = Submitter(
                service,
                book,
                self._batches,
                tools.worker,
                self.clock,
                busy=lambda: bool(self._active),
                stop=self.stop,
                tell=self._tell,
            )

    @property
    def running(self) -> Sequence[Batch]:
        """Batches of this account that the provider is working on, or may be: one that no document was left to was
        never sent."""
        bound = self.tools.worker.bound
        return [batch for batch in self._batches.running if batch.id or bound[batch.name]]

    @property
    def left(self) -> Mapping[str, int]:
        """Documents that this run leaves alone, by the batch that only others can collect."""
        bound = self.tools.worker.bound
        return {batch.name: bound[batch.name] for batch in self._batches.foreign if bound[batch.name]}

    def foreign(self, name: str) -> Batch:
        """A batch of `left`."""
        return self._batches.known[name]

    @property
    def model_name(self) -> str | None:
        return self._by_batch or super().model_name

    async def work(
        self, known: Sequence[Entry] | None = None, arriving: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        async with self._batches.watching():
            try:
                await super().work(known, arriving)
            except asyncio.CancelledError:
                if self._submitter:
                    await self._submitter.abandon()
                raise
            finally:
                if self._submitter:
                    await self._submitter.close()
                with suppress(CounterfoilError):  # what is said at the end is as of then, if the store answers
                    await self._batches.refresh()

    def _left_alone(self) -> int:
        return sum(self.left.values())

    async def _survey(self) -> None:
        await super()._survey()
        if self.tools.worker.bound.keys() - self._batches.known.keys():  # a batch that another worker has begun
            self._batches.stir()

    def _look_again_after(self, alone: bool) -> float:
        if alone and self._batches.running and not self.tools.worker.held:
            return _BATCHES_LOOKED_AT_EVERY
        return super()._look_again_after(alone)

    def _tell(self, claim: Claim) -> None:
        """A document was left to its next batch, and what the last one took is on record."""
        self.tally.usage += claim.owed
        claim.owed = NOTHING

    # --- the way of one document

    async def _outcome(self, claim: Claim) -> None:
        try:
            if batch := claim.record.get("batch"):
                await self._collect(claim, batch)
            await super()._outcome(claim)
        finally:
            self._outcomes.pop(claim, None)

    async def _collect(self, claim: Claim, batch: Mapping[str, Any]) -> None:
        """Finds out what became of the document's request, and what that took."""
        self._brake.check()
        if batch["name"] not in self._batches.known:
            await self._batches.refresh()
        outcome, claim.owed = await self._answers.of(self._batches.known[batch["name"]], batch)
        self._outcomes[claim] = outcome

    async def _ask(self, claim: Claim, examined: Examined) -> Answered | None:
        reading = examined.reading
        form = self.settings.form or invoice_form()
        turns = opening(reading.text, claim.document, reading.images, form.instructions)
        again = Again(turns)
        if batch := claim.record.get("batch"):
            outcome = self._outcomes[claim] if _is_of(batch, claim.input) else None
            found = follow(outcome, batch, turns, form, max_attempts=self.settings.max_attempts)
            if not isinstance(found, Again):
                claim.request = batch["request"]
                return Answered(found, claim.owed)
            again = found
        if self._submitter is None:
            await self._forget_batch(claim)
            return await super()._ask(claim, examined)
        self._brake.check()
        await self._submitter.ask(claim, Request(again.turns, form.schema, form.name), claim.input, again.asked)
        return None

    async def _forget_batch(self, claim: Claim) -> None:
        if "batch" in claim.record:
            owed = claim.owed
            await settled(self.tools.worker.deeds.collected(claim))
            self.tally.usage += owed

    async def _settle(self, claim: Claim, name: str, stored: Stored, *, adopted: bool, judging: Any = None) -> None:
        batch = claim.record.get("batch")
        if adopted and batch and stored.content.get("request") == batch["request"]:
            claim.owed = NOTHING  # the result was made of this very answer, and tells what it took
        await super()._settle(claim, name, stored, adopted=adopted, judging=judging)

    async def _record(self, claim: Claim, facts: Mapping[str, Any], found: Any = NOTHING) -> None:
        owed = claim.owed
        await super()._record(claim, facts, found)
        self.tally.usage += owed


def _is_of(batch: Mapping[str, Any], name: str) -> bool:
    """Whether a document's request was for the input that it is now."""
    return batch["request"].split("-")[-2] == name[:32]
