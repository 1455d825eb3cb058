"""What is left after a storm, counted from outside: the files of OUT, the calls the model saw, and the blows dealt.

A call may be made again only if the one before, or the second itself, was exposed: in flight, or answered and not
stored yet, when its worker was hit, or when its document was taken from it. That is I8 for each document by itself;
their sum is the bound.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from counterfoil.checks import tidy
from counterfoil.invoice import Invoice
from counterfoil.model_answer import parse_invoice
from counterfoil.store import Store

from .model_server import sample_invoice
from .storm_crew import Blow
from .storm_model import Call

SLACK = 0.25
"""Seconds that a request may be on its way, or a process take to be gone, when a blow falls."""
_RESOLUTION = 1.0  # of the times in a history


@dataclass(slots=True)
class Count:
    """`lost` and `wrong` name documents; `unexplained` says of documents why a call was one too many."""

    documents: int
    finished: int = 0
    lost: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    calls: int = 0
    exposed: int = 0
    by_takeover: int = 0
    unexplained: list[str] = field(default_factory=list[str])
    events: Counter[str] = field(default_factory=Counter[str])

    @property
    def bound(self) -> int:
        return self.documents + self.exposed


async def count(
    store: Store,
    names: Sequence[str],
    calls: Sequence[Call],
    blows: Sequence[Blow],
    landed: Mapping[str, float],
    who: Callable[[str], str],
) -> Count:
    """`landed` says when (`time.time()`) each object below results/ was first there, by key; `who` which worker it is
    whom the manifest calls so."""
    outcome = Count(len(names), calls=len(calls))
    records = await _records(store)
    stored: defaultdict[str, list[float]] = defaultdict(list)
    async for entry in store.list("results"):
        stored[(await _json(store, entry.key))["document"]].append(landed[entry.key])
    for name in names:
        record = records.get(name)
        if record is None or record["status"] not in ("done", "review"):
            outcome.lost.append(name)
        elif not await _is_what_was_said(store, name, record):
            outcome.wrong.append(name)
        outcome.finished += name not in outcome.lost
        events: list[dict[str, Any]] = record["history"] if record else []
        outcome.events.update(_named(event) for event in events)
        taken = [_takeover(event, who) for event in events if "dead" in event]
        _judge_calls(outcome, name, [c for c in calls if c.document == name], stored[name], blows, taken)
    return outcome


async def _json(store: Store, key: str) -> Any:
    found = await store.get(key)
    assert found is not None, key
    return json.loads(found.body)


async def _records(store: Store) -> dict[str, Any]:
    records: dict[str, Any] = {}
    async for entry in store.list("manifest"):
        if entry.key.startswith("manifest/"):
            records |= (await _json(store, entry.key))["records"]
    return records


async def _is_what_was_said(store: Store, name: str, record: Mapping[str, Any]) -> bool:
    """Whether the result of a document is what the model said about it, and nothing else."""
    content = await _json(store, record["result"])
    said = tidy(parse_invoice(json.dumps(sample_invoice(name))))
    return content["document"] == name and Invoice.model_validate(content["invoice"]) == said


def _named(event: Mapping[str, Any]) -> str:
    return "poison" if event["event"] == "failed" and "dead" in event else event["event"]


def _takeover(event: Mapping[str, Any], who: Callable[[str], str]) -> Blow:
    at = datetime.fromisoformat(event["at"]).timestamp()
    return Blow(who(event["dead"]), "taken over", at, at + _RESOLUTION)


def _judge_calls(
    outcome: Count,
    name: str,
    calls: Sequence[Call],
    stored: Sequence[float],
    blows: Sequence[Blow],
    takeovers: Sequence[Blow],
) -> None:
    exposed: dict[int, float] = {}
    for number, call in enumerate(calls):
        end = min((at for at in stored if at >= call.began), default=float("inf"))
        own, taken = _fell(call, end, blows), _fell(call, end, takeovers)
        if own is not None or taken is not None:
            exposed[number] = min(at for at in (own, taken) if at is not None)
            outcome.by_takeover += own is None
    outcome.exposed += len(exposed)
    for (first, _), (second, again) in pairwise(enumerate(calls)):
        if not any(exposed.get(number, float("inf")) <= again.began + SLACK for number in (first, second)):
            told = ", ".join(f"{call.worker} {call.began:.2f}-{call.answered or 0:.2f}" for call in calls)
            outcome.unexplained.append(f"{name}: call {second + 1} of {told}; stored {sorted(stored)}")


def _fell(call: Call, end: float, blows: Iterable[Blow]) -> float | None:
    """When the first of these blows fell that hit the worker of a call which was open from its beginning to `end`."""
    own = (blow for blow in blows if blow.worker == call.worker)
    return min((b.began for b in own if call.began <= b.ended + SLACK and b.began <= end), default=None)
