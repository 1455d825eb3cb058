"""Who watches a run is told here what happens in it: metrics, traces and logs are listeners, and know nothing of it.

It promises that a listener never costs a document or the run, whatever it raises, and that a run which nobody watches
pays next to nothing for that: no event is made then, and the model is asked directly. It changes nothing that happens.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

from .claims import Claim
from .clock import Clock
from .errors import RateLimited, Unanswered, Unavailable
from .events import CallEnded, CallOutcome, Claimed, Committed, Ended, Event, Stage, StageEnded
from .model import Answer, Model, Request, Unreachable
from .prices import Prices

Listener = Callable[[Event], None]

_log = logging.getLogger(__name__)
_UNWATCHED = nullcontext()


class Watch:
    """Tells each of the `listeners` of every event, in the order in which they happen; without any it does nothing."""

    def __init__(self, *listeners: Listener, clock: Clock | None = None) -> None:
        self._listeners = list(listeners)
        self._clock = clock or Clock()
        self._begun: dict[Claim, float] = {}
        self._facts: dict[Claim, Mapping[str, Any]] = {}
        self.inside: Counter[str] = Counter()
        """Documents that are in each stage now; counted only while somebody watches."""

    @property
    def on(self) -> bool:
        """Whether anybody watches."""
        return bool(self._listeners)

    def tell(self, event: Event) -> None:
        """Tells everybody. A listener that raises is not asked again: what watches must not disturb."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as exc:
                self._listeners.remove(listener)
                _log.warning(
                    "what watches this run failed and is left out from here on: %s: %s", type(exc).__name__, exc
                )

    def began(self, claim: Claim) -> None:
        """A document is ours, and its way begins."""
        if self._listeners:
            self._begun[claim] = self._clock.monotonic()
            last = claim.record.get("history", [{}])[-1]
            self.tell(Claimed(claim.document, claim.attempt, last.get("dead")))

    def stage(self, document: str, stage: Stage) -> AbstractContextManager[None]:
        """Around what happens to a document in one stage."""
        return _InStage(self, self._clock, document, stage) if self._listeners else _UNWATCHED

    def asking(self, model: Model, claim: Claim, prices: Prices) -> Model:
        """The model, for the calls of one claim; each is told of when it ends."""
        return _Asked(model, self, self._clock, claim, prices) if self._listeners else model

    def outcome(self, claim: Claim, facts: Mapping[str, Any]) -> None:
        """What the record says of a document from now on (`status`, `reader`, `reason`, `adopted`)."""
        if self._listeners:
            self._facts[claim] = facts

    def ended(self, claim: Claim) -> None:
        """The way of a document is over; without an outcome its claim was given back."""
        begun, facts = self._begun.pop(claim, None), self._facts.pop(claim, {"status": "released"})
        if begun is not None:
            self.tell(
                Ended(
                    claim.document,
                    claim.attempt,
                    facts["status"],
                    begun,
                    self._clock.monotonic() - begun,
                    claim.used,
                    facts.get("reader"),
                    facts.get("reason"),
                    bool(facts.get("adopted")),
                )
            )

    def committed(self, seconds: float) -> None:
        """A write of the manifest has landed."""
        self.tell(Committed(seconds))


NOBODY = Watch()
"""Watches nothing."""


class _InStage:
    __slots__ = ("_begun", "_clock", "_document", "_stage", "_watch")

    def __init__(self, watch: Watch, clock: Clock, document: str, stage: Stage) -> None:
        self._watch, self._clock, self._document = watch, clock, document
        self._stage: Stage = stage
        self._begun = 0.0

    def __enter__(self) -> None:
        self._watch.inside[self._stage] += 1
        self._begun = self._clock.monotonic()

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        self._watch.inside[self._stage] -= 1
        seconds = self._clock.monotonic() - self._begun
        said = None if error is None else told(error)
        self._watch.tell(StageEnded(self._document, self._stage, self._begun, seconds, said))


class _Asked:
    """A model whose calls are told of."""

    def __init__(self, model: Model, watch: Watch, clock: Clock, claim: Claim, prices: Prices) -> None:
        self.name = model.name
        self._model, self._watch, self._clock, self._claim, self._prices = model, watch, clock, claim, prices

    async def complete(self, request: Request) -> Answer:
        begun = self._clock.monotonic()
        try:
            answer = await self._model.complete(request)
        except BaseException as error:
            self._tell(begun, _outcome_of(error), error=told(error))
            raise
        tokens = answer.input_tokens, answer.output_tokens
        counted = (*tokens, answer.cached_tokens, answer.written_tokens)
        cost = self._prices.cost(self.name, *counted) if sum(tokens) else None
        self._tell(begun, "answered", input_tokens=tokens[0], output_tokens=tokens[1], cost_usd=cost)
        return answer

    def _tell(self, begun: float, outcome: CallOutcome, **more: Any) -> None:
        claim, seconds = self._claim, self._clock.monotonic() - begun
        self._watch.tell(CallEnded(claim.document, claim.attempt, begun, seconds, outcome, **more))


def _outcome_of(error: BaseException) -> CallOutcome:
    if isinstance(error, RateLimited):
        return "refused"
    if isinstance(error, Unreachable):
        return "unreachable"
    if isinstance(error, (Unanswered, asyncio.CancelledError)):  # a call that is given up is cancelled
        return "unknown"
    return "unavailable" if isinstance(error, Unavailable) else "rejected"


def told(error: BaseException) -> str:
    """An error in words."""
    if isinstance(error, asyncio.CancelledError):
        return "broken off"
    return str(error) or type(error).__name__
