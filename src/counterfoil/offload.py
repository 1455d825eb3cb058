"""CPU-heavy reading in worker processes that can be killed, so that the event loop never works and never dies with it.

It promises that a function which hangs, aborts, bursts its memory or raises costs its own task only, as an `InputError`
that says why; that the time limit counts from when a worker takes the task; that workers outlive a Ctrl-C or a SIGTERM
to the process group (the parent decides), and die with the parent (on Linux even if that is `kill -9`ed in the middle
of a task). It never blocks the loop, never queues more than a few tasks, and does nothing at import.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import resource_tracker
from typing import Any, TypeVar, TypeVarTuple, cast

from pebble import CONSTS, ProcessExpired, ProcessPool

from .cores import usable_cores
from .document import Limits
from .errors import InputError, SetupError, Unavailable
from .lifeline import die_with

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# What Python's tracker of shared resources says on stderr once this process was killed: there is nothing to be done.
_UNSAID = "ignore:resource_tracker:UserWarning"
# Tasks handed to the pool at a time, for each worker, unless it is told otherwise: those in the pipe are taken at once,
# while the next from here has to wait for a busy loop.
_AHEAD = 8
# A worker is replaced after so many tasks, so that a leak in a native library stays small.
_MAX_TASKS = 1000
# How often a task is tried again because something that was not its fault took its worker or the pool.
_TRIES = 3
# How often (s) the pool looks for overdue and dead workers; the close takes about two of these.
_TICK = 0.05
# Results above this size (bytes) are unpickled in a thread.
_LARGE = 200_000


class _LostError(Exception):
    """The worker or the pool went away for a reason outside of the task."""


class Offload:
    """A pool of killable worker processes; an async context manager, to be opened in one place.

    `workers` defaults to the number of usable cores. `preload` names modules that a worker imports before its first
    task. Of `limits` it applies `seconds` (running time of one call) and `memory_bytes` (on top of what an idle worker
    has; Linux only). `ahead` is how many tasks a worker may have, with those that wait in its pipe: more where tasks
    are so short that it would wait for the next. Workers start with the first call, or with `warm`.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: Limits | None = None,
        preload: Sequence[str] = (),
        ahead: int = _AHEAD,
    ) -> None:
        self._workers = workers or usable_cores()
        self._limits = limits or Limits()
        self._preload = tuple(preload)
        self._room = asyncio.Semaphore(ahead * self._workers)
        # One thread for the life of the pool: on Linux a worker is told to die when the *thread* that made it ends.
        self._thread: ThreadPoolExecutor | None = None
        self._pool: Future[ProcessPool] | None = None
        self._waiting: set[asyncio.Future[bytes]] = set()
        self._end: Future[None] | None = None
        self._closed = False
        self.ready = False
        """Whether a worker has done a task already: until then, whoever comes waits for it to start."""

    async def __aenter__(self) -> Offload:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits until every worker is gone."""
        self.retire()
        if self._end:
            await asyncio.wrap_future(self._end)

    def retire(self) -> None:
        """Kills every worker, busy or not, in the background; whoever still waits for a result gets `Unavailable`."""
        self._closed = True
        for waiting in list(self._waiting):
            waiting.cancel()
        if self._thread and self._pool and not self._end:
            self._end = self._thread.submit(_stop, self._pool)
            self._thread.shutdown(wait=False)

    def warm(self) -> None:
        """Starts the workers in the background, once; a spawned worker takes 0.3 to 0.5 s to be ready."""
        if self._closed:
            raise Unavailable("the worker processes have been closed")
        if self._pool is None:
            self._thread = self._thread or ThreadPoolExecutor(1, "offload", initializer=_shield_children_from_signals)
            self._pool = self._thread.submit(self._start)

    def _start(self) -> ProcessPool:
        # A worker ignores SIGTERM, so waiting for it to obey one before it is killed would only hold up the others.
        CONSTS.term_timeout, CONSTS.sleep_unit = 0, _TICK
        pool = ProcessPool(
            max_workers=self._workers,
            max_tasks=_MAX_TASKS,
            initializer=_prepare_worker,
            initargs=(os.getpid(), self._limits.memory_bytes, self._preload),
            context=cast(Any, multiprocessing.get_context("spawn")),  # its stubs clash with pebble's on Windows only
        )
        if not pool.active:  # asking starts it
            raise SetupError("the worker processes for reading did not start")
        return pool

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, seconds: float | None = None) -> T:
        """`function(*args)` in a worker. The function must be importable by name, its arguments and value picklable.
        `seconds` is its running time where that is another than the limits say.

        Raises `InputError` where the function did, or failed in any other way, or passed a limit. Cancelling the call
        kills the task.
        """
        async with self._room:
            for _ in range(_TRIES):
                pool = await self._ready()
                try:
                    outcome = await self._attempt(pool, function, args, seconds or self._limits.seconds)
                except _LostError:
                    continue
                load = asyncio.to_thread(_value, outcome) if len(outcome) > _LARGE else None
                return cast(T, await load if load else _value(outcome))
        raise InputError(f"the reader's worker process was lost {_TRIES} times with this file")

    async def _ready(self) -> ProcessPool:
        self.warm()
        assert self._pool is not None
        try:
            if self._pool.done():
                return self._pool.result()
            return await asyncio.shield(asyncio.wrap_future(self._pool))
        except OSError as exc:
            raise SetupError(f"can't start worker processes for reading: {exc}") from exc

    async def _attempt(
        self, pool: ProcessPool, function: Callable[..., object], args: Sequence[object], seconds: float
    ) -> bytes:
        """The pickled outcome of one try."""
        limits = self._limits
        try:
            future = pool.schedule(_call, args=(function, args, limits.memory_bytes), timeout=seconds)
        except RuntimeError as exc:
            raise self._replace(pool, exc) from exc
        waiting = asyncio.wrap_future(cast("asyncio.Future[bytes]", future))
        self._waiting.add(waiting)
        try:
            outcome = await waiting
            self.ready = True
            return outcome
        except TimeoutError as exc:
            raise InputError(f"reading took longer than {seconds:g} s") from exc
        except ProcessExpired as exc:
            raise _expired(exc.exitcode) from exc
        except BrokenProcessPool as exc:
            raise self._replace(pool, exc) from exc
        except asyncio.CancelledError:
            if self._closed and not _cancelling():
                raise Unavailable("the worker processes were closed during the reading") from None
            raise
        finally:
            self._waiting.discard(waiting)

    def _replace(self, pool: ProcessPool, cause: BaseException) -> _LostError:
        """Has the next try start a new pool, unless another task's failure did so already."""
        if self._thread and self._pool and self._pool.done() and self._pool.result() is pool:
            self._thread.submit(_stop, self._pool)
            self._pool = None
        return _LostError(str(cause))


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _stop(starting: Future[ProcessPool]) -> None:
    """Kills the workers; runs in the pool's own thread, behind its start."""
    with suppress(Exception):  # it never started, or broke: no worker of it is left to kill
        pool = starting.result()
        pool.stop()
        # Before its pipes go: a worker that is still starting would print a traceback about them.
        for worker in list(cast(Any, pool)._pool_manager.worker_manager.workers.values()):
            worker.kill()
        pool.join()


def _shield_children_from_signals() -> None:
    """Blocks SIGINT in this thread: the workers inherit it, and so don't die of a Ctrl-C while they start."""
    if hasattr(signal, "pthread_sigmask"):
        if _UNSAID not in sys.warnoptions:
            sys.warnoptions.append(_UNSAID)
        resource_tracker.ensure_running()  # its start unblocks SIGINT again, so it has to come first
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _expired(exitcode: int) -> Exception:
    """What the end of a worker means for the task it had."""
    if exitcode in (-signal.SIGTERM, -signal.SIGINT):
        return _LostError("a signal from outside")
    if exitcode >= 0:
        return InputError(f"the reader crashed on this file (exit code {exitcode})")
    with suppress(ValueError):
        name = signal.Signals(-exitcode).name
        # Native libraries abort where they get no memory; the kernel kills where the machine has none.
        hint = ", perhaps for lack of memory" if name in ("SIGABRT", "SIGKILL") else ""
        return InputError(f"the reader crashed on this file ({name}{hint})")
    return InputError(f"the reader crashed on this file (signal {-exitcode})")


def _value(outcome: bytes) -> object:
    """The value in an outcome, or the `InputError` that it tells of."""
    problem, value = cast("tuple[str | None, object]", pickle.loads(outcome))
    if problem is not None:
        raise InputError(problem)
    return value


# What follows runs in the worker.


def _prepare_worker(parent: int, memory_bytes: int, preload: Sequence[str]) -> None:
    """Ties the worker's life to the parent's, silences it, imports what it will need, and then limits its memory."""
    die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for name in preload:
        with suppress(Exception):  # the task that needs it will say what is wrong
            importlib.import_module(name)
    # What native libraries print would end up in the middle of the parent's output.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    _limit_memory(memory_bytes)


def _limit_memory(memory_bytes: int) -> None:
    """Caps the address space at what the idle worker has and `memory_bytes` more, and forbids core dumps."""
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - Path costs an import in each worker
            idle = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (idle + memory_bytes, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _call(function: Callable[..., object], args: Sequence[Any], memory_bytes: int) -> bytes:
    """The pickled pair (problem, value). Pickling here keeps what can't be pickled, or no longer fits, this task's."""
    try:
        return pickle.dumps((None, function(*args)), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        problem = f"reading needed more than {memory_bytes / 1e6:.0f} MB of memory"
    except InputError as exc:
        problem = str(exc)
    except BaseException as exc:
        problem = f"the reader failed on this file: {type(exc).__name__}: {_text(exc)}".rstrip(": ")
    return pickle.dumps((problem, None), pickle.HIGHEST_PROTOCOL)


def _text(exc: BaseException) -> str:
    try:
        return " ".join(str(exc).split())[:300]
    except Exception:
        return "(its text can't be read)"
