"""Seats on a Ray cluster: each an actor that Ray places, and places again when its process or its node is lost.

An actor holds one worker, which is a process of its own beneath it, as on one machine: Ray's process has a loop,
signals and a main module that are Ray's. The worker, and what it has started, die with the actor (on Linux even if that
is `kill -9`ed). Keys reach a worker as an argument of a call, between Ray's processes: a `runtime_env` would write them
to Ray's logs.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stdout, suppress
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from .distribute_local import LocalSeat
from .distribute_order import Ended, Engine, Order, Seat, Word
from .distribute_spread import Spread
from .errors import SetupError

# How often Ray brings one actor back, wherever there is room for it: on machines that come and go, that is often.
_RESTARTS = 1000
# One method works, the others answer meanwhile.
_THREADS = 4
_PRESENT = 10.0
# What addresses and keys are read from; the rest of the driver's environment is about its own machine.
_SENT = re.compile(r"(OPENAI|ANTHROPIC|AZURE|GOOGLE|GEMINI|AWS|OTEL|COUNTERFOIL)_\w+")
_OF_ONE_MACHINE = re.compile(
    r"\w*_(PROFILE|FILE|CREDENTIALS|CA_BUNDLE|CERTIFICATE|CLIENT_KEY|CREDENTIALS_(RELATIVE|FULL)_URI)"
)


class Berth:
    """The actor: one worker beneath it, which it starts and talks to. Its methods run in threads of their own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seat: LocalSeat | None = None

    def work(self, of: str, order: Order, environ: Mapping[str, str]) -> dict[str, Any]:
        """Has the worker work; how that ended. `of` is the version of Counterfoil that asks."""
        if of != _version():
            reason = f"this is Counterfoil {of}, and a node of the Ray cluster has {_version()}: install the same there"
            return asdict(Ended("refused", reason))
        with asyncio.Runner() as runner:
            path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
            seat = LocalSeat(order, {**os.environ, **environ}, path, parent=os.getpid())
            self._loop, self._seat = runner.get_loop(), seat
            return asdict(runner.run(seat.work()))

    def tell(self, word: Word) -> None:
        """Passes a word on."""
        if self._loop and self._seat:
            with suppress(RuntimeError):  # its loop is closed: it is through
                asyncio.run_coroutine_threadsafe(self._seat.tell(word), self._loop).result(timeout=_PRESENT)

    def present(self) -> bool:
        """Ray answers this once the actor has found a place."""
        return True


class RaySeat:
    """A place that Ray finds, with so many CPUs reserved."""

    def __init__(self, ray: Any, order: Order, cpus: float, environ: Mapping[str, str]) -> None:
        self._ray, self._order, self._environ = ray, order, environ
        self._asked = ray.remote(Berth).options(num_cpus=cpus, max_restarts=_RESTARTS, max_concurrency=_THREADS)
        self._actor: Any = None

    async def work(self) -> Ended:
        self._actor = self._actor or self._asked.remote()
        try:
            ended = await _answer(self._actor.work.remote(_version(), self._order, dict(self._environ)))
        except self._ray.exceptions.ActorUnavailableError:
            return Ended("lost", "its process or its node is gone")  # Ray brings the actor back
        except self._ray.exceptions.RayError as exc:
            self._actor = None
            return _unable(str(exc))
        except asyncio.CancelledError:
            self._ray.kill(self._actor)
            raise
        return Ended(**ended)

    async def present(self) -> bool:
        try:
            return self._actor is not None and await asyncio.wait_for(_answer(self._actor.present.remote()), _PRESENT)
        except (TimeoutError, self._ray.exceptions.RayError):
            return False

    async def tell(self, word: Word) -> None:
        if self._actor is not None:
            with suppress(TimeoutError, self._ray.exceptions.RayError):
                await asyncio.wait_for(_answer(self._actor.tell.remote(word)), _PRESENT)


async def _answer(reference: Any) -> Any:
    """What a call of an actor returns; raises what Ray raises."""
    return await asyncio.wrap_future(reference.future())


def _unable(said: str) -> Ended:
    """Why an actor is no more. What the cluster lacks, another one would lack too."""
    if missing := re.search(r"No module named '([\w.]+)'", said):
        what = missing[1].partition(".")[0]
        reason = f"the nodes of the Ray cluster have no package {what}: install there what is installed here"
        return Ended("refused", reason)
    return Ended("lost", f"Ray: {_last_line(said)}")


def _last_line(said: str) -> str:
    """The end of what Ray says, which is what matters of a traceback."""
    return re.sub(r"\x1b\[\d*m", "", said).strip().rpartition("\n")[2].strip()[:300]


@asynccontextmanager
async def ray_engine(spread: Spread, environ: Mapping[str, str]) -> AsyncGenerator[Engine]:
    """Connects to Ray, and leaves it at the end; a Ray of our own ends with it. Raises `SetupError`."""
    if find_spec("ray") is None:
        raise SetupError("--engine ray needs a package that is not installed: pip install 'counterfoil[ray]'")
    connecting = asyncio.create_task(asyncio.to_thread(_connect, spread, environ.get("RAY_ADDRESS")))
    sent = {name: value for name, value in environ.items() if _is_sent(name)}

    async def seats(order: Order) -> Sequence[Seat]:
        ray = await connecting
        cpus = await asyncio.to_thread(ray.cluster_resources)
        return [RaySeat(ray, order, spread.cpus_each, sent) for _ in range(spread.workers_on(cpus.get("CPU", 1)))]

    # Ray prints what happens to its processes there, among the results.
    with redirect_stdout(StringIO()):
        try:
            if spread.address:  # one that is wrong is said before anything is made
                await connecting
            yield seats
        finally:
            with suppress(SetupError):  # told already
                ray = await connecting
                await asyncio.to_thread(ray.shutdown)


def _is_sent(name: str) -> bool:
    return _SENT.fullmatch(name) is not None and _OF_ONE_MACHINE.fullmatch(name) is None


def _connect(spread: Spread, named: str | None) -> Any:
    """The package, connected: to the cluster that is named, else to a Ray that is started on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray: Any = import_module("ray")
    address = spread.address or named
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            _reach(address)
            ray.init(address, **quiet)
        else:
            cpus = spread.workers_on(os.cpu_count() or 1) * spread.cpus_each
            ray.init("local", num_cpus=math.ceil(cpus), include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
        where = f"--address {address}" if address else "--engine ray"
        raise SetupError(f"{where}: there is no way to Ray: {' '.join(str(exc).split())[:300]}") from exc
    return ray


def _reach(address: str) -> None:
    """Raises `OSError` where nothing listens: Ray would end the process."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PRESENT).close()


def _version() -> str:
    try:
        return version("counterfoil")
    except PackageNotFoundError:  # run from its source
        return "of no version"
