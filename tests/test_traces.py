"""A run as OpenTelemetry traces: one a document, with all its stages, and none of it at the cost of the run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.servers import free_port
from tests.test_watch import good, run_with
from tests.virtual import virtual_clock, virtually

from counterfoil.clock import Clock
from counterfoil.command_run_watch import _no_traces
from counterfoil.document import Usage
from counterfoil.events import Ended, Joined, StageEnded
from counterfoil.watch import Watch

pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra [otel]")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from counterfoil.traces import Traces, exporting

ROOT = Path(__file__).resolve().parents[1]
STAGES = ["fetch", "read", "ask", "judge", "keep", "record"]


def traces(sampler: Sampler = ALWAYS_ON) -> tuple[Traces, Callable[[], tuple[ReadableSpan, ...]]]:
    """A listener on the running loop, and what it has made so far."""
    kept, provider = InMemorySpanExporter(), TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return Traces(provider.get_tracer("test"), virtual_clock()), kept.get_finished_spans


def named(spans: tuple[ReadableSpan, ...], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_document_is_one_trace_with_its_stages_below_it_and_its_call_below_asking():
    """Each with its time; the call with what it took."""

    async def law() -> None:
        listener, made = traces()
        listener(Joined("w0"))
        await run_with(Watch(listener, clock=virtual_clock()), good(), 2)
        documents = named(made(), "document")
        assert {span.attributes["counterfoil.document"] for span in documents} == {"inv-000.pdf", "inv-001.pdf"}
        for document in documents:
            mine = [span for span in made() if span.context.trace_id == document.context.trace_id]
            below = [span for span in mine if span.parent and span.parent.span_id == document.context.span_id]
            assert [span.name for span in sorted(below, key=lambda span: span.start_time or 0)] == STAGES
            (call,), (ask,) = named(tuple(mine), "call"), named(tuple(below), "ask")
            assert call.parent.span_id == ask.context.span_id
            assert seconds(call) == pytest.approx(2.0, abs=1e-5)
            assert seconds(document) > seconds(ask) >= seconds(call)
            assert len(mine) == 1 + len(STAGES) + 1
            said, took = document.attributes, call.attributes
            assert (said["counterfoil.status"], said["counterfoil.reader"]) == ("done", "model")
            assert (said["counterfoil.attempt"], said["counterfoil.worker"]) == (1, "w0")
            assert said["gen_ai.usage.input_tokens"] == took["gen_ai.usage.input_tokens"] > 0
            assert said["counterfoil.cost_usd"] == took["counterfoil.cost_usd"] > 0
            assert document.status.is_unset

    virtually(law())


def test_a_document_that_fails_is_a_span_with_the_reason():
    """And so is the stage that it failed in."""

    async def law() -> None:
        listener, made = traces()
        await run_with(Watch(listener, clock=virtual_clock()), good(), 0, **{"junk.pdf": b"hello"})
        (document,), (read,) = named(made(), "document"), named(made(), "read")
        assert not document.status.is_ok
        assert not document.status.is_unset
        assert document.status.description == read.status.description
        assert document.attributes["counterfoil.status"] == "failed"

    virtually(law())


def test_what_was_read_before_the_claim_is_in_the_trace():
    """The document's span begins with it."""

    async def law() -> None:
        listener, made = traces()
        listener(StageEnded("a.pdf", "read", 10.0, 1.0, None))
        listener(Ended("a.pdf", 1, "done", 20.0, 5.0, Usage()))
        assert seconds(named(made(), "document")[0]) == pytest.approx(15.0)
        assert seconds(named(made(), "read")[0]) == pytest.approx(1.0)

    virtually(law())


def test_documents_that_are_read_ahead_and_left_to_others_are_forgotten():
    """Memory does not grow with them."""

    async def law() -> None:
        listener, made = traces()
        for number in range(10_000):
            listener(StageEnded(f"{number}.pdf", "read", 10.0, 1.0, None))
        listener(Ended("0.pdf", 1, "done", 20.0, 5.0, Usage()))
        listener(Ended("9999.pdf", 1, "done", 20.0, 5.0, Usage()))
        assert len(named(made(), "document")) == 2
        assert len(named(made(), "read")) == 1

    virtually(law())


def test_a_trace_that_is_not_sampled_has_no_spans_at_all():
    async def law() -> None:
        listener, made = traces(ALWAYS_OFF)
        run = await run_with(Watch(listener, clock=virtual_clock()), good(), 2)
        assert run.tally.finished == {"done": 2}
        assert made() == ()

    virtually(law())


def test_a_file_name_that_is_no_unicode_is_an_attribute_all_the_same():
    async def law() -> None:
        listener, made = traces()
        listener(Ended("\udcff\n.pdf", 1, "done", 20.0, 5.0, Usage()))
        assert made()[0].attributes["counterfoil.document"] == "\\udcff\n.pdf"

    virtually(law())


class Broken(SpanExporter):
    """Fails, or hangs as if its collector did."""

    def __init__(self, hangs: threading.Event | None = None) -> None:
        self.hangs = hangs

    def export(self, spans: object) -> SpanExportResult:
        if self.hangs:
            self.hangs.wait()
        raise ConnectionError("the collector is away")

    def shutdown(self) -> None: ...


@pytest.mark.parametrize("hangs", [False, True])
def test_an_exporter_that_fails_or_hangs_costs_spans_and_not_the_run(hangs: bool, monkeypatch: pytest.MonkeyPatch):
    """The end waits for it only so long."""
    monkeypatch.setattr("counterfoil.traces._FLUSHED_WITHIN", 0.2)
    released = threading.Event()

    async def law() -> None:
        async with asyncio.timeout(3), exporting(Broken(released if hangs else None), {}, Clock()) as listener:
            listener(Ended("a.pdf", 1, "done", 0.0, 5.0, Usage()))

    asyncio.run(law())
    released.set()


def test_the_environment_asks_for_what_can_be_done_only():
    """gRPC is named as what can't."""
    assert _no_traces({}) is None
    assert "not by grpc" in str(_no_traces({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}))


@contextmanager
def collector() -> Generator[tuple[int, list[tuple[str, bytes]]]]:
    """A server that takes whatever it is sent."""
    taken: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_port, taken
    finally:
        server.shutdown()
        server.server_close()


def run_of_samples(out: Path, *more: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "counterfoil", "run", "samples", "--out", str(out), "--limit", "2", *more]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environ, timeout=60, check=False
    )


def test_the_standard_variables_alone_switch_traces_on(tmp_path: Path):
    """They arrive by OTLP over HTTP, the last ones too."""
    with collector() as (port, taken):
        run = run_of_samples(tmp_path / "out", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    assert run.returncode == 0, run.stderr
    assert {path for path, _ in taken} == {"/v1/traces"}
    sent = b"".join(body for _, body in taken)
    assert sent.count(b"counterfoil.document") == 2
    assert b"service.name" in sent


def test_a_collector_that_is_not_there_is_a_line_and_no_more(tmp_path: Path):
    """No traceback, and the exit code is that of the run."""
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    run = run_of_samples(tmp_path / "out", "--otel", **away)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr


def test_otel_without_its_packages_says_what_to_install(tmp_path: Path):
    """As an option that is an error; from the environment, a sentence."""
    (tmp_path / "lib").mkdir()
    blocker = "import sys\nsys.modules['opentelemetry.exporter'] = None\n"
    (tmp_path / "lib" / "sitecustomize.py").write_text(blocker)
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "lib"), str(ROOT / "src")])}
    refused = run_of_samples(tmp_path / "out", "--otel", **path)
    assert refused.returncode == 2
    assert "pip install 'counterfoil[otel]'" in refused.stderr
    assert refused.stderr.count("\n") == 1
    asked = run_of_samples(tmp_path / "out", **path, OTEL_TRACES_EXPORTER="otlp")
    assert asked.returncode == 0
    assert "no traces, though OTEL_* asks for them" in asked.stderr
