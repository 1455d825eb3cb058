"""Every document of an OUT as compact rows, and their sums, kept up by what changed: one LIST tells which shards did,
and only those are read. It never writes, and a run never waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from .commit import State
from .manifest import Manifest, shard_of
from .web_rows import Row, Sums, row_of


class Index:
    """The rows of one OUT as last seen."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._marks: dict[int, str] = {}
        self._rows: dict[int, list[Row]] = {}
        self._sums: dict[int, Sums] = {}
        self.total = Sums()
        self.version = 0
        """Grows with every change, so that whatever is made from the rows can be kept as long as it stands still."""
        self.expected = 0
        """Shards that the last listing showed: until as many are read, the rows are not complete."""
        self.listed = False

    @property
    def seen(self) -> int:
        """Shards that were read."""
        return len(self._rows)

    @property
    def complete(self) -> bool:
        """Whether everything has been read once."""
        return self.listed and self.seen >= self.expected

    async def refresh(self) -> bool:
        """Reads the shards whose mark changed; returns whether any did. `CounterfoilError` where the store fails."""
        marks = await self._manifest.marks()
        self.expected, self.listed = len(marks), True
        changed = sorted(shard for shard, mark in marks.items() if self._marks.get(shard) != mark)
        gone = [shard for shard in self._rows if shard not in marks]
        for shard in gone:
            self._put(shard, State())
            del self._rows[shard], self._sums[shard], self._marks[shard]
        async for shard, state in self._manifest.states(changed):
            self._put(shard, state)
            self._marks[shard] = marks[shard]
        return bool(changed or gone)

    def _put(self, shard: int, state: State) -> None:
        rows = [row_of(document, record) for document, record in state.records.items()]
        if known := self._sums.get(shard):
            self.total.add(known, -1)
        self._rows[shard], self._sums[shard] = rows, Sums.of(state.records, rows)
        self.total.add(self._sums[shard])
        self.version += 1

    def rows(self) -> Iterator[Row]:
        """Every row, in no promised order."""
        for rows in self._rows.values():
            yield from rows

    def row(self, document: str) -> Row | None:
        """The row of one document, None if it is not known."""
        rows = self._rows.get(shard_of(document, self._manifest.shards), ())
        return next((row for row in rows if row.document == document), None)

    def copies_of(self, document: str) -> list[str]:
        """Documents that are the same invoice as this one, which came first."""
        return sorted(row.document for row in self.rows() if row.duplicate == document)
