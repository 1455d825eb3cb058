"""Where the real code meets the simulated machines: pids, boots, and what callers are told. Undone after each run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from counterfoil import checks, commit, corrections, liveness, lookout
from counterfoil import worker as worker_module
from counterfoil.errors import CommitUncertain, Unavailable

from .loop import BODY, Body


def _body() -> Body:
    body = BODY.get()
    assert body is not None, "only processes do this"
    return body


class Machines:
    """The processes of all machines, by machine and pid: what `kill -0` and /proc say there."""

    def __init__(self) -> None:
        self._processes: dict[tuple[str, int], Body] = {}

    def boot(self, body: Body) -> None:
        self._processes[body.machine, body.pid] = body

    def kill(self, pid: int, signal: int) -> None:
        if self._find(pid) is None:
            raise ProcessLookupError(pid)

    def process_start(self, pid: int) -> str | None:
        found = self._find(pid)
        return found.started if found else None

    def _find(self, pid: int) -> Body | None:
        found = self._processes.get((_body().machine, pid))
        return found if found and found.alive else None


@contextmanager
def seams(world: Any, kept_versions: int) -> Iterator[None]:
    """The real code on simulated machines, its acknowledgements logged in `world`."""
    system = SimpleNamespace(getpid=lambda: _body().pid, kill=world.machines.kill)
    plain = commit.Register.commit

    async def logged(self: commit.Register, change: Any, landed: Callable[[Any], None] | None = None) -> Any:
        return await _logged(world, plain, self, change, landed)

    with (
        patch.object(liveness, "os", system),
        patch.object(liveness, "machine", lambda: _body().machine),
        patch.object(liveness, "process_start", world.machines.process_start),
        patch.object(commit, "KEPT_VERSIONS", kept_versions),
        patch.object(lookout, "FEW_SHARDS", world.few_shards),
        patch.object(worker_module, "FEW_SHARDS", world.few_shards),
        patch.object(commit.Register, "commit", logged),
        patch.object(checks, "check_invoice", lambda *_, **__: ()),  # dear, and of no matter to the protocol
        patch.object(checks, "tidy", lambda invoice: invoice),
        patch.object(corrections, "tidy", lambda invoice: invoice),
    ):
        yield


async def _logged(world: Any, plain: Any, register: Any, change: Any, landed: Any) -> Any:
    """A commit whose beginning, verdicts and end are told to the world as the caller sees them."""
    body, key, began = _body(), register._key, world.loop.time()
    since = world.checker.latest(key)
    task = asyncio.current_task()

    def told(outcome: Any) -> None:
        cancelled = task is not None and task.cancelling() > 0
        world.noting(world.checker.told, key, since, dict(outcome), cancelled)
        if landed:
            landed(outcome)

    try:
        outcome = await plain(register, change, told)
    except (CommitUncertain, Unavailable):
        world.checker.uncertain.add(body.name)
        raise
    world.noting(world.checker.told, key, since, dict(outcome), False)
    world.waited(key, began)
    return outcome
