"""What a lab measured: who did what when, and the figures that come of it. Data only; nothing is measured here.

Times are readings of the monotonic clock in seconds, which all processes of a machine share.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

KINDS = {
    "call": "call",
    "wait": "wait",
    "read": "read",
    "parse": "parse",
    "write": "write",
    "refused": "write, refused",
    "stuck": "loop stuck",
}
"""Every kind of bar, and its name for people."""


class Bar(NamedTuple):
    """Something that took from `start` to `end`."""

    kind: str
    start: float
    end: float


@dataclass(slots=True)
class Lane:
    """One task (or, `shared`, something all tasks stand behind) and its bars, the later drawn over the earlier.

    `lost`: the task was told that its update is written, and the file does not have it.
    """

    name: str
    group: str
    bars: list[Bar] = field(default_factory=list[Bar])
    lost: bool = False
    shared: bool = False

    def add(self, kind: str, start: float, end: float) -> None:
        self.bars.append(Bar(kind, start, end))

    @contextmanager
    def during(self, kind: str) -> Generator[None]:
        """A bar for as long as the block lasts, however it ends."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.add(kind, start, time.monotonic())

    def spent(self, kind: str) -> float:
        return sum(bar.end - bar.start for bar in self.bars if bar.kind == kind)

    @property
    def end(self) -> float:
        return max((bar.end for bar in self.bars), default=0.0)


def count(lanes: Sequence[Lane], *kinds: str) -> int:
    """How many bars there are of these kinds."""
    return sum(bar.kind in kinds for lane in lanes for bar in lane.bars)


@dataclass(frozen=True, slots=True)
class Picture:
    """A timeline: `name` for files, `title` and `caption` for people; time begins at `began`, and is drawn from `opens`
    seconds after that."""

    name: str
    title: str
    caption: str
    began: float
    lanes: Sequence[Lane]
    opens: float = 0.0

    @property
    def seconds(self) -> float:
        """From the beginning to the end of the last bar."""
        return max([lane.end - self.began for lane in self.lanes] + [1e-3])


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of every row: its key, its heading, and how it is written (a format of `str.format`)."""

    key: str
    heading: str
    form: str = "{}"

    def text(self, row: Mapping[str, Any]) -> str:
        value = row[self.key]
        return "" if value is None else self.form.format(value)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that a lab found out. A row's first column says what was tried; `conditions` under what, in sentences."""

    name: str
    title: str
    conditions: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    pictures: Sequence[Picture]

    def as_json(self) -> dict[str, Any]:
        return {"lab": self.name, "conditions": self.conditions, "rows": list(self.rows)}
