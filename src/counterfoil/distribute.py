"""`counterfoil run --engine`: one batch by many worker processes, on this machine or on a Ray cluster.

It plans the batch once, has workers started at the same OUT, and watches the manifest, which divides the work and keeps
what is common: cost, pace, claims. It holds no queue and no state that matters: killed anywhere, the same command goes
on with what is left.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from .clock import Clock
from .command_run_options import Options, own_schema, prices_of, refuse_contradictions
from .command_run_place import Place, at_out
from .command_run_report import Did, Report, report
from .command_run_signals import Signals
from .command_run_watch import watching
from .display import Display
from .distribute_crew import Crew
from .distribute_local import local_engine
from .distribute_order import Engine, Order, anchored
from .distribute_spread import Spread
from .distribute_view import Whole
from .errors import SetupError
from .events import RunEnded
from .source import Source, plan, refuse_nowhere
from .store import Entry
from .worker import Worker

_WITNESSES = 5


async def run_spread(
    options: Options, spread: Spread, display: Display, environ: Mapping[str, str] = os.environ
) -> Report:
    """Runs a batch by many workers, to its end or until a signal stops it. Raises as `run_batch` does."""
    _refuse(options, spread)
    schema, clock = own_schema(options), Clock()
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(Signals(display.urge))
        # Traces are made where documents are: in the workers.
        seen = await stack.enter_async_context(watching(replace(options, otel=False), display, {}, clock))
        refuse_nowhere(options.source)
        engine = await stack.enter_async_context(_engine(options, spread, environ))
        place = await stack.enter_async_context(at_out(options, schema, display, clock))
        whole = Whole(place.manifest, asks=options.asked is not None)
        await whole.begin()
        await _plan(place, options)
        witnesses = await _some_of(place.source)
        order = Order(anchored(options), place.manifest.header, spread.readers, witnesses)
        crew = Crew(await engine(order), display.note, clock)
        signals.take()  # Ray's own handlers would abort us
        signals.handle(crew)
        seen.begin(options, whole.figures)
        async with whole.watched(), display.following(lambda: whole.snapshot(stopping=crew.stopping)):
            await crew.work()
        await whole.look()
        told = await report(place.manifest, whole.now.statuses, _did(crew, whole))
        seen.watch.tell(RunEnded(told.summary))
        return told


def _refuse(options: Options, spread: Spread) -> None:
    """Raises `SetupError` for options that do not go together, those that only matter here included."""
    refuse_contradictions(options)
    prices_of(options)
    if options.batch:
        raise SetupError("--batch leaves all the work to the provider: one process submits it, so leave out --engine")
    if any(location.startswith("memory://") for location in (options.source, options.out)):
        raise SetupError(f"memory:// is of one process only; --engine {spread.engine} needs a folder or a bucket")


@asynccontextmanager
async def _engine(options: Options, spread: Spread, environ: Mapping[str, str]) -> AsyncGenerator[Engine]:
    """What finds seats for workers."""
    if spread.engine == "local":
        yield local_engine(options, spread, environ)
        return
    from .distribute_ray import ray_engine  # only who has Ray can import it

    async with ray_engine(spread, environ) as engine:
        yield engine


async def _plan(place: Place, options: Options) -> None:
    """Brings every document into the manifest, once for all workers."""
    async with Worker.join(place.manifest, lease=options.lease) as planner:
        await plan(place.source, place.manifest, planner, place.known)


async def _some_of(source: Source) -> Sequence[Entry]:
    """A few documents, by which a worker elsewhere can tell whether it looks at the same source."""
    found: list[Entry] = []
    async for document in source.documents():
        found.append(document)
        if len(found) == _WITNESSES:
            break
    return found


def _did(crew: Crew, whole: Whole) -> Did:
    """What all workers did. Of one that was lost, the manifest tells; only its conflicts are not counted."""
    cost_reached = any(end.how == "cost" for end in crew.ends)
    return Did(
        whole.usage,
        whole.adopted,
        whole.seconds,
        whole.commits,
        sum(end.conflicts for end in crew.ends),
        max((end.batches_running for end in crew.ends), default=0),
        crew.stopping and not cost_reached,
        cost_reached,
    )
