"""Pages as lines of cells, and the look-up of a value beside or below its label. Geometry and text, no meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .dates import fold
from .document import Page, Word
from .layout import cells_of, join, rows_of

T = TypeVar("T")
_MAX_CELL = 400
"""Characters; a longer cell is prose, where no label is looked for."""
_MARKS = frozenset("·•●▪|")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page, its words joined to cells. `index` counts over all pages, as in `Sheet.lines`.

    `folded` has the cells' texts as `dates.fold` gives them; empty for a cell of prose.
    """

    index: int
    page: int
    words: tuple[Word, ...]
    cells: tuple[Word, ...]
    folded: tuple[str, ...]
    y0: float
    y1: float

    @property
    def text(self) -> str:
        return "  ".join(cell.text for cell in self.cells)

    @property
    def height(self) -> float:
        return max(self.y1 - self.y0, 1.0)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document's lines, and its whole text."""

    lines: tuple[Line, ...]
    text: str
    width: float
    page_height: float


@dataclass(frozen=True, slots=True)
class Spot:
    """A label that was found: cell number `cell` of `line`, and where in the cell's text it begins and ends."""

    line: Line
    cell: int
    start: int
    end: int

    @property
    def box(self) -> Word:
        return self.line.cells[self.cell]

    @property
    def rest(self) -> str:
        """What follows the label in its own cell."""
        return self.box.text[self.end :].lstrip(" .:#№°-–)")


def sheet_of(pages: Sequence[Page]) -> Sheet:
    """All pages below each other."""
    lines: list[Line] = []
    for page in pages:
        for row in rows_of(page.words):
            cells = tuple(_marked(cells_of(row)))
            heights = sorted(word.y1 - word.y0 for word in row)
            middle = heights[len(heights) // 2]
            bottom = max(word.y1 for word in row)
            folded = tuple(fold(cell.text) if len(cell.text) <= _MAX_CELL else "" for cell in cells)
            lines.append(Line(len(lines), page.number, tuple(row), cells, folded, bottom - middle, bottom))
    width = max((page.width for page in pages), default=0.0)
    height = max((page.height for page in pages), default=0.0)
    return Sheet(tuple(lines), "\n".join(line.text for line in lines), width, height)


def _marked(cells: Sequence[Word]) -> list[Word]:
    """Joins cells that a mark such as a bullet both parts and binds, as in a sender's address in one line."""
    joined: list[Word] = []
    for cell in cells:
        last = joined[-1] if joined else None
        binds = last is not None and (cell.text in _MARKS or last.text[-1:] in _MARKS)
        if last is not None and binds and cell.x0 - last.x1 < 2 * (cell.y1 - cell.y0):
            joined[-1] = join(last, cell)
        else:
            joined.append(cell)
    return joined


def spots(sheet: Sheet, label: re.Pattern[str], *, at_start: bool = False) -> Iterator[Spot]:
    """Where a label stands, in reading order; `at_start`: only at the start of a cell."""
    for line in sheet.lines:
        for number, folded in enumerate(line.folded):
            if at_start:
                match = label.match(folded)
                if match:
                    yield Spot(line, number, match.start(), match.end())
            else:
                for match in label.finditer(folded):
                    yield Spot(line, number, match.start(), match.end())


def is_label(text: str, labels: Sequence[re.Pattern[str]]) -> bool:
    """Whether a cell only names something: it ends in a colon, or is nothing but a known label."""
    if text.rstrip().endswith(":"):
        return True
    bare = fold(text).strip(" .:#*")
    return any(label.fullmatch(bare) for label in labels)


def overlap(a: Word, b: Word) -> float:
    """How far two boxes overlap from left to right, in points; negative is the gap between them."""
    return min(a.x1, b.x1) - max(a.x0, b.x0)


def below(sheet: Sheet, box: Word, line: Line, reach: float = 4.0) -> Iterator[tuple[Line, Word]]:
    """Cells under a box, from the top down, at most `reach` line heights below it, one a line."""
    for lower in sheet.lines[line.index + 1 :]:
        if lower.page != line.page or lower.y0 - line.y1 > reach * line.height:
            return
        under = [cell for cell in lower.cells if overlap(cell, box) > 0]
        if under:
            yield lower, min(under, key=lambda cell: abs(cell.x0 - box.x0))


def near(sheet: Sheet, spot: Spot, labels: Sequence[re.Pattern[str]]) -> Iterator[str]:
    """Texts that may be the value of a label, the likeliest first: after it, right of it, below it."""
    rest = spot.rest
    if rest:
        yield rest
    cells = spot.line.cells
    right = next((cell for cell in cells[spot.cell + 1 :] if cell.text.strip(" .:-")), None)
    if right is not None and not is_label(right.text, labels) and right.x0 - spot.box.x1 < 0.6 * sheet.width:
        yield right.text
    if right is None:
        yield from _below_right(sheet, spot, labels)
    for lower, cell in below(sheet, spot.box, spot.line):
        if is_label(cell.text, labels):
            break
        yield cell.text
        if lower.index > spot.line.index + 2:
            break


def _below_right(sheet: Sheet, spot: Spot, labels: Sequence[re.Pattern[str]]) -> Iterator[str]:
    """The cell on the next line that begins right of the label, where forms put values half a line lower."""
    for lower in sheet.lines[spot.line.index + 1 : spot.line.index + 2]:
        if lower.page != spot.line.page or lower.y0 - spot.line.y1 > spot.line.height:
            return
        if any(overlap(cell, spot.box) > 0 for cell in lower.cells):
            return
        right = [cell for cell in lower.cells if spot.box.x1 <= cell.x0 < spot.box.x1 + 0.3 * sheet.width]
        if len(right) == 1 and not is_label(right[0].text, labels):
            yield right[0].text


def read_field(
    sheet: Sheet,
    label: re.Pattern[str],
    labels: Sequence[re.Pattern[str]],
    accept: Callable[[str], T | None],
    *,
    at_start: bool = False,
) -> T | None:
    """The first value near the label, in reading order, that `accept` takes."""
    for spot in spots(sheet, label, at_start=at_start):
        for text in near(sheet, spot, labels):
            value = accept(text)
            if value is not None:
                return value
    return None
