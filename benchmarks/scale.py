"""Thousands of calls in flight in one process: how close to the bare calls, and what it takes of memory and CPU.

The floors make the same requests, to the same server, in the same run: bare aiohttp and `gather`, nothing recorded. For
one of them the documents have been read beforehand; for the other they are read on the way, by as many processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import aiohttp
import orjson

from counterfoil.document import Limits
from counterfoil.model_answer import invoice_schema
from counterfoil.prompt import opening
from counterfoil.reader import read_document

from .documents import name, write_invoices
from .machine import Command, Finished, Server, environment, model_server, open_files, s3_server, watching_process
from .row import Row, Setting

_IN_FLIGHT = 5000
_LONG = 40.0
"""Seconds an answer takes where all calls are to be in flight at once: longer than it takes to read their documents."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One run as its process was seen from outside: CPU of that process alone, in seconds, and its memory in bytes."""

    finished: Finished
    cpu_s: float
    memory: int
    most_in_flight: int


def scale(setting: Setting) -> list[Row]:
    """Many documents against the bare calls; and what the parent process takes for each, less a run of one."""
    count, at_once = setting.documents, setting.concurrency
    folder = write_invoices(setting.folder / "source", count)
    with s3_server(setting.get_ms, setting.put_ms) as s3, model_server(setting.latency) as model:
        one = _run(setting, s3, model, folder / name(0), "s3://bench/one", 1)
        files = [folder / name(number) for number in range(count)]
        floor = asyncio.run(_floor(model, [_body(file) for file in files], at_once))
        reading = asyncio.run(_floor(model, files, at_once))
        seen = _run(setting, s3, model, folder, "s3://bench/all", at_once)
    wall = seen.finished.wall_s
    cpu_ms = 1000 * (seen.cpu_s - one.cpu_s) / (count - 1)
    what = f"{count:,} PDFs, {at_once:,} calls at once, model {setting.latency:g} s, OUT on S3"
    return [
        Row(
            f"{what}: whole command / bare aiohttp and gather",
            f"{wall / floor:.3f} ({wall:.2f} s / {floor:.2f} s; {wall / reading:.3f} of the {reading:.2f} s that they "
            f"take if they have to read the documents too), {_ended(seen, count)}",
            "<= 1.10, all done",
            wall / floor <= 1.10 and _done(seen) == count,
        ),
        Row(
            "the same: CPU of the parent process a document, less that of a run of one",
            f"{cpu_ms:.2f} ms ({seen.cpu_s:.2f} s, a run of one {one.cpu_s:.2f} s), {seen.memory / 1e6:.0f} MB",
            "<= 3 ms",
            cpu_ms <= 3,
        ),
    ]


def in_flight(setting: Setting) -> list[Row]:
    """Five thousand calls that wait at the same moment."""
    folder = write_invoices(setting.folder / "source", _IN_FLIGHT)
    with s3_server(setting.get_ms, setting.put_ms) as s3, model_server(_LONG) as model:
        seen = _run(setting, s3, model, folder, "s3://bench/flight", _IN_FLIGHT)
    return [
        Row(
            f"{_IN_FLIGHT:,} calls at once in one process, OUT on S3: its memory",
            f"{seen.memory / 1e6:.0f} MB, {seen.most_in_flight:,} in flight, {_ended(seen, _IN_FLIGHT)}, "
            f"{seen.finished.wall_s - _LONG:.1f} s beside the model's {_LONG:g} s",
            f"< 600 MB, {_IN_FLIGHT:,} in flight, all done",
            seen.memory < 600e6 and seen.most_in_flight == _IN_FLIGHT and _done(seen) == _IN_FLIGHT,
        )
    ]


def _done(seen: Seen) -> int:
    return seen.finished.json()["done"]


def _ended(seen: Seen, count: int) -> str:
    summary = seen.finished.json()
    return f"{summary['done']:,} of {count:,} done, {summary['paid_calls']:,} paid, {summary['failed']:,} failed"


def _run(setting: Setting, s3: Server, model: Server, source: Path, out: str, at_once: int) -> Seen:
    options = ["--out", out, "--model", "openai:scripted", "--concurrency", str(at_once), "--json", "--quiet"]
    with (
        Command(setting.folder, environment(s3, model), "run", str(source), *options) as command,
        watching_process(command.process.pid) as peak,
    ):
        finished = command.wait().ran()
    return Seen(finished, peak.parent_cpu_s, peak.parent, model.stats()["most_in_flight"])


async def _floor(model: Server, documents: Sequence[Path | bytes], at_once: int) -> float:
    """Seconds that the bare calls take: of request bodies, or of files that are read first."""
    open_files(at_once)
    room = asyncio.Semaphore(at_once)
    begun, loop = time.monotonic(), asyncio.get_running_loop()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as readers:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def call(document: Path | bytes) -> bytes:
                async with room:
                    read = isinstance(document, bytes)
                    body = document if read else await loop.run_in_executor(readers, _body, document)
                    async with session.post(f"{model.url}/chat/completions", data=body) as reply:
                        return await reply.read()

            answers: Sequence[bytes] = await asyncio.gather(*map(call, documents))
    assert all(b"choices" in answer for answer in answers)
    return time.monotonic() - begun


def _body(path: Path) -> bytes:
    """The request that Counterfoil makes of a document."""
    text = read_document(path.read_bytes(), Limits(), rules="never").text
    turns = [{"role": turn.role, "content": turn.content} for turn in opening(text, path.name)]
    schema = {"name": "invoice", "strict": True, "schema": invoice_schema()}
    form = {"type": "json_schema", "json_schema": schema}
    return orjson.dumps({"model": "scripted", "messages": turns, "temperature": 0, "response_format": form})
