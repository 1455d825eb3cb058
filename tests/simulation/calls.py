"""The model, and its own log of what it was asked: which call was paid, and which of them faults excuse (I8).

A paid call is one that the model answered well. Its payer is excused from keeping the answer if it was killed,
cancelled or superseded with the call in flight: from when the call goes out until its result is in the store.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from counterfoil.errors import CounterfoilError, RateLimited, Unavailable
from counterfoil.model import Answer, Request

from .loop import Body, SimLoop
from .rules import Breach
from .toxics import Climate

_ASKED = re.compile(r'File name: "(?P<document>[^"]*)".*?BODY (?P<text>\S+ v\d+)', re.DOTALL)
Key = tuple[str, str, int]
"""A document, what its bytes say, and which deliberate reading of it."""


@dataclass(eq=False, slots=True)
class Call:
    """One request that reached the model."""

    number: int
    key: Key
    by: Body
    at: float
    outcome: str = "in flight"
    delivered: bool = False
    kept: bool = False
    excused: str = ""

    def __str__(self) -> str:
        fate = "kept" if self.kept else f"not kept ({self.excused or 'no excuse'})"
        return f"{self.at:8.2f} call {self.number} by {self.by.name} of {self.key[1]}: {self.outcome}, {fate}"


class Calls:
    """Every call of a run."""

    def __init__(self) -> None:
        self.all: list[Call] = []
        self.of: defaultdict[str, list[Call]] = defaultdict(list)
        self._paid: Counter[Key] = Counter()
        self._excused: Counter[Key] = Counter()
        self._open: list[Call] = []

    def begin(self, key: Key, by: Body, at: float) -> Call:
        call = Call(len(self.all) + 1, key, by, at)
        self.all.append(call)
        self.of[key[0]].append(call)
        self._open.append(call)
        return call

    def paid(self, call: Call) -> None:
        """The model has answered well, and will send its bill."""
        call.outcome = "answered"
        self._paid[call.key] += 1
        if call.excused:
            self._excused[call.key] += 1
        if self._paid[call.key] > 1 + self._excused[call.key]:
            raise Breach("I8", call.key[0], f"paid {self._paid[call.key]} times, {self._excused[call.key]} excused")

    def excuse(self, why: str, by: str, document: str | None = None) -> None:
        """Whatever this process has in flight (of one document, or all) may be lost."""
        for call in self._open:
            if call.by.name == by and document in (None, call.key[0]):
                call.excused = why
                self._excused[call.key] += call.outcome == "answered"
        self._open = [call for call in self._open if not call.excused]

    def kept(self, by: str, document: str) -> None:
        """A result of this process for this document is in the store, or was found to be there already."""
        for call in self._open:
            if call.by.name == by and call.key[0] == document and call.delivered:
                call.kept = True
        self._open = [call for call in self._open if not call.kept]

    def lost(self, by: Body) -> Call | None:
        """An answer that this process had in hand and did not keep, without an excuse."""
        return next((c for c in self._open if c.by is by and c.delivered and c.outcome == "answered"), None)


class SimModel:
    """One process's way to the model."""

    name = "scripted:model"

    def __init__(self, world: Any, body: Body, climate: Climate, loop: SimLoop) -> None:
        self._world, self._body, self._climate, self._loop = world, body, climate, loop

    async def complete(self, request: Request) -> Answer:
        asked = _ASKED.search(request.turns[1].content)
        assert asked, request.turns[1].content
        call = self._world.called(self._body, asked["document"], asked["text"])
        reply: asyncio.Future[Answer] = self._loop.create_future()
        trouble = self._climate.for_model(self._loop.time())
        wait = 0.5 + 2 * self._climate.chance.random() + (self._climate.long() if trouble == "slow" else 0)
        if trouble != "hang":
            self._loop.after(wait, self._answer, call, trouble, reply)
        try:
            answer = await reply
        except asyncio.CancelledError:
            self._world.calls.excuse("cancelled", self._body.name, asked["document"])
            raise
        call.delivered = True
        return answer

    def _answer(self, call: Call, trouble: str | None, reply: asyncio.Future[Answer]) -> None:
        outcome = self._outcome(call, trouble)
        if reply.done():
            return
        if isinstance(outcome, CounterfoilError):
            reply.set_exception(outcome)
        else:
            reply.set_result(outcome)

    def _outcome(self, call: Call, trouble: str | None) -> Answer | CounterfoilError:
        call.outcome = trouble or "answered"
        match trouble:
            case "limited":
                return RateLimited("429", self._climate.chance.choice((None, 1.0, 20.0)))
            case "broken":
                return Unavailable("500")
            case "garbage":
                return Answer("so sorry, {", 10, 5, self.name)
            case "declined":
                return Answer("", 10, 0, self.name, "refused", "no")
            case _:
                self._world.noting(self._world.calls.paid, call)
                self._world.happened(self._body, "answer")
                said = {
                    "invoice_number": f"{call.key[1]} #{call.number}",
                    "issue_date": "2025-12-30",
                    "currency": "EUR",
                }
                return Answer(json.dumps(said | {"seller_name": "Mill", "gross_total": 119}), 10, 20, self.name)
