"""Where on the pages a value is printed: pages packed small in the worker process, and looked up once it is known what
to look for, perhaps minutes later and in another process.

It is lenient as `checks_notation` is: it would rather find a value that is not meant than miss one that is there.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import orjson

from .dates import FoundDate, find_dates, parse_date
from .document import Page

_MOST_WORDS = 12_000
"""Of one document; what stands on the pages after is not located."""
_MOST_DIGITS = 18
_NUMBER = re.compile(r"\d+(?:[.,'’]\d+|[ \u00a0\u202f]\d{3}(?!\d))*")
_GAP = 0.6
"""Line heights between two words that are in two cells."""


@dataclass(frozen=True, slots=True)
class Place:
    """A box on a page, in points from the top left corner: x0, y0, x1, y1. `line` is the text that it stands in."""

    page: int
    box: tuple[float, float, float, float]
    line: str


def pack(pages: Sequence[Page]) -> bytes:
    """The words of the pages with their boxes: about 3 KB a page."""
    left, packed = _MOST_WORDS, list[Any]()
    for page in pages:
        words = page.words[: max(left, 0)]
        left -= len(words)
        boxes = [round(10 * edge) for word in words for edge in (word.x0, word.y0, word.x1, word.y1)]
        packed.append([page.number, [word.text for word in words], boxes])
    return zlib.compress(orjson.dumps(packed), 1)


class Places:
    """The packed pages of one document, opened."""

    def __init__(self, packed: bytes) -> None:
        self._pages = [_Text(*page) for page in orjson.loads(zlib.decompress(packed))] if packed else []

    def amount(self, value: Decimal) -> Iterator[Place]:
        """Every place where an amount is printed, whatever its sign, separators and final zeros."""
        for page in self._pages:
            yield from (page.place(*span) for span in page.numbers.get(abs(value), ()))

    def day(self, value: date) -> Iterator[Place]:
        """Every place where a date is printed that can be this one."""
        for page in self._pages:
            for found in page.dates:
                if value in (found.value, *_either_way(page.text[found.start : found.end])):
                    yield page.place(found.start, found.end)

    def text(self, value: str) -> Iterator[Place]:
        """Every place where a name or a number is printed, punctuation, spaces and case aside."""
        wanted = _squeezed(value)
        for page in self._pages if wanted else ():
            squeezed, at = page.squeezed
            start = squeezed.find(wanted)
            while start >= 0:
                yield page.place(at[start], at[start + len(wanted) - 1] + 1)
                start = squeezed.find(wanted, start + 1)


class _Text:
    """One page: its words joined, and where in the text each begins."""

    def __init__(self, number: int, words: list[str], boxes: list[int]) -> None:
        self.number = number
        self._boxes = [tuple(edge / 10 for edge in boxes[n : n + 4]) for n in range(0, len(boxes), 4)]
        self._starts: list[int] = []
        parts: list[str] = []
        length = 0
        for n, word in enumerate(words):
            glue = self._glue(n) if n else ""
            self._starts.append(length + len(glue))
            parts += (glue, word)
            length += len(glue) + len(word)
        self.text = "".join(parts)

    def _glue(self, n: int) -> str:
        left, right = self._boxes[n - 1], self._boxes[n]
        height = min(left[3] - left[1], right[3] - right[1])
        if right[0] < left[0] or abs(left[3] - right[3]) > height / 2:
            return "\n"
        return "   " if right[0] - left[2] > _GAP * height else " "

    def place(self, start: int, end: int) -> Place:
        """The box of the words that a part of the text is in; of those on its first line, where it runs on."""
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, end - 1) - 1
        line_end = self.text.find("\n", start)
        inside = [n for n in range(first, last + 1) if line_end < 0 or self._starts[n] < line_end]
        boxes = [self._boxes[n] for n in inside or [first]]
        edges = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
        line_start = self.text.rfind("\n", 0, start) + 1
        return Place(self.number, edges, self.text[line_start : line_end if line_end >= 0 else None])

    @cached_property
    def numbers(self) -> dict[Decimal, list[tuple[int, int]]]:
        """Where each number stands; one like 1.000 as a thousand, and as one."""
        found: dict[Decimal, list[tuple[int, int]]] = {}
        for match in _NUMBER.finditer(self.text):
            for value in _values(match.group()):
                found.setdefault(value, []).append(match.span())
        return found

    @cached_property
    def dates(self) -> list[FoundDate]:
        return list(find_dates(self.text))

    @cached_property
    def squeezed(self) -> tuple[str, list[int]]:
        """The letters and figures only, in lower case, and where in the text each was."""
        kept = [(char.casefold()[0], at) for at, char in enumerate(self.text) if char.isalnum()]
        return "".join(char for char, _ in kept), [at for _, at in kept]


def _values(printed: str) -> Iterator[Decimal]:
    digits = re.sub(r"\D", "", printed)
    tail = re.search(r"[.,](\d{1,3})$", printed)
    if len(digits) > _MOST_DIGITS:
        return
    if tail:
        yield Decimal(f"{digits[: -len(tail[1])] or '0'}.{tail[1]}")
    if tail is None or len(tail[1]) == 3:
        yield Decimal(digits)


def _either_way(printed: str) -> Iterator[date]:
    """A date of which day and month are in doubt, both ways: whoever asks knows which it is."""
    for month_first in (False, True):
        found = parse_date(printed, month_first=month_first)
        if found:
            yield found


def _squeezed(value: str) -> str:
    return "".join(char.casefold()[0] for char in value if char.isalnum())
