"""A run told as OpenTelemetry traces: one span a document, a child for each of its stages, one below for each call.

The spans of a document are made when its claim has come to its end, with the times that were told: so a document that
was read before it was claimed has that in its trace too. It promises that an exporter which fails, hangs or falls
behind costs spans, never the run. Where they go is up to the standard variables (OTEL_*).
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from .clock import Clock
from .document import Usage
from .events import CallEnded, Ended, Event, Joined, StageEnded

_KEPT = 4096
"""Documents of which something is known and no end was told: those read ahead and then left to others are forgotten."""
_FLUSHED_WITHIN = 5.0
"""Seconds that the end of a run waits for spans to go out."""
Part = StageEnded | CallEnded


class Traces:
    """A listener that makes spans. `clock` is that of the run."""

    def __init__(self, tracer: Tracer, clock: Clock) -> None:
        self._tracer = tracer
        self._parts: OrderedDict[str, list[Part]] = OrderedDict()
        self._worker: dict[str, str] = {}
        self._epoch = clock.utc().timestamp() - clock.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, (StageEnded, CallEnded)):
            self._parts.setdefault(event.document, []).append(event)
            if len(self._parts) > _KEPT:
                self._parts.popitem(last=False)
        elif isinstance(event, Ended):
            self._trace(event, self._parts.pop(event.document, []))
        elif isinstance(event, Joined):
            self._worker = {"counterfoil.worker": event.worker}

    def _trace(self, ended: Ended, parts: list[Part]) -> None:
        begun = min([ended.begun, *(part.begun for part in parts)])
        span = self._tracer.start_span(
            "document", attributes=self._worker | _of_document(ended), start_time=self._at(begun)
        )
        if span.is_recording():  # else it is left out, by the sampler, with all below it
            failed = ended.status in ("failed", "lost")
            _tell_error(span, (ended.reason or ended.status) if failed else None)
            self._stages(span, parts)
        span.end(self._at(ended.begun + ended.seconds))

    def _stages(self, parent: Span, parts: list[Part]) -> None:
        stages = [part for part in parts if isinstance(part, StageEnded)]
        calls = [part for part in parts if isinstance(part, CallEnded)]
        for stage in stages:
            span = self._span(stage.stage, parent, stage, SpanKind.INTERNAL, {})
            if stage.stage == "ask":
                for call in calls:
                    self._span("call", span, call, SpanKind.CLIENT, _of_call(call)).end(self._end(call))
                calls = []
            span.end(self._end(stage))

    def _span(self, name: str, parent: Span, part: Part, kind: SpanKind, facts: Mapping[str, Any]) -> Span:
        within, begun = set_span_in_context(parent), self._at(part.begun)
        span = self._tracer.start_span(name, within, kind, facts, start_time=begun)
        _tell_error(span, part.error)
        return span

    def _end(self, part: Part) -> int:
        return self._at(part.begun + part.seconds)

    def _at(self, moment: float) -> int:
        """Nanoseconds since 1970."""
        return int((self._epoch + moment) * 1e9)


def _of_document(ended: Ended) -> dict[str, Any]:
    facts = {
        "counterfoil.document": _text(ended.document),
        "counterfoil.attempt": ended.attempt,
        "counterfoil.status": ended.status,
        "counterfoil.adopted": ended.adopted,
        "counterfoil.calls": ended.usage.calls,
        **_tokens(ended.usage.input_tokens, ended.usage.output_tokens),
        **_cost(ended.usage),
    }
    return facts | ({"counterfoil.reader": ended.reader} if ended.reader else {})


def _of_call(call: CallEnded) -> dict[str, Any]:
    cost = _cost(Usage(cost_usd=call.cost_usd)) if call.outcome == "answered" else {}
    return {"counterfoil.outcome": call.outcome, **_tokens(call.input_tokens, call.output_tokens), **cost}


def _tokens(read: int, written: int) -> dict[str, int]:
    """By the names of OpenTelemetry's conventions for generative AI."""
    return {"gen_ai.usage.input_tokens": read, "gen_ai.usage.output_tokens": written}


def _cost(usage: Usage) -> dict[str, float]:
    return {} if usage.cost_usd is None else {"counterfoil.cost_usd": float(usage.cost_usd)}


def _tell_error(span: Span, error: str | None) -> None:
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, _text(error)))


def _text(text: str) -> str:
    """Text that any protocol can carry: file names need not be valid Unicode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@asynccontextmanager
async def exporting(exporter: SpanExporter, environ: Mapping[str, str], clock: Clock) -> AsyncGenerator[Traces]:
    """A listener whose spans go to an exporter, in batches, by a thread; what is left goes out at the end, if it can
    within `_FLUSHED_WITHIN` seconds."""
    named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(
        shutdown_on_exit=False, resource=Resource.create({} if named else {"service.name": "counterfoil"})
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Traces(provider.get_tracer("counterfoil"), clock)
    finally:
        await _in_a_thread_of_its_own(provider.shutdown, _FLUSHED_WITHIN)


async def _in_a_thread_of_its_own(work: Callable[[], None], seconds: float) -> None:
    """Waits so long and no longer: a thread of the loop's pool would hold up the end of the process."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            work()
        finally:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="last spans", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()


def otlp_exporter() -> SpanExporter:
    """By OTLP over HTTP, to where the standard variables say (OTEL_EXPORTER_OTLP_ENDPOINT and so on)."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
