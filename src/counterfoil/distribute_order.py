"""What a worker process is told, and what it answers at its end. Data only: settings, never an opened client."""

from __future__ import annotations

import json
import pickle
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import RawIOBase
from typing import Any, Literal, Protocol

from .command_run_options import Options
from .locations import local_path
from .store import Entry

_LENGTH = 8
Word = Literal["stop", "now"]
"""What a worker may be told while it works: calls in flight may end, or not even these."""


@dataclass(frozen=True, slots=True)
class Order:
    """`header` is that of the manifest which the worker is to find at OUT, `witnesses` some documents of SOURCE;
    `readers`: how many processes read documents for it. It dies with `parent`, a process id, if there is one."""

    options: Options
    header: Mapping[str, Any]
    readers: int
    witnesses: Sequence[Entry] = ()
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a worker's work ended: nothing is `finished` but the whole batch; `stopped` if it was told to; at the limit
    of the `cost`; `refused` where it would end the same way again, for its `reason`; `failed` where it need not;
    `lost` if it said nothing. `notes` are sentences for the user."""

    how: Literal["finished", "stopped", "cost", "refused", "failed", "lost"]
    reason: str = ""
    conflicts: int = 0
    batches_running: int = 0
    notes: Sequence[str] = ()

    @property
    def final(self) -> bool:
        """Whether another worker in its place would have nothing else to say."""
        return self.how in ("finished", "cost", "refused")


class Seat(Protocol):
    """A place for one worker at a time, on this machine or wherever a cluster finds one."""

    async def work(self) -> Ended:
        """Has a worker work here, and waits for its end. Cancelling kills it."""
        ...

    async def present(self) -> bool:
        """Whether a worker is at work here, and not only asked for."""
        ...

    async def tell(self, word: Word) -> None:
        """Says a word to the worker; nobody need be there."""
        ...


Engine = Callable[[Order], Awaitable[Sequence[Seat]]]
"""Finds seats for workers that are to follow an order; opened and closed by who uses it."""


def parcel(order: Order) -> bytes:
    """An order as it goes down a pipe."""
    body = pickle.dumps(order)
    return len(body).to_bytes(_LENGTH, "big") + body


def told(output: bytes) -> Ended | None:
    """How a worker said that its work ended, None if it didn't come to that."""
    try:
        return Ended(**json.loads(output))
    except (ValueError, TypeError):
        return None


def unpacked(pipe: RawIOBase) -> Order:
    """The order that comes out of a pipe, and nothing of what follows it."""
    body = b""
    wanted = int.from_bytes(pipe.read(_LENGTH) or b"", "big")
    while len(body) < wanted and (more := pipe.read(wanted - len(body))):
        body += more
    if not wanted or len(body) < wanted:
        raise SystemExit("this is no command: `counterfoil run ... --engine local` starts it")
    return pickle.loads(body)


def anchored(options: Options) -> Options:
    """The options as a worker is to have them: paths that don't depend on the current folder, and no port."""
    schema = options.schema
    if schema and (schema.endswith(".json") or ".py:" in schema):
        schema = _absolute(schema)
    return replace(options, source=_absolute(options.source), out=_absolute(options.out), schema=schema, metrics=None)


def _absolute(location: str) -> str:
    path = local_path(location)
    return location if path is None else str(path.absolute())
