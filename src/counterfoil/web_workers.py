"""Which workers are alive, by their heartbeats. It reads only, and only heartbeats that changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .display import counted, duration
from .errors import ManifestCorrupt
from .jsonfile import Json, decode
from .liveness import FOLDER, seems_alive
from .manifest import Manifest
from .store import retried


@dataclass(frozen=True, slots=True)
class Pace:
    """Model calls in flight, refusals for the rate, the longest wait that a server asked for (s), and the calls a
    minute that it was found to bear, None where no limit was met."""

    in_flight: int = 0
    refused: int = 0
    held_s: float = 0.0
    a_minute: float | None = None

    def __str__(self) -> str:
        """In words; nothing where nothing holds the calls back."""
        if not self.refused and not self.held_s:
            return ""
        limit = f"; held to {self.a_minute:,.0f} calls a minute" if self.a_minute is not None else ""
        wait = f"; the model asked for a pause of {duration(self.held_s)}" if self.held_s > 1 else ""
        return f"{counted(self.refused, 'call')} refused for the rate{limit}{wait}"


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

    def pace(self) -> Pace:
        """What those that are alive last said, together; up to a third of a lease ago."""
        told: list[Json] = [beat.get("pace") or {} for beat in self.alive()]
        found: list[float] = [one["a_minute"] for one in told if one.get("a_minute") is not None]
        return Pace(
            sum(int(one.get("in_flight", 0)) for one in told),
            sum(int(one.get("refused", 0)) for one in told),
            max((float(one.get("held_s", 0)) for one in told), default=0.0),
            sum(found) if found else None,
        )

    def alive(self) -> list[Json]:
        """The heartbeats of those that are alive."""
        now = self._clock.utc()
        return [beat for _, beat in self._beats.values() if beat and seems_alive(beat, now)]
