"""Who watches a run, by what its options and the environment say: metrics on a port, OpenTelemetry traces, log lines.

Each is imported only where it is asked for, and nothing is opened otherwise. What can't be set up by an option is a
`SetupError` before anything is done; what only the environment asks for is a sentence, and the run goes on without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .clock import Clock
from .command_run_options import Options
from .display import Display
from .errors import SetupError
from .events import Company, Event, Joined, Left, LoopLate, RunStarted, Slowed
from .logs import ROOT, Logs
from .pipeline import Run
from .watch import Listener, Watch

if TYPE_CHECKING:
    from .metrics import Look, Metrics

_LOOK_EVERY = 0.5
_NEEDED = "opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"


class Watching:
    """The listeners of one run; `watch` tells them."""

    def __init__(self, watch: Watch, metrics: Metrics | None) -> None:
        self.watch, self._metrics, self._joined = watch, metrics, False

    def begin(self, options: Options, look: Callable[[], Look]) -> None:
        """Tells that the run begins; metrics show what `look` sees, too."""
        self.watch.tell(RunStarted(options.source, options.out, options.asked))
        if self._metrics:
            from .metrics import follow

            follow(self._metrics.registry, look)

    @asynccontextmanager
    async def of(self, run: Run, options: Options) -> AsyncGenerator[None]:
        """From here on the run itself is looked at, too."""
        if not self.watch.on:
            yield
            return
        self._joined = True
        self.watch.tell(Joined(run.tools.worker.name))
        self.begin(options, lambda: _look_at(run))
        looking = asyncio.create_task(_look_on(run, self.watch.tell), name="watch")
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])

    def left(self) -> None:
        """All that was opened for the run is closed again."""
        if self._joined:
            self.watch.tell(Left())


@asynccontextmanager
async def watching(
    options: Options, display: Display, environ: Mapping[str, str], clock: Clock
) -> AsyncGenerator[Watching]:
    """Opens what was asked for. Raises `SetupError`."""
    async with AsyncExitStack() as stack:
        listeners: list[Listener] = []
        metrics = stack.enter_context(_metrics(options, display)) if options.metrics else None
        if metrics:
            listeners.append(metrics)
        if _traced(options, environ, display):
            from .traces import exporting, otlp_exporter

            stack.enter_context(_heard("opentelemetry"))
            listeners.append(await stack.enter_async_context(exporting(otlp_exporter(), environ, clock)))
        if options.log_format:
            listeners.append(Logs())
        watch = Watch(*listeners, clock=clock)
        opened = Watching(watch, metrics)
        stack.callback(opened.left)
        yield opened


@contextmanager
def _metrics(options: Options, display: Display) -> Generator[Metrics]:
    assert options.metrics is not None
    from .metrics import Metrics, served

    metrics, (host, port) = Metrics(), options.metrics
    with served(metrics.registry, host, port) as found:
        if not port:
            display.urge(f"metrics at http://{host}:{found}/metrics")
        yield metrics


def _traced(options: Options, environ: Mapping[str, str], display: Display) -> bool:
    """Whether traces are asked for, and can be made."""
    if not (options.otel or _asks_for_traces(environ)):
        return False
    problem = _no_traces(environ)
    if problem and options.otel:
        raise SetupError(f"--otel: {problem}")
    if problem:
        display.note(f"no traces, though OTEL_* asks for them: {problem}")
    return not problem


def _asks_for_traces(environ: Mapping[str, str]) -> bool:
    named = any(environ.get(f"OTEL_EXPORTER_OTLP_{of}ENDPOINT") for of in ("", "TRACES_"))
    exporter = environ.get("OTEL_TRACES_EXPORTER", "")
    return environ.get("OTEL_SDK_DISABLED", "").lower() != "true" and (exporter == "otlp" or (named and not exporter))


def _no_traces(environ: Mapping[str, str]) -> str | None:
    """Why there can't be any."""
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in (None, "", "http/protobuf"):
        return f"they go by http/protobuf, not by {protocol}; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    with suppress(ModuleNotFoundError):  # of a package that a module is searched in
        if all(map(find_spec, _NEEDED)):
            return None
    return "they need a package that is not installed: pip install 'counterfoil[otel]'"


@contextmanager
def _heard(library: str) -> Generator[None]:
    """What a library logs is shown as what we log: it would print tracebacks, or nothing."""
    theirs, before = logging.getLogger(library), logging.getLogger(library).propagate
    handlers = list(logging.getLogger(ROOT).handlers)
    theirs.propagate = False
    for handler in handlers:
        theirs.addHandler(handler)
    try:
        yield
    finally:
        theirs.propagate = before
        for handler in handlers:
            theirs.removeHandler(handler)


async def _look_on(run: Run, tell: Callable[[Event], None]) -> None:
    """What no single event tells: how late the loop is, that calls were slowed down, that workers come and go."""
    clock, company, allowed = run.clock, run.tools.worker.company, float("inf")
    while True:
        due = clock.monotonic() + _LOOK_EVERY
        await clock.sleep(_LOOK_EVERY)
        tell(LoopLate(max(0.0, clock.monotonic() - due)))
        if company != (alive := run.tools.worker.company):
            tell(Company(alive, company))
            company = alive
        pace = run.tools.pace.told()
        rate = pace["a_minute"] or float("inf")
        if rate < allowed:
            tell(Slowed(rate, int(pace["refused"] or 0)))
        allowed = rate


def _look_at(run: Run) -> Look:
    from .metrics import Look

    tools, tally, pace = run.tools, run.tally, run.tools.pace.told()
    rate = pace["a_minute"]
    return Look(
        tools.worker.statuses,
        tally.usage,
        tally.adopted,
        tools.manifest.stats.commits,
        finished=tally.finished,
        refused=int(pace["refused"] or 0),
        in_flight=int(pace["in_flight"] or 0),
        allowed=None if rate is None else rate / 60,
        held=pace["held_s"],
        conflicts=tools.manifest.stats.conflicts,
        inside=tools.watch.inside,
        read_ahead=run.read_ahead,
        workers=tools.worker.company,
    )
