"""The page on many documents, for many who watch, and beside a run: what it takes, and what it costs the run.

    python -m benchmarks page

The documents are made up (`page_made`); the server is the installed command, asked over HTTP as by a browser. Only the
time of an update is taken inside of a process, since from outside it can't be told from the second between two looks.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import statistics
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from counterfoil.locations import open_store
from counterfoil.manifest import Manifest, shard_key
from counterfoil.web_overview import Live
from counterfoil.web_session import Sessions
from counterfoil.web_site import Site
from counterfoil.web_watch import Watch

from .documents import write_invoices
from .machine import Command, Peak, Server, counterfoil, environment, model_server, s3_server, watching_process
from .page_made import body, write_manifest
from .row import Row, Setting

_MANY = 100_000
_CHANGED = (1, 10, 100)
_WATCHERS = (1, 50)
_WATCHED_S = 10.0
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Page:
    """A served page: where it is, the second at which its process was started, and what it takes."""

    host: str
    port: int
    begun: float
    peak: Peak

    def get(self, path: str) -> tuple[float, str]:
        """Seconds until the whole answer is here, and the answer."""
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_PATIENCE)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return time.monotonic() - began, text

    @contextmanager
    def watched(self, hear: Callable[[bytes], None] = lambda _line: None) -> Generator[None]:
        """Somebody watches: reads the stream of the overview as a browser does."""
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.request("GET", "/events?view=overview")
        stream = connection.getresponse()
        over = threading.Event()

        def read() -> None:
            while not over.is_set() and (line := stream.readline()):
                hear(line)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        try:
            yield
        finally:  # it ends with the server, whose silence it may be waiting for
            over.set()


@contextmanager
def served(folder: Path, environ: Mapping[str, str], out: str) -> Generator[Page]:
    """The page on an OUT, from when it says its address."""
    begun, before = time.monotonic(), set(folder.glob("*.out"))
    with (
        Command(folder, environ, "serve", out, "--port", "0") as command,
        watching_process(command.process.pid) as peak,
    ):
        found = None
        while found is None:
            said = "".join(path.read_text() for path in set(folder.glob("*.out")) - before)
            found = re.search(r"http://\S+", said)
            if command.process.poll() is not None or time.monotonic() - begun > _PATIENCE:
                raise RuntimeError("the page was not served")
            time.sleep(0.005)
        parts = urlsplit(found[0])
        yield Page(parts.hostname or "", parts.port or 0, begun, peak)


def page(setting: Setting) -> list[Row]:
    """All of it: many documents, many watchers, and a run beside it."""
    return [*_many(setting), _requests(setting), _beside_a_run(setting)]


def _many(setting: Setting) -> list[Row]:
    out = setting.folder / "many"
    made = write_manifest(out, _MANY, finished=0.6)
    with served(setting.folder, environment(), str(out)) as shown:
        at_once, _ = shown.get("/")
        while "Reading the manifest" in shown.get("/")[1]:
            time.sleep(0.05)
        read = time.monotonic() - shown.begun
        first = statistics.median(shown.get("/")[0] for _ in range(5))
        listed = statistics.median(shown.get(f"/documents?sort=-gross&page={n}")[0] for n in range(1, 6))
        searched, _ = shown.get("/documents?q=Morgenrot&sort=seller")
        live = _live(shown, out, made[0])
    memory = shown.peak.parent / 1e6
    looks = asyncio.run(_updates(out))
    told = ", ".join(f"{1000 * seconds:.0f} ms for {n} of {len(made)} files" for n, seconds in looks.items())
    return [
        Row(
            f"the page on {_MANY:,} documents in a folder: the overview's first view",
            f"{1000 * first:.0f} ms once the manifest is read; right at the start {1000 * at_once:.0f} ms, complete "
            f"{read:.1f} s after the process was made; a page of the list {1000 * listed:.0f} ms, a search "
            f"{1000 * searched:.0f} ms; {memory:.0f} MB",
            "< 1 s, < 300 MB",
            max(first, at_once) < 1 and memory < 300,
        ),
        Row(
            "the same: server time of an update, reading included",
            f"{told}; seen {live:.1f} s after it was written",
            "< 200 ms, < 2 s",
            looks[_CHANGED[1]] < 0.2 and live < 2,
        ),
    ]


def _live(shown: Page, out: Path, records: dict[str, dict[str, object]]) -> float:
    """Seconds from a write to the moment at which who watches has it."""
    heard = threading.Event()

    def hear(line: bytes) -> None:
        if line.startswith(b"data:"):
            heard.set()

    with shown.watched(hear):
        heard.wait(_PATIENCE)
        heard.clear()
        changed = {name: record | {"status": "failed", "reason": "x"} for name, record in records.items()}
        (out / shard_key(0)).write_bytes(body(changed, 2))
        began = time.monotonic()
        heard.wait(_PATIENCE)
        return time.monotonic() - began


async def _updates(out: Path) -> dict[int, float]:
    """Seconds of a look and of what it gives to those who watch, by how many files have changed."""
    watch = Watch(await Manifest.read(str(out)))
    site = Site(watch, Sessions(None, 0), read_only=True)
    live = Live(site)
    await watch.look()
    taken: dict[int, float] = {}
    for changed in _CHANGED:
        for shard in range(changed):
            os.utime(out / shard_key(shard))
        began = time.monotonic()
        await watch.look()
        live.message("overview")
        taken[changed] = time.monotonic() - began
    return taken


def _requests(setting: Setting) -> Row:
    """Nothing changes, so that what is asked is what watching takes."""
    out = setting.folder / "few"
    write_manifest(out, 2_000)
    asked: dict[int, int] = {}
    with s3_server(setting.get_ms, setting.put_ms) as s3:
        environ = environment(s3)
        files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.json")}
        asyncio.run(_upload(files, "s3://bench/few", environ))
        with served(setting.folder, environ, "s3://bench/few") as shown:
            for watchers in _WATCHERS:
                with ExitStack() as stack:
                    for _ in range(watchers):
                        stack.enter_context(shown.watched())
                    time.sleep(3)  # until the first look, which reads all of it, is over
                    before = _total(s3)
                    time.sleep(_WATCHED_S)
                    asked[watchers] = _total(s3) - before
    told = ", ".join(f"{number / _WATCHED_S:.1f} a second with {n} watching" for n, number in asked.items())
    few, many = asked.values()
    return Row("requests to S3 while people watch", told, "do not grow with watchers", many <= 1.1 * few + 2)


def _total(s3: Server) -> int:
    return sum(s3.stats()["requests"].values())


async def _upload(files: Mapping[str, bytes], location: str, environ: Mapping[str, str]) -> None:
    store = open_store(location, environ)
    await asyncio.gather(*(store.put(key, body) for key, body in files.items()))


def _beside_a_run(setting: Setting) -> Row:
    """The same run with a page open on it and without, in turn."""
    walls: dict[bool, list[float]] = {False: [], True: []}
    source = str(write_invoices(setting.folder / "source", 400))
    with s3_server(setting.get_ms, setting.put_ms) as s3, model_server(1.0) as model:
        environ = environment(s3, model)
        for number in range(setting.repeat):
            for watched in (False, True):
                out = f"s3://bench/run-{number}-{watched}"
                walls[watched].append(_run(setting.folder, environ, source, out, watched))
    without, beside = (statistics.median(walls[watched]) for watched in (False, True))
    return Row(
        f"a run of 400 PDFs, model 1 s, 32 at once, with a page open on it / without, {setting.repeat} of each in turn",
        f"{beside / without:.3f} ({beside:.2f} s / {without:.2f} s; all: {json.dumps(walls[True])} / "
        f"{json.dumps(walls[False])})",
        "within 3 %",
        beside / without <= 1.03,
    )


def _run(folder: Path, environ: Mapping[str, str], source: str, out: str, watched: bool) -> float:
    """Seconds that the run took by its own clock; OUT is there before, as the page needs one."""
    options = ["--out", out, "--model", "openai:scripted", "--concurrency", "32", "--shards", "4"]
    counterfoil(folder, environ, "run", source, *options, "--limit", "1", "--quiet", "--json").ran()
    with ExitStack() as stack:
        if watched:
            stack.enter_context(stack.enter_context(served(folder, environ, out)).watched())
        return counterfoil(folder, environ, "run", source, *options, "--quiet", "--json").json()["wall_s"]
