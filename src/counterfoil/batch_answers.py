"""What batches that have come to an end say of single requests. A batch's results are fetched once and kept as long as
its documents are at hand: a few batches at a time, so that memory does not grow with their number."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .batch import BATCH_PRICE, BatchGone, BatchService, Outcome, Unprocessed
from .batch_book import Batch, BatchBook
from .clock import Clock
from .document import Usage
from .extract_model import usage_of
from .model import Answer
from .prices import Prices
from .spend import LOST_CALL, NOTHING
from .store import retried

_KEPT = 4
_PATIENCE = 300.0


class BatchAnswers:
    """The results of the batches of one account."""

    def __init__(self, service: BatchService | None, book: BatchBook, clock: Clock, prices: Prices) -> None:
        self._service, self._book, self._clock, self._prices = service, book, clock, prices
        self._kept: OrderedDict[str, asyncio.Task[dict[str, Outcome]]] = OrderedDict()

    async def of(self, batch: Batch, asked: Mapping[str, Any]) -> tuple[Outcome | None, Usage]:
        """What became of a document's request (its record's `batch`), and what that took. No outcome: it was never
        sent. Without a price of its own, an answer costs half of a single call's."""
        if batch.state == "lost" or batch.id is None:
            return None, NOTHING
        outcome = await self._outcome(batch, batch.id, asked["request"])
        if asked.get("shared"):
            return outcome, NOTHING
        if batch.state == "cancelled" and isinstance(outcome, Unprocessed):
            return None, NOTHING
        if isinstance(outcome, BatchGone):
            return outcome, LOST_CALL
        return outcome, self.took(outcome) if isinstance(outcome, Answer) else NOTHING

    async def _outcome(self, batch: Batch, at_provider: str, request: str) -> Outcome:
        if batch.state == "gone":
            return BatchGone(batch.said)
        try:
            results = await self._results(batch.name, at_provider)
        except BatchGone as exc:
            return exc
        return results.get(request) or Unprocessed("the batch came to an end without an answer to this document")

    def took(self, answer: Answer) -> Usage:
        """What an answer took; a price that the user gave is taken to be that of the batch."""
        assert self._service is not None
        usage = usage_of(answer, self._service.model, self._prices)
        if usage.cost_usd is None or self._prices.given is not None:
            return usage
        return Usage(usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd * BATCH_PRICE)

    async def _results(self, name: str, at_provider: str) -> dict[str, Outcome]:
        """All of a batch's results; everybody who asks meanwhile waits for the same fetch."""
        if name not in self._kept:
            self._kept[name] = asyncio.create_task(self._fetched(at_provider), name=f"results {name}")
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(name)
        fetching = self._kept[name]
        try:
            return await asyncio.shield(fetching)
        except Exception:
            if self._kept.get(name) is fetching:
                del self._kept[name]
            raise

    async def _fetched(self, at_provider: str) -> dict[str, Outcome]:
        async def fetch() -> dict[str, Outcome]:
            assert self._service is not None
            return {request: outcome async for request, outcome in self._service.results(at_provider)}

        return await retried(self._clock, fetch, patience=_PATIENCE)
