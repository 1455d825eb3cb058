"""A run's figures for Prometheus: counted as it tells of them, or asked of it when they are scraped.

It promises names and labels that are as docs/observability.md lists them, few of them whatever the number of documents,
and figures that agree with what `run --json` prints. It never holds up the run: it is served in a thread, which waits
for the run's loop for a moment only, and else serves what it knew last.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .document import Usage
from .errors import SetupError
from .events import CALL_OUTCOMES, STAGES, CallEnded, Claimed, Committed, Ended, Event, LoopLate, StageEnded
from .spend import NOTHING
from .transitions import STATUSES

_FINISHED = ("done", "review", "failed")
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_LOOP_ANSWERS_WITHIN = 1.0
"""Seconds that a scrape waits for the loop; a loop that is later than that is told by the last figures and its lag."""


@dataclass(frozen=True, slots=True)
class Look:
    """One moment of a run. `statuses` and `workers` are those of the whole OUT, the rest is what the run did. `allowed`
    is in calls a second. None: not known, or there is no such thing."""

    statuses: Mapping[str, int]
    usage: Usage
    adopted: int
    commits: int
    finished: Mapping[str, int] | None = None
    refused: int | None = None
    in_flight: int | None = None
    allowed: float | None = None
    held: float | None = None
    conflicts: int | None = None
    inside: Mapping[str, int] | None = None
    read_ahead: int | None = None
    workers: int | None = None


class Metrics:
    """A listener, and what a scrape asks. `registry` is what is served."""

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._stages = Histogram(
            "counterfoil_stage_seconds", "Time a document was in a stage", ["stage"], registry=registry, buckets=_LONG
        )
        self._calls = Histogram(
            "counterfoil_call_seconds",
            "Time of a model call, by outcome",
            ["outcome"],
            registry=registry,
            buckets=_LONG,
        )
        self._documents = Histogram(
            "counterfoil_document_seconds", "Time from a claim to its end", registry=registry, buckets=_LONG
        )
        self._commits = Histogram(
            "counterfoil_commit_seconds", "Time until a manifest write landed", registry=registry, buckets=_SHORT
        )
        self._late = Histogram(
            "counterfoil_loop_lag_seconds", "How late the loop comes to a timer", registry=registry, buckets=_SHORT
        )
        self._lost = Counter("counterfoil_claims_lost", "Documents that another worker took over", registry=registry)
        self._taken = Counter("counterfoil_takeovers", "Documents taken over from dead workers", registry=registry)
        for stage in STAGES:
            self._stages.labels(stage)
        for outcome in CALL_OUTCOMES:
            self._calls.labels(outcome)

    def __call__(self, event: Event) -> None:
        match event:
            case StageEnded():
                self._stages.labels(event.stage).observe(event.seconds)
            case CallEnded():
                self._calls.labels(event.outcome).observe(event.seconds)
            case Committed():
                self._commits.observe(event.seconds)
            case LoopLate():
                self._late.observe(event.seconds)
            case Claimed():
                self._taken.inc(event.dead is not None)
            case Ended():
                self._documents.observe(event.seconds)
                self._lost.inc(event.status == "lost")
            case _:
                pass


def follow(registry: CollectorRegistry, look: Callable[[], Look]) -> None:
    """From now on a scrape asks `look`, on the loop that is running now."""
    registry.register(_Asked(look))


class _Asked(Collector):
    """What is asked at each scrape."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look, self._loop = look, asyncio.get_running_loop()
        self._last = Look({}, NOTHING, 0, 0)

    def collect(self) -> Iterable[Metric]:
        with suppress(TimeoutError, RuntimeError, CancelledError):  # the loop is busy, or closed
            self._last = self._ask().result(_LOOP_ANSWERS_WITHIN)
        return families(self._last)

    def describe(self) -> Iterable[Metric]:
        """Nothing: what is known may differ from one scrape to the next."""
        return ()

    def _ask(self) -> Future[Look]:
        answer: Future[Look] = Future()

        def ask() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(self._look())

        self._loop.call_soon_threadsafe(ask)
        return answer


def families(look: Look) -> Iterator[Metric]:
    """What is asked of a run, as metrics. What is not known is absent, never 0."""
    usage, tokens = look.usage, {"input": look.usage.input_tokens, "output": look.usage.output_tokens}
    cost = None if usage.cost_usd is None else float(usage.cost_usd)
    yield from _gauges("documents", "Documents of the whole OUT, as last seen", "status", STATUSES, look.statuses)
    yield from _counters("documents_finished", "Documents finished by this process", "status", _FINISHED, look.finished)
    yield from _gauges("documents_in_stage", "Documents that are in a stage now", "stage", STAGES, look.inside)
    yield from _gauge("documents_read_ahead", "Documents read before they are claimed", look.read_ahead)
    yield from _counter("results_adopted", "Results that were there, and not paid for again", look.adopted)
    yield from _counter("calls", "Model calls that may have to be paid", usage.calls)
    yield from _counter("calls_refused", "Model calls refused for the rate", look.refused)
    yield from _counter("calls_unknown", "Model calls of unknown outcome", usage.unknown_calls)
    yield from _counters("tokens", "Tokens, as the provider counted them", "direction", tokens, tokens)
    yield from _counter("cost_usd", "US dollars, for answered calls", cost)
    yield from _gauge("calls_in_flight", "Model calls in flight", look.in_flight)
    yield from _gauge("calls_allowed_per_second", "Rate that the server was found to bear", look.allowed)
    yield from _gauge("calls_held_seconds", "Time for which no call may start, by the server's word", look.held)
    yield from _counter("commits", "Manifest writes that landed", look.commits)
    yield from _counter("commit_conflicts", "Manifest writes made void by another writer's", look.conflicts)
    yield from _gauge("workers", "Workers alive at the OUT, as last seen", look.workers)


def _counter(name: str, about: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield CounterMetricFamily(f"counterfoil_{name}", about, value=value)


def _gauge(name: str, about: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield GaugeMetricFamily(f"counterfoil_{name}", about, value=value)


def _counters(
    name: str, about: str, label: str, known: Iterable[str], values: Mapping[str, int] | None
) -> Iterator[Metric]:
    if values is not None:
        family = CounterMetricFamily(f"counterfoil_{name}", about, labels=[label])
        for of in known:
            family.add_metric([of], values.get(of, 0))
        yield family


def _gauges(
    name: str, about: str, label: str, known: Iterable[str], values: Mapping[str, int] | None
) -> Iterator[Metric]:
    if values is not None:
        family = GaugeMetricFamily(f"counterfoil_{name}", about, labels=[label])
        for of in known:
            family.add_metric([of], values.get(of, 0))
        yield family


@contextmanager
def served(registry: CollectorRegistry, host: str, port: int) -> Generator[int]:
    """Serves metrics for as long as the block lasts, by http, at any path; yields the port (0: any that is free)."""
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as exc:
        raise SetupError(
            f"--metrics: can't listen on {host}:{port} ({exc.strerror or exc}); name another port, or 0 for any"
        ) from exc
    try:
        yield server.server_port
    finally:
        ending = threading.Thread(target=server.shutdown, name="metrics end")
        ending.start()
        with suppress(OSError):  # it looks twice a second whether it is to end, unless it is woken
            server.socket.shutdown(socket.SHUT_RDWR)
        ending.join()
        server.server_close()
