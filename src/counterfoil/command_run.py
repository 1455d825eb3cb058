"""`counterfoil run`: opens every component in one place, runs, reports, and closes them all whatever happens."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module

from .batch import open_batch_service
from .clock import Clock
from .command_run_batch import run_at, sentences
from .command_run_options import Options, own_schema, prices_of, refuse_contradictions
from .command_run_place import at_out
from .command_run_report import Report, report_of, snapshot
from .command_run_signals import Signals
from .command_run_watch import watching
from .display import Display
from .errors import CounterfoilError, SetupError
from .events import RunEnded
from .manifest import Manifest
from .model import calls_at_once, import_client, open_model
from .offload import Offload
from .pace import Pace
from .pipeline import Run
from .prices import Prices
from .settings import Settings, Tools
from .source import refuse_nowhere
from .store import Entry
from .worker import COMPANY_SEEN_EVERY, Worker

# What a reading process imports before its first document.
_PRELOAD = ("counterfoil.extract", "counterfoil.reader")
_PRELOAD_JUDGES = ("counterfoil.extract", "counterfoil.checks", "counterfoil.checks_provenance")
_JUDGED_AHEAD = 16
_PRELOAD_OFFLINE = (*_PRELOAD, "counterfoil.einvoice", "counterfoil.rules", "counterfoil.checks")
# Seconds from the import of a model's client until its answers arrive, or more.
_FIRST_ANSWER = 0.8
# Files that a run has open beside its connections: pipes to the reading processes, documents, streams.
_OTHER_FILES = 200


@dataclass(frozen=True, slots=True)
class Share:
    """What a run is told that plans no documents, since somebody else does: a driver that has started several
    processes, or whoever watches for arrivals. How many processes read documents for it (None: as many as usual), by
    which signals it stops, and whether it is patient with a model that is away (`Settings.patient`)."""

    readers: int | None
    signals: Signals
    patient: bool = False


async def run_batch(options: Options, display: Display, environ: Mapping[str, str] = os.environ) -> Report:
    """Runs a batch to its end, or until a signal stops it. Raises `CounterfoilError`s about the run as a whole."""
    started = time.monotonic()
    async with opened_run(options, display, environ) as (run, known):
        async with display.following(lambda: snapshot(run, started)):
            await run.work(known)
        run.tools.offload.retire()
        run.tools.judges.retire()
        for sentence in sentences(run, options.out):
            display.note(sentence)
        report = await report_of(run, started)
        run.tools.watch.tell(RunEnded(report.summary))
        return report


@asynccontextmanager
async def opened_run(
    options: Options, display: Display, environ: Mapping[str, str], share: Share | None = None
) -> AsyncGenerator[tuple[Run, Sequence[Entry] | None]]:
    """A run with all that it needs, and the documents that it has still to plan, None if they are too many to keep."""
    refuse_contradictions(options)
    schema, prices = own_schema(options), prices_of(options)
    clock, limits, asked = Clock(), options.limits, options.asked
    if options.model:
        _open_files(options.concurrency)
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(share.signals if share else Signals(display.urge))
        watching_it = await stack.enter_async_context(watching(options, display, environ, clock))
        watch = watching_it.watch
        concurrency = calls_at_once(asked or "", options.concurrency)
        calls = None if options.batch else asked
        opening = open_model(calls, concurrency=concurrency, environ=environ) if calls else nullcontext()
        batches = open_batch_service(asked, environ) if asked and options.batch else nullcontext()
        preload = _PRELOAD if asked else _PRELOAD_OFFLINE
        refuse_nowhere(options.source)  # before reading processes are started for it
        readers = share.readers if share else None
        offload = await stack.enter_async_context(Offload(workers=readers, limits=limits, preload=preload))
        offload.warm()
        importing = asyncio.create_task(asyncio.to_thread(_import_client, calls))  # while the store answers
        judges = await stack.enter_async_context(
            Offload(workers=1, limits=limits, preload=_PRELOAD_JUDGES, ahead=_JUDGED_AHEAD)
        )
        if asked:
            judging = asyncio.create_task(_get_ready_to_judge(importing, judges, prices, clock), name="imports")
            stack.callback(judging.cancel)
        place = await stack.enter_async_context(at_out(options, schema, display, clock, planned=share is not None))
        if watch.on:
            place.manifest.stats.landed = watch.committed
        pace = Pace(concurrency, rpm=options.rpm, tpm=options.tpm, clock=clock)
        worker = await stack.enter_async_context(_joined(place.manifest, options, pace))
        await importing
        model = await stack.enter_async_context(opening)
        settings = Settings(
            options.reads,
            concurrency,
            limits,
            max_attempts=options.max_attempts,
            call_timeout=options.call_timeout,
            prices=prices,
            images=options.images,
            ocr=place.ocr,
            max_cost=options.max_cost,
            schema=schema,
            ours=options.ours,
            duplicates=options.duplicates,
            patient=share is not None and share.patient,
        )
        tools = Tools(place.source, place.manifest, worker, offload, judges, pace, model, watch)
        service = await stack.enter_async_context(batches)
        run = await run_at(stack, tools, settings, service, model=asked, environ=environ)
        signals.handle(run)
        await stack.enter_async_context(watching_it.of(run, options))
        yield run, place.known


@asynccontextmanager
async def _joined(manifest: Manifest, options: Options, pace: Pace) -> AsyncGenerator[Worker]:
    """This run's worker; limits that all runs on one OUT share are divided by those that are alive."""
    limited = options.rpm or options.tpm or options.max_cost is not None
    company = pace.share if limited else None
    spending = options.max_cost is not None
    joining = Worker.join(manifest, lease=options.lease, company=company, tells=pace.told, spending=spending)
    async with joining as worker:
        if limited and worker.company > 1:  # until the others have made room
            pace.hold(2 * COMPANY_SEEN_EVERY)
        yield worker


def _open_files(concurrency: int) -> None:
    """Lets this process have a connection to the model, and one to the store, for each call at once."""
    wanted = 2 * concurrency + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < concurrency + _OTHER_FILES:
        raise SetupError(
            f"--concurrency {concurrency} needs {concurrency + _OTHER_FILES} open files, and this process may have "
            f"{hard}; lower it, or raise the limit (ulimit -Hn)"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _import_client(model: str | None) -> None:
    if model:
        import_client(model)


async def _get_ready_to_judge(importing: asyncio.Task[None], judges: Offload, prices: Prices, clock: Clock) -> None:
    """Once the client is there, imports what the first call needs, then gets ready for its answer, but not while
    documents are read for the first: in a thread, so that the loop need not stand still for it."""
    await asyncio.wait([importing])
    await asyncio.to_thread(import_module, ".extract_model", __package__)
    await clock.sleep(_FIRST_ANSWER)
    with suppress(CounterfoilError):  # the run is over already; or it can't start, which whoever needs it will say
        await judges.run(os.getpid)  # its worker has started, and imported what it needs
    await asyncio.to_thread(prices.load)
