"""What a run tells those who watch it: everything that happens, in order, and never at the cost of the run."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import nullcontext, suppress
from typing import Any, TypeVar

from tests.batch import Inline, Mortal, answer_for, folder_of
from tests.virtual import virtual_clock, virtually

from counterfoil.claims import Claim
from counterfoil.document import Limits
from counterfoil.errors import CounterfoilError, InputError, RateLimited, Unanswered, Unavailable
from counterfoil.events import CallEnded, Claimed, Committed, Ended, Event, StageEnded
from counterfoil.manifest import Manifest
from counterfoil.model import Model, Request, ScriptedModel, Unreachable
from counterfoil.pace import Pace
from counterfoil.pipeline import Run
from counterfoil.prices import Prices
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source
from counterfoil.store_memory import MemoryStore
from counterfoil.watch import Listener, Watch
from counterfoil.worker import Worker

T = TypeVar("T")
PRICES = Prices.parse("100/1000")


async def watched_run(model: Model | None, listener: Listener, count: int = 3, **others: bytes) -> Run:
    """A run of `count` invoices and others, in virtual time, to its end."""
    return await run_with(Watch(listener, clock=virtual_clock()), model, count, **others)


async def run_with(watch: Watch, model: Model | None, count: int, **others: bytes) -> Run:
    clock = virtual_clock()
    source = Source(await folder_of(count, **others), clock)
    async with (
        Manifest.open(Mortal(MemoryStore("memory://watched")), clock=clock) as manifest,
        Worker.join(manifest) as worker,
    ):
        manifest.stats.landed = watch.committed
        inline: Any = Inline()
        tools = Tools(source, manifest, worker, inline, inline, Pace(4, clock=clock), model, watch)
        run = Run(tools, Settings(concurrency=4, limits=Limits(), prices=PRICES))
        await run.work()
    return run


def good(latency: float = 2.0) -> ScriptedModel:
    return ScriptedModel(answer_for, latency=latency)


def of(kind: type[T], events: list[Event]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def test_each_document_is_told_of_once_with_all_its_stages_and_its_call():
    """In the order in which they happen, with the time that each took."""

    async def law() -> None:
        events: list[Event] = []
        await watched_run(good(), events.append, count=3)
        for number in range(3):
            document = f"inv-{number:03}.pdf"
            mine = [event for event in events if getattr(event, "document", "") == document]
            assert [event.stage for event in of(StageEnded, mine)] == "fetch read ask judge keep record".split()
            assert [(event.attempt, event.dead) for event in of(Claimed, mine)] == [(1, None)]
            (call,), (ended,) = of(CallEnded, mine), of(Ended, mine)
            assert (call.outcome, round(call.seconds, 6)) == ("answered", 2.0)
            assert (ended.status, ended.reader, ended.usage.calls) == ("done", "model", 1)
            assert call.cost_usd == ended.usage.cost_usd
            assert mine[-1] is ended
            assert 2.0 < ended.seconds < 3.0

    virtually(law())


def test_every_landed_commit_is_told_of():
    """As many as the run itself counts, and none takes no time."""

    async def law() -> None:
        events: list[Event] = []
        run = await watched_run(good(), events.append)
        told = of(Committed, events)
        assert len(told) == run.tools.manifest.stats.commits > 0
        assert all(commit.seconds > 0 for commit in told)

    virtually(law())


def test_a_document_that_fails_is_told_of_with_its_reason():
    """And the stage that it failed in bears it, too."""

    async def law() -> None:
        events: list[Event] = []
        await watched_run(good(), events.append, count=0, **{"junk.pdf": b"hello"})
        (ended,) = of(Ended, events)
        (read,) = [event for event in of(StageEnded, events) if event.stage == "read"]
        assert ended.status == "failed"
        assert ended.reason
        assert read.error == ended.reason

    virtually(law())


def outcome_of(error: CounterfoilError) -> str:
    """What is told of a call that ends with this error."""

    async def law() -> str:
        events: list[Event] = []
        model = Watch(events.append, clock=virtual_clock()).asking(
            ScriptedModel(lambda _: error), Claim("x.pdf", 1, {}), PRICES
        )
        try:
            await model.complete(Request((), {}, "invoice"))
        except CounterfoilError:
            return of(CallEnded, events)[0].outcome
        raise AssertionError("the error was swallowed")

    return virtually(law())


def test_a_call_is_told_of_by_what_became_of_it():
    """Each kind of error has one name."""
    errors = RateLimited("slow down"), Unavailable("busy"), Unreachable("no way"), Unanswered("gone"), InputError("no")
    names = ["refused", "unavailable", "unreachable", "unknown", "rejected"]
    assert [outcome_of(error) for error in errors] == names


def test_a_call_that_is_given_up_is_of_unknown_outcome():
    """Its time limit cancels it: it may have been answered."""

    async def law() -> None:
        events: list[Event] = []
        model = Watch(events.append, clock=virtual_clock()).asking(good(500.0), Claim("x.pdf", 1, {}), PRICES)
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await model.complete(Request((), {}, "invoice"))
        (call,) = of(CallEnded, events)
        assert (call.outcome, call.seconds, call.error) == ("unknown", 3.0, "broken off")

    virtually(law())


def test_a_listener_that_raises_costs_nothing_but_itself():
    """It is left out from then on, and every document is done."""

    async def law() -> None:
        told: Counter[str] = Counter()

        def broken(event: Event) -> None:
            told[type(event).__name__] += 1
            raise RuntimeError("the disk is full")

        run = await watched_run(good(), broken)
        assert run.tally.finished == {"done": 3}
        assert told.total() == 1

    virtually(law())


def test_documents_are_counted_in_the_stage_that_they_are_in():
    """And out of it, whatever becomes of them: three are asked about at once, and one can't be read."""

    async def law() -> None:
        most: Counter[str] = Counter()

        def look(_: Event) -> None:
            most.update({stage: max(0, now - most[stage]) for stage, now in watch.inside.items()})

        watch = Watch(look, clock=virtual_clock())
        await run_with(watch, good(), 3, **{"junk.pdf": b"hello"})
        assert most["ask"] == 3
        assert most["read"] > 1
        assert not watch.inside.total()

    virtually(law())


def test_nobody_watching_is_nearly_free():
    """No event is made, the model is asked directly, and a stage is a context that does nothing."""
    watch, model, claim = Watch(), good(), Claim("x.pdf", 1, {})
    assert watch.asking(model, claim, PRICES) is model
    assert watch.stage("x.pdf", "read") is watch.stage("y.pdf", "keep")
    assert isinstance(watch.stage("x.pdf", "read"), nullcontext)
    watch.began(claim)
    watch.outcome(claim, {"status": "done"})
    watch.ended(claim)
    assert not watch.inside
