"""Processes for benchmarks: servers beside us, `counterfoil` commands timed from outside, and what memory they took.

Every server ends with the `with` that started it, and watches its stdin too, which closes when we are gone: no way of
dying leaves one behind. Nothing here knows what is measured.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_COUNTERFOIL = str(Path(sys.executable).with_name("counterfoil"))
_SAMPLE_SECONDS = 0.02
_LEFT_OUT = ("AWS_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
_GUARDED = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server in its own process; `url` is what it printed that it listens on."""

    url: str
    pid: int
    stats_path: str

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + self.stats_path) as reply:
            return json.loads(reply.read())

    def cpu_s(self) -> float:
        """CPU seconds it has used since it started."""
        return _cpu_s(self.pid)


@contextmanager
def s3_server(get_ms: float, put_ms: float) -> Generator[Server]:
    with _serving("s3_server.py", "/_stats", "--get-ms", str(get_ms), "--put-ms", str(put_ms)) as server:
        yield server


@contextmanager
def model_server(latency: float, *options: str) -> Generator[Server]:
    with _serving("model_server.py", "/stats", "--latency", str(latency), *options) as server:
        yield server


@contextmanager
def _serving(script: str, stats_path: str, *arguments: str) -> Generator[Server]:
    command = [sys.executable, "-c", _GUARDED, str(_HERE / script), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        if not said:  # it has ended, and what it had to say is on our stderr
            raise RuntimeError(f"{script} did not start")
        yield Server(said[-1], process.pid, stats_path)
    finally:
        process.kill()
        process.communicate()


def environment(s3: Server | None = None, model: Server | None = None) -> dict[str, str]:
    """The variables by which `counterfoil` finds these servers; no key of the user's goes anywhere.

    Byte code is kept, as in any installation: without it, every process compiles what it imports.
    """
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    return (
        {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
        | ({"AWS_ENDPOINT_URL": s3.url, **keys} if s3 else {})
        | ({"OPENAI_BASE_URL": model.url} if model else {})
    )


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended. `wall_s` from before its process was made until it was gone."""

    code: int
    stdout: str
    stderr: str
    wall_s: float

    def ran(self) -> Finished:
        """Itself, unless the command could not do its work: that must not be measured."""
        if self.code not in (0, 1):
            raise RuntimeError(f"exit code {self.code}: {self.stderr[-2000:]}")
        return self

    def json(self) -> Any:
        return json.loads(self.ran().stdout)


class Command:
    """A `counterfoil` command that has been started, and is killed if it still runs when its `with` is left.

    Its output goes to files in `folder`, so that no pipe can hold it up.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], *arguments: str) -> None:
        self._files = [folder / f"{time.monotonic_ns()}.{name}" for name in ("out", "err")]
        self._begun = time.monotonic()
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self.process = subprocess.Popen(
                [_COUNTERFOIL, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(environ)
            )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def wait(self) -> Finished:
        code = self.process.wait()
        wall = time.monotonic() - self._begun
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in self._files)
        return Finished(code, out, err, wall)


def counterfoil(folder: Path, environ: Mapping[str, str], *arguments: str) -> Finished:
    """Runs a command to its end; `folder` takes its output files."""
    with Command(folder, environ, *arguments) as command:
        return command.wait()


def children_cpu_s() -> float:
    """CPU seconds of all commands waited for so far, and of the processes these have waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(slots=True)
class Peak:
    """The most resident memory (bytes) that a process and any one of its descendants had (VmHWM), and the CPU seconds
    of that process alone; all sampled."""

    parent: int = 0
    worker: int = 0
    parent_cpu_s: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def sample_until_stopped(self, pid: int) -> None:
        while not self.stop.wait(_SAMPLE_SECONDS):
            self.parent = max(self.parent, _high_water(pid))
            self.parent_cpu_s = max(self.parent_cpu_s, _cpu_s(pid))
            self.worker = max([self.worker, *map(_high_water, _descendants(pid))])


@contextmanager
def watching_process(pid: int) -> Generator[Peak]:
    peak = Peak()
    thread = threading.Thread(target=peak.sample_until_stopped, args=[pid], daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        peak.stop.set()
        thread.join()


def open_files(number: int) -> None:
    """Lets this process have that many files and connections open, and some more, where it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, number + 200), hard), hard))


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process without its children; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> Sequence[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for ancestor in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
