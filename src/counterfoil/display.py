"""What a run shows while it works: a live bar on a terminal, sparse plain lines elsewhere, nothing if told so.

All of it goes to stderr, so that stdout carries only results. It reads snapshots; it never touches the run.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .document import Usage

if TYPE_CHECKING:
    from rich.console import Console

    from .source import Source

_LINE_EVERY = 10.0
_FRAME_EVERY = 0.25
_NOTICE_EVERY = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a run. `done`, `review`, `failed`, and `reviewed` by people of the whole OUT; `finished_here`,
    `usage` of this process."""

    total: int
    done: int
    review: int
    failed: int
    in_flight: int
    finished_here: int
    usage: Usage
    seconds: float
    stopping: bool
    reviewed: int = 0
    watching: bool = False
    """Whether more may come: there is no time left then, and no pace over all the time that has gone."""

    @property
    def finished(self) -> int:
        return self.done + self.review + self.failed + self.reviewed

    @property
    def rate(self) -> float:
        """Documents a second that this process finished, since it began."""
        return self.finished_here / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> str:
        """Time left in words, if this process went on alone at its pace."""
        return "?" if not self.rate else duration((self.total - self.finished) / self.rate)

    def line(self) -> str:
        """All of it on one line, what matters most first: a narrow terminal cuts the end."""
        left = "watching" if self.watching else f"{self.left} left"
        parts = [f"{self.finished} of {self.total}", "stopping" if self.stopping else left]
        parts += [f"{self.in_flight} in flight"] + ([] if self.watching else [f"{self.rate:.1f}/s"])
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.review} in review"] if self.review else []
        if self.usage.calls:
            tokens = f"{self.usage.input_tokens + self.usage.output_tokens:,} tokens"
            parts += [tokens if self.usage.cost_usd is None else cost(self.usage)]
        return ", ".join(parts)


def cost(usage: Usage) -> str:
    """Money for people; unknown is said, never shown as 0."""
    if usage.cost_usd is None:
        return "cost unknown"
    return f"${usage.cost_usd:.4f}" if usage.cost_usd else "$0"


def spending(usage: Usage) -> str:
    """Calls, tokens and cost; calls of which nothing is known are named, with what they would cost like the others."""
    told = f"{counted(usage.calls, 'model call')}, {usage.input_tokens + usage.output_tokens:,} tokens, {cost(usage)}"
    known = usage.calls - usage.unknown_calls
    if not usage.unknown_calls:
        return told
    more = f", about ${usage.cost_usd / known * usage.unknown_calls:.4f} more" if usage.cost_usd and known else ""
    return f"{told} ({usage.unknown_calls:,} of the calls of unknown outcome{more}, were they answered)"


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 shard`, `2 shards`; `nouns` where an s does not do."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def duration(seconds: float) -> str:
    """Seconds for people: 0.4 s, 42 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def printable(text: str) -> str:
    """A hostile file name or reason on one line, with nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class Waiting(logging.Handler):
    """Shows warnings of what is waited for on stderr, one in `_NOTICE_EVERY` seconds: a thousand tasks wait for the
    same store."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._shown = -_NOTICE_EVERY

    def emit(self, record: logging.LogRecord) -> None:
        if record.created - self._shown >= _NOTICE_EVERY:
            self._shown = record.created
            sys.stderr.write(f"{printable(record.getMessage())}\n")


class Display:
    """Where a run reports to: stderr, or nowhere if it is `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(stderr=True)

    def note(self, text: str) -> None:
        """One sentence that the user should know."""
        if not self._quiet:
            self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def urge(self, text: str) -> None:
        """One sentence that is said whatever else is not."""
        sys.stderr.write(f"{printable(text)}\n")

    def found(self, documents: int, source: Source) -> None:
        """How many documents there are, and what was passed over."""
        self.note(f"{counted(documents, 'document')} in {source.url}")
        if source.skipped:
            kinds = ", ".join(f"{suffix} {count}" for suffix, count in source.skipped.most_common(5))
            others = counted(source.skipped.total(), "other file")
            self.note(f"passed over {others} ({kinds}); --include GLOB takes such files too")

    @asynccontextmanager
    async def following(self, look: Callable[[], Snapshot]) -> AsyncGenerator[None]:
        """Shows what `look` sees for as long as the block lasts."""
        if self._quiet:
            yield
            return
        showing = asyncio.create_task(self._bar(look) if self._live else self._lines(look))
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.wait([showing])

    @property
    def _live(self) -> bool:
        return self._console.is_terminal

    async def _lines(self, look: Callable[[], Snapshot]) -> None:
        wait, said = 2.0, ""
        while True:
            await asyncio.sleep(wait)
            if (line := look().line()) != said:
                self.note(line)
            wait, said = _LINE_EVERY, line

    async def _bar(self, look: Callable[[], Snapshot]) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        width = 24 if self._console.width >= 100 else 10
        columns = (BarColumn(bar_width=width), TextColumn("{task.description}", markup=False))
        with Progress(*columns, console=self._console, transient=True, auto_refresh=False) as progress:
            task = progress.add_task("starting", total=None)
            while True:
                now = look()
                progress.update(task, total=now.total or None, completed=now.finished, description=now.line())
                progress.refresh()
                await asyncio.sleep(_FRAME_EVERY)


class LogDisplay(Display):
    """Says all of it in log lines instead."""

    @property
    def _live(self) -> bool:
        return False

    def note(self, text: str) -> None:
        if not self._quiet:
            _log.info("%s", text)

    def urge(self, text: str) -> None:
        _log.warning("%s", text)
