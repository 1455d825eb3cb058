"""One shared JSON file that any number of tasks, processes and machines may update at once.

    async with open_register("s3://bucket/counters.json") as register:
        await register.update("invoices", lambda record: {"n": (record or {"n": 0})["n"] + 1})

It opens a `Register` (see `commit`) and proves its store first; what it promises is what a `Register` promises.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .clock import Clock
from .commit import Register, State, parse
from .errors import Conflict, SetupError
from .locations import open_store
from .manifest import new_writer
from .store import probe, retried


@asynccontextmanager
async def open_register(location: str, *, clock: Clock | None = None) -> AsyncGenerator[Register]:
    """The register in the file at a path or URL, made if there is none; leaving awaits every pending change.

    Raises `SetupError` if the store does not keep conditional writes, `ManifestCorrupt` if the file is something else.
    """
    clock = clock or Clock()
    folder, slash, key = location.rpartition("/")
    if not key or folder.endswith(":/"):
        raise SetupError(f"{location}: name a file in a folder or bucket, like s3://BUCKET/state.json")
    store = open_store((folder or slash) if slash else ".")
    empty = State(version=1).body()
    while (found := await retried(clock, lambda: store.get(key))) is None:
        try:
            await retried(clock, lambda: store.put_new(key, empty))
        except Conflict:
            continue
    parse(found.body, found.tag, location)
    await probe(store, key, found.body, clock)
    register = Register(store, key, new_writer(), clock)
    try:
        yield register
    finally:
        await register.close()
