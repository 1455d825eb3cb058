"""A loop of virtual time that runs many processes in one thread, and can kill, pause and cancel each at any await.

Every callback carries a context, and the context says which process it belongs to. So a process is stopped by no longer
running what is its own: a killed one runs nothing ever again, not even a `finally`; a paused one runs later.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from heapq import heappop
from itertools import count
from typing import Any

BODY: ContextVar[Body | None] = ContextVar("body", default=None)


@dataclass(eq=False)
class Body:
    """One operating system process. `cut` until then no request of it goes through; `jump` shifts its wall clock (s).
    `at_step` and `at_event` (what, how many before) say what will befall it, `stop` ends it gracefully."""

    name: str
    machine: str
    pid: int
    started: str
    chance: random.Random
    alive: bool = True
    paused: bool = False
    cut: float = 0.0
    jump: float = 0.0
    steps: int = 0
    at_step: dict[int, Callable[[], None]] = field(default_factory=dict)
    at_event: dict[tuple[str, int], Callable[[], None]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    task: asyncio.Task[Any] | None = None
    stop: Callable[[], None] | None = None
    restart: bool = False
    _held: list[asyncio.Handle] = field(default_factory=list)

    def admits(self, handle: asyncio.Handle) -> bool:
        """Whether this callback may run now. Counts the steps of the process, and lets happen what was set for one."""
        if not self.alive:
            return False
        if not self.paused:
            self.steps += 1
            if act := self.at_step.pop(self.steps, None):
                act()
        if self.paused:
            self._held.append(handle)
        return self.alive and not self.paused

    def wake(self, loop: SimLoop) -> None:
        self.paused = False
        loop._ready.extend(self._held)
        self._held.clear()


class _Task(asyncio.Task):
    """A task whose place in a set is the same in every run, and that may be dropped without a word."""

    def __init__(self, serial: int, coro: Any, **options: Any) -> None:
        self._serial = serial
        super().__init__(coro, **options)
        self._log_destroy_pending = False

    def __hash__(self) -> int:
        return self._serial


class SimLoop(asyncio.BaseEventLoop):
    """Whenever nothing is ready, its time jumps to the next timer. It has no sockets, signals or threads."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._serials = count(1)
        self.world = copy_context()
        self.complaints: list[str] = []
        self.set_task_factory(lambda loop, coro, **options: _Task(next(self._serials), coro, loop=loop, **options))
        self.set_exception_handler(lambda loop, about: self.complaints.append(repr(about.get("exception", about))))

    def time(self) -> float:
        return self._now

    def after(self, seconds: float, act: Callable[..., Any], *args: Any) -> None:
        """Has the world do something later, whatever becomes of the process that asked for it."""
        self.call_at(self._now + seconds, act, *args, context=self.world)

    def spawn(self, body: Body, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts the main task of a process."""
        context: Context = self.world.copy()
        context.run(BODY.set, body)
        body.task = self.create_task(work, context=context)
        return body.task

    def _run_once(self) -> None:
        timers, ready = self._scheduled, self._ready
        while timers and timers[0]._cancelled:
            heappop(timers)._scheduled = False
        if not ready and timers:
            self._now = max(self._now, timers[0]._when)
        while timers and timers[0]._when <= self._now:
            timer = heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            body = handle._context.get(BODY)
            if body is None or body.admits(handle):
                handle._run()


class _Grave(asyncio.BaseEventLoop):
    """Where nothing goes on any more."""

    def create_future(self) -> Any:
        raise RuntimeError("this process is dead")

    def create_task(self, coro: Any, **options: Any) -> Any:
        raise RuntimeError("this process is dead")


@contextmanager
def buried() -> Iterator[None]:
    """Killed tasks are taken down unfinished: no `finally` of theirs gets anywhere, and nobody wants to hear of it."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(_GRAVE)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        asyncio._set_running_loop(before)


_GRAVE = _Grave()
