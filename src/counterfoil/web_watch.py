"""One look a second for all who watch, however many: the requests to the store don't grow with them.

While nobody watches, nobody looks, but for a slow beat that keeps the next first view short.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .errors import CounterfoilError
from .manifest import Manifest
from .web_index import Index
from .web_workers import Workers

EVERY = 1.0
IDLE = 30.0
"""Seconds between two looks while somebody watches, and while nobody does."""
_SHARE = 8
"""A look that took long is followed by a rest this many times as long: a run on this machine needs the processor."""
_LONGEST = 1.8
_SILENCE = 5.0
"""Seconds without an answer of the store after which that is said."""


class Watch:
    """Keeps the index of an OUT and its workers up to date."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest, self.clock = manifest, manifest.clock
        self.index = Index(manifest)
        self.workers = Workers(manifest)
        self.looks = 0
        """Counts the looks: with each, what is shown may be another."""
        self.trouble = ""
        """Why the last look failed, in one sentence; empty when it did not."""
        self.watchers = 0
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._news = asyncio.Condition()
        self.closing = False

    async def run(self) -> None:
        """Looks on and on; cancel it to end."""
        while True:
            begun = self.clock.monotonic()
            await self._look_for_a_while()
            rest = min(max(EVERY, _SHARE * (self.clock.monotonic() - begun)), _LONGEST)
            await self._pause(rest if self.watchers else IDLE)

    async def _look_for_a_while(self) -> None:
        """A look that takes long is told of while it goes on: how far it has come, or that nothing answers."""
        complete = self.index.complete
        try:
            async with asyncio.timeout(_SILENCE if complete else EVERY):
                await self.look()
        except TimeoutError:
            self.trouble = f"no answer for {_SILENCE:g} s, still waiting" if complete else ""
            await self._tell()

    async def _pause(self, seconds: float) -> None:
        if self.watchers:
            await self.clock.sleep(seconds)
            return
        self._wanted.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass

    async def look(self) -> None:
        """Looks once; whoever comes while a look is under way shares it."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="look")
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        try:
            await asyncio.gather(self.index.refresh(), self.workers.refresh())
            self.trouble = ""
        except CounterfoilError as exc:
            self.trouble = str(exc)
        except Exception as exc:  # a record of another program's making: the page says so, and goes on
            self.trouble = f"the manifest holds what this page can't show ({type(exc).__name__}: {exc})"
        self._looked_at = self.clock.monotonic()
        await self._tell()

    async def fresh(self, *, within: float = 0.4) -> None:
        """Brings a view up to date that nobody watches, if that takes no longer than `within` seconds."""
        if self.clock.monotonic() - self._looked_at > EVERY:
            try:
                async with asyncio.timeout(within):
                    await self.look()
            except TimeoutError:
                pass  # what is known already is shown; the rest comes by itself

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Somebody watches for as long as the block lasts."""
        self.watchers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self.watchers -= 1

    async def next(self, known: int) -> int:
        """Waits until there was another look than `known`, or the end is near; returns the number of the last."""
        async with self._news:
            await self._news.wait_for(lambda: self.looks != known or self.closing)
        return self.looks

    async def close(self) -> None:
        """Lets all who wait go."""
        self.closing = True
        await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self.looks += 1
            self._news.notify_all()
