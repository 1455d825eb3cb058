"""`counterfoil run`: opens every component in one place, runs, reports, and closes them all whatever happens."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from typing import Any

from .batch import open_batch_service
from .clock import Clock
from .command_run_batch import run_at, sentences, still_running
from .command_run_signals import Signals
from .display import Display, Snapshot
from .document import Images, Limits, OcrMode, ReaderName
from .errors import SetupError
from .extract import recipe
from .form import OwnSchema
from .kinds import CONTAINER
from .manifest import Manifest
from .model import calls_at_once, import_client, open_model
from .ocr import find_ocr
from .offload import Offload
from .pace import Pace
from .pipeline import Run
from .prices import LIST_PRICES, Prices
from .settings import Settings, Tools
from .source import count, open_source, refuse_nowhere, shards_for
from .spend import as_json
from .worker import COMPANY_SEEN_EVERY, LEASE, Worker

# What a reading process imports before its first document.
_PRELOAD = ("counterfoil.extract", "counterfoil.reader")
_PRELOAD_OFFLINE = (*_PRELOAD, "counterfoil.einvoice", "counterfoil.rules", "counterfoil.checks")
# Seconds from the import of a model's client until its answers arrive, or more.
_FIRST_ANSWER = 0.8
# Files that a run has open beside its connections: pipes to the reading processes, documents, streams.
_OTHER_FILES = 200


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    source: str
    out: str
    model: str | None = None
    reader: ReaderName = "auto"
    images: Images = "auto"
    schema: str | None = None
    ocr: OcrMode = "auto"
    languages: Sequence[str] = ()
    ours: tuple[str, ...] = ()
    concurrency: int = 128
    rpm: int | None = None
    tpm: int | None = None
    max_attempts: int = 6
    max_cost: Decimal | None = None
    call_timeout: float = 120.0
    price: str | None = None
    batch: bool = False
    include: Sequence[str] = ()
    limit: int | None = None
    shards: int | None = None
    lease: float = LEASE
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. `failures` are (document, reason), the first few; `interrupted` if it was told to stop."""

    summary: Mapping[str, Any]
    failures: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, Mapping[str, Any]]]
    interrupted: bool
    cost_reached: bool = False


_SHOWN = 40


async def run_batch(options: Options, display: Display, environ: Mapping[str, str] = os.environ) -> Report:
    """Runs a batch to its end, or until a signal stops it. Raises `CounterfoilError`s about the run as a whole."""
    _refuse_contradictions(options)
    schema = _own_schema(options)
    reader = "model" if schema else options.reader
    prices = _prices(options)
    started, clock, limits = time.monotonic(), Clock(), options.limits
    if options.model:
        _open_files(options.concurrency)
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(Signals())
        asked = options.model if reader in ("auto", "model", "both") else None
        concurrency = calls_at_once(asked or "", options.concurrency)
        calls = None if options.batch else asked
        opening = open_model(calls, concurrency=concurrency, environ=environ) if calls else nullcontext()
        batches = open_batch_service(asked, environ) if asked and options.batch else nullcontext()
        preload = _PRELOAD if asked else _PRELOAD_OFFLINE
        refuse_nowhere(options.source)  # before reading processes are started for it
        offload = await stack.enter_async_context(Offload(limits=limits, preload=preload))
        offload.warm()
        importing = asyncio.create_task(asyncio.to_thread(_import_client, calls))  # while the store answers
        if asked:
            judging = asyncio.create_task(_get_ready_to_judge(importing, prices, clock), name="imports")
            stack.callback(judging.cancel)
        source, ocr = await asyncio.gather(
            open_source(options.source, out=options.out, include=options.include, limit=options.limit, clock=clock),
            asyncio.to_thread(find_ocr, "never" if options.reader == "xml" else options.ocr, options.languages),
        )
        documents, known = await count(source)
        display.found(documents, source)
        read_by = recipe(reader, asked, options.images, schema, ocr, ours=options.ours)
        about = {"source": source.url, "recipe": read_by, **_columns(schema)}
        shards = options.shards or shards_for(documents)
        opened = Manifest.open(options.out, shards=shards, about=about, clock=clock, prove_first=False)
        manifest = await stack.enter_async_context(opened)
        _note_differences(manifest, options, about, display)
        pace = Pace(concurrency, rpm=options.rpm, tpm=options.tpm, clock=clock)
        worker = await stack.enter_async_context(_joined(manifest, options, pace))
        await importing
        model = await stack.enter_async_context(opening)
        settings = Settings(
            reader,
            concurrency,
            limits,
            max_attempts=options.max_attempts,
            call_timeout=options.call_timeout,
            prices=prices,
            images=options.images,
            ocr=ocr,
            max_cost=options.max_cost,
            schema=schema,
            ours=options.ours,
        )
        tools, service = Tools(source, manifest, worker, offload, pace, model), await stack.enter_async_context(batches)
        run = await run_at(stack, tools, settings, service, model=asked, environ=environ)
        signals.handle(run)
        async with display.following(lambda: snapshot(run, started)):
            await run.work(known)
        offload.retire()
        for sentence in sentences(run, options.out):
            display.note(sentence)
        return await _report(run, started)


def _prices(options: Options) -> Prices:
    """What the calls of this run cost; known, if that is to be bounded."""
    prices = Prices.parse(options.price) if options.price else LIST_PRICES
    if options.max_cost is not None and options.model and not prices.known(options.model):
        raise SetupError(f"--max-cost: the price of {options.model} is not known; give it with --price INPUT/OUTPUT")
    return prices


@asynccontextmanager
async def _joined(manifest: Manifest, options: Options, pace: Pace) -> AsyncGenerator[Worker]:
    """This run's worker; limits that all runs on one OUT share are divided by those that are alive."""
    limited = options.rpm or options.tpm or options.max_cost is not None
    async with Worker.join(manifest, lease=options.lease, company=pace.share if limited else None) as worker:
        if limited and worker.company > 1:  # until the others have made room
            pace.hold(2 * COMPANY_SEEN_EVERY)
        yield worker


def _own_schema(options: Options) -> OwnSchema | None:
    """The user's own schema; it is imported for those only who bring one."""
    if options.schema is None:
        return None
    from .schema_load import load_schema

    return load_schema(options.schema)


def _columns(schema: OwnSchema | None) -> dict[str, Any]:
    """What the header of the manifest says of a schema, for exports: nothing without one."""
    return {"schema": {"name": schema.name, "columns": schema.columns}} if schema else {}


def _refuse_contradictions(options: Options) -> None:
    """Raises `SetupError` for options that do not go together."""
    if options.reader in ("model", "both") and not options.model:
        raise SetupError(f"--reader {options.reader} needs --model PROVIDER:NAME")
    if options.schema and not options.model:
        raise SetupError("--schema says what a model is to read; it needs --model PROVIDER:NAME")
    if options.schema and options.reader in ("xml", "rules", "both"):
        raise SetupError(f"--reader {options.reader} reads invoices only; with --schema leave it out")
    if options.model and options.reader in ("xml", "rules"):
        raise SetupError(f"--reader {options.reader} asks no model; leave out --model, or use --reader auto or model")
    if options.price and not options.model:
        raise SetupError("--price is what a model's calls cost; it needs --model PROVIDER:NAME")
    if options.max_cost is not None and not options.model:
        raise SetupError("--max-cost bounds what a model's calls cost; it needs --model PROVIDER:NAME")
    if options.images == "always" and not options.model:
        raise SetupError("--images always shows pages to a model; it needs --model PROVIDER:NAME")
    if options.languages and options.ocr == "never":
        raise SetupError("--languages is for OCR, and --ocr never forbids it")
    if options.batch and not options.model:
        raise SetupError("--batch asks a model; it needs --model openai:NAME or anthropic:NAME")
    if options.batch and options.max_cost is not None:
        raise SetupError(
            "--max-cost does not hold for --batch: what is submitted together is paid together; bound it with --limit"
        )


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


async def _get_ready_to_judge(importing: asyncio.Task[None], prices: Prices, clock: Clock) -> None:
    """Once the client is there, imports what the first call needs, then what its answer needs, but not while documents
    are read for the first: in a thread, so that the loop need not stand still for it."""
    await asyncio.wait([importing])
    await asyncio.to_thread(import_module, ".extract_model", __package__)
    await clock.sleep(_FIRST_ANSWER)
    await asyncio.to_thread(import_module, ".checks", __package__)
    await asyncio.to_thread(prices.load)


def _refuse_another_schema(begun: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> None:
    """The documents of an OUT are of one kind, or no export could have columns for them all."""
    if begun == now:
        return
    how = "without --schema"
    if begun:
        how = f"by the schema {begun['name']}, with other fields" if now else "with --schema"
    raise SetupError(f"this OUT was begun {how}; documents of another kind need an OUT of their own")


def _note_differences(manifest: Manifest, options: Options, about: Mapping[str, Any], display: Display) -> None:
    """Says where this OUT was begun otherwise than this run would have it."""
    if options.shards and options.shards != manifest.shards:
        display.note(f"this OUT has {manifest.shards} shards, fixed when it was made; --shards is ignored")
    _refuse_another_schema(manifest.header.get("schema"), about.get("schema"))
    if manifest.header.get("recipe") != about["recipe"]:
        display.note(
            "this OUT was begun with another reader, model or schema: what is finished stays as it is, the rest is "
            "read with the new one; `counterfoil retry` sends finished documents through again"
        )


def snapshot(run: Run, started: float) -> Snapshot:
    """What the progress display shows of a run."""
    statuses, tally = run.tools.worker.statuses, run.tally
    return Snapshot(
        total=statuses.total() - statuses[CONTAINER],
        done=statuses["done"],
        review=statuses["review"],
        failed=statuses["failed"],
        in_flight=run.tools.pace.in_flight if run.tools.model else run.tools.worker.held,
        finished_here=tally.finished.total(),
        usage=tally.usage,
        seconds=time.monotonic() - started,
        stopping=run.stopping,
    )


async def _report(run: Run, started: float) -> Report:
    """The end of a run: counts of the whole OUT, spend and commits of this process."""
    manifest, tally, statuses = run.tools.manifest, run.tally, run.tools.worker.statuses
    failures: list[tuple[str, str]] = []
    rows: list[tuple[str, Mapping[str, Any]]] = []
    if statuses["failed"] or statuses.total() <= _SHOWN:
        async for document, record in manifest.records():
            if record["status"] == "failed" and len(failures) < _SHOWN:
                failures.append((document, record.get("reason", "")))
            if len(rows) < _SHOWN:
                rows.append((document, record))
    spent, interrupted = as_json(tally.usage), run.stopping and not run.cost_reached
    summary: dict[str, Any] = {
        "documents": statuses.total() - statuses[CONTAINER],
        "done": statuses["done"],
        "review": statuses["review"],
        "failed": statuses["failed"],
        "pending": statuses["pending"] + statuses["running"],
        "paid_calls": spent["calls"],
        "adopted": tally.adopted,
        "input_tokens": spent["input_tokens"],
        "output_tokens": spent["output_tokens"],
        "cost_usd": spent["cost_usd"],
        "wall_s": round(time.monotonic() - started, 3),
        "commits": manifest.stats.commits,
        "conflicts": manifest.stats.conflicts,
        "batches_running": still_running(run),
        "unknown_calls": spent["unknown_calls"],
        "containers": statuses[CONTAINER],
    }
    return Report(summary, failures, rows if statuses.total() <= _SHOWN else [], interrupted, run.cost_reached)
