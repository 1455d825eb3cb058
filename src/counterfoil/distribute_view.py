"""The whole of a run that many processes share, seen from its manifest: no worker reports to anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from .command_status import Shard
from .display import Snapshot
from .document import Usage
from .errors import CounterfoilError
from .kinds import CONTAINER
from .manifest import Manifest
from .transitions import FINISHED

if TYPE_CHECKING:
    from .metrics import Look

# A look is a LIST and a GET of each shard that changed; of the time, so many parts go by without one.
_LOOK_EVERY = 2.0
_LOOK_SHARE = 10


class Whole:
    """What the records say now, and what they said before the run."""

    def __init__(self, manifest: Manifest, *, asks: bool) -> None:
        self._manifest, self._clock, self._asks = manifest, manifest.clock, asks
        self._shards: dict[int, Shard] = {}
        self._versions: dict[int, int] = {}
        self._marks: dict[int, str] = {}
        self._began = self._clock.monotonic()
        self.now = self.before = Shard()
        self._landed_before = 0

    async def begin(self) -> None:
        """Looks for the first time: what comes later is what the run did."""
        await self.look()
        self.before, self._landed_before = self.now, self._landed

    async def look(self) -> None:
        """Reads the shards that changed since the last look."""
        marks, at = await self._manifest.marks(), self._clock.utc()
        changed = [shard for shard, mark in marks.items() if self._marks.get(shard) != mark]
        async for number, state in self._manifest.states(changed):
            self._shards[number], self._versions[number] = Shard.of(state.records, at), state.version
        self._marks, total = marks, Shard()
        for shard in self._shards.values():
            total.add(shard)
        self.now = total

    @property
    def _landed(self) -> int:
        return sum(self._versions.values())  # a shard's version grows by one with every commit

    @property
    def commits(self) -> int:
        """Commits that landed since it began, whoever made them."""
        return self._landed - self._landed_before

    @property
    def usage(self) -> Usage:
        """What the records have come to say of calls since it began."""
        return self.now.usage - self.before.usage

    @property
    def adopted(self) -> int:
        """Results that were adopted since it began."""
        return max(0, self.now.adopted - self.before.adopted)

    @property
    def seconds(self) -> float:
        return self._clock.monotonic() - self._began

    def snapshot(self, *, stopping: bool) -> Snapshot:
        """What the progress display shows, as of the last look."""
        statuses, before = self.now.statuses, self.before.statuses
        return Snapshot(
            total=statuses.total() - statuses[CONTAINER],
            done=statuses["done"],
            review=statuses["review"],
            failed=statuses["failed"],
            in_flight=self.now.calls_out if self._asks else statuses["running"],
            finished_here=max(0, sum(statuses[name] - before[name] for name in FINISHED)),
            usage=self.usage,
            seconds=self.seconds,
            stopping=stopping,
        )

    def figures(self) -> Look:
        """What metrics show, as of the last look."""
        from .metrics import Look  # for those who ask for metrics

        return Look(self.now.statuses, self.usage, self.adopted, self.commits)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Looks again and again while the block lasts."""
        watching = asyncio.create_task(self._watch(), name="watch")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self) -> None:
        while True:
            began = self._clock.monotonic()
            with suppress(CounterfoilError):  # the store may come back; the workers wait for it too
                await self.look()
            took = self._clock.monotonic() - began
            await self._clock.sleep(max(_LOOK_EVERY, _LOOK_SHARE * took))
