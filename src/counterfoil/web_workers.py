"""Which workers are alive, by their heartbeats. It reads only, and only heartbeats that changed."""

from __future__ import annotations

import asyncio

from .errors import ManifestCorrupt
from .jsonfile import Json, decode
from .liveness import FOLDER, seems_alive
from .manifest import Manifest
from .store import retried


class Workers:
    """The workers of one OUT as last seen."""

    def __init__(self, manifest: Manifest) -> None:
        self._store, self._clock = manifest.store, manifest.clock
        self._beats: dict[str, tuple[str, Json]] = {}

    async def refresh(self) -> None:
        """One LIST, and one GET of each heartbeat that changed."""

        async def listing() -> dict[str, str]:
            return {entry.key: entry.mark async for entry in self._store.list(FOLDER)}

        marks = await retried(self._clock, listing)
        new = [key for key, mark in marks.items() if self._beats.get(key, ("",))[0] != mark]
        read = dict(zip(new, await asyncio.gather(*map(self._read, new)), strict=True))
        self._beats = {key: (mark, read[key]) if key in read else self._beats[key] for key, mark in marks.items()}

    async def _read(self, key: str) -> Json:
        found = await retried(self._clock, lambda: self._store.get(key))
        try:
            return decode(found.body, key) if found else {}
        except ManifestCorrupt:
            return {}

    def alive(self) -> list[Json]:
        """The heartbeats of those that are alive."""
        now = self._clock.utc()
        return [beat for _, beat in self._beats.values() if beat and seems_alive(beat, now)]
