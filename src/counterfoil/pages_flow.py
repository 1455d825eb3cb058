"""Text, lines and tables laid out on a virtual page, for documents that have no page of their own (HTML, Word, Excel).

A grid of characters: every letter is as wide as any other, a table's columns stand below each other, and a cell's lines
below each other within it. So the same geometry that reads a PDF reads these. Pure; bounded by the limits of text and
cells, past which it raises `InputError` and never cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .document import Limits, Page, Word
from .errors import InputError
from .layout import grid_text, rows_of

_ADVANCE, _HEIGHT, _PITCH = 5.0, 10.0, 12.0
"""Points: of a letter, of a line, and from one line to the next."""
_GAP = 3
"""Letters between two columns."""
_TAB = 8
_WIDEST = 80
"""Letters in a line, after which it is continued on the next."""
_WIDEST_SPAN = 1_000
_DEEPEST = 30
"""Tables within each other; mails that are laid out with them have ten."""
_A4 = (595.0, 842.0)

_Line = list[tuple[int, str]]
"""Words, each with the column of letters in which it begins."""


@dataclass(slots=True)
class _Cell:
    blocks: list[_Line | _Table] = field(default_factory=list["_Line | _Table"])
    span: int = 1
    rows: int = 1


@dataclass(slots=True)
class _Table:
    rows: list[list[_Cell]] = field(default_factory=list[list[_Cell]])


class Flow:
    """A page being filled, by the events of whoever reads a file. What is still open at the end is closed."""

    def __init__(self, limits: Limits, what: str) -> None:
        self._limits, self._what = limits, what
        self._root = _Cell()
        self._cells = [self._root]
        self._tables: list[_Table] = []
        self._pieces: list[str] = []
        self._letters = self._count = 0

    def text(self, text: str) -> None:
        """Adds to the line; white space is one space, a tab goes to the next stop."""
        self._letters += len(text)
        if self._letters > self._limits.max_text:
            raise InputError(f"the {self._what} has more text than the limit of {self._limits.max_text:,} characters")
        self._pieces.append(text)

    def end_line(self, *, spaced: bool = False) -> None:
        """Ends the line, if anything is on it. `spaced`: every space on it counts."""
        if self._pieces:
            line = _spaced("".join(self._pieces)) if spaced else _words("".join(self._pieces))
            self._pieces.clear()
            if line:
                self._cells[-1].blocks.extend(_wrapped(line))

    def open_table(self) -> None:
        self.end_line()
        if len(self._tables) >= _DEEPEST:
            raise InputError(f"the {self._what} has tables nested deeper than the {_DEEPEST} levels allowed")
        table = _Table()
        self._cells[-1].blocks.append(table)
        self._tables.append(table)
        self._cells.append(self._cells[-1])  # what stands between the cells of a table goes before it

    def open_row(self) -> None:
        self._leave_cell()
        if self._tables:
            self._tables[-1].rows.append([])

    def open_cell(self, span: int = 1, rows: int = 1) -> None:
        """A cell of the row; `span` columns wide and `rows` high."""
        self._leave_cell()
        if not self._tables:
            return
        self._count += 1
        if self._count > self._limits.max_cells:
            raise InputError(f"the {self._what} has more cells than the limit of {self._limits.max_cells:,}")
        if not self._tables[-1].rows:
            self._tables[-1].rows.append([])
        cell = _Cell()
        self._tables[-1].rows[-1].append(cell)
        self._cells[-1] = cell
        self.set_span(span, rows)

    def set_span(self, span: int, rows: int = 1) -> None:
        """Of the cell that is open."""
        cell = self._cells[-1]
        cell.span, cell.rows = max(1, min(span, _WIDEST_SPAN)), max(1, min(rows, _WIDEST_SPAN))

    def _leave_cell(self) -> None:
        self.end_line()
        if self._tables:
            self._cells[-1] = self._cells[-2]

    def close_cell(self) -> None:
        self._leave_cell()

    def close_table(self) -> None:
        self.end_line()
        if self._tables:
            self._tables.pop()
            self._cells.pop()

    def page(self, number: int) -> Page:
        """What was filled, as one page, as long and as wide as it takes."""
        while self._tables:
            self.close_table()
        self.end_line()
        words: list[Word] = []
        _place(self._root.blocks, 0, 0.0, words)
        rows = rows_of(words)
        width = max((word.x1 for word in words), default=0.0)
        height = max((word.y1 for word in words), default=0.0)
        in_rows = tuple(word for row in rows for word in row)
        return Page(number, max(width, _A4[0]), max(height, _A4[1]), grid_text(rows), in_rows)


def _words(text: str) -> _Line:
    line: _Line = []
    column = 0
    for number, stretch in enumerate(text.split("\t")):
        if number:
            column = (column // _TAB + 1) * _TAB + (_TAB if column % _TAB > _TAB - _GAP else 0)
        for word in stretch.split():
            line.append((column, word))
            column += len(word) + 1
    return line


def _spaced(text: str) -> _Line:
    """Words where they stand, as in a typescript."""
    line: _Line = []
    column = 0
    for stretch in text.expandtabs(_TAB).rstrip().split(" "):
        if stretch:
            line.append((column, stretch))
        column += len(stretch) + 1
    return line


def _wrapped(line: _Line) -> Iterator[_Line]:
    """The line in pieces that fit. One with gaps is a row, and stays whole."""
    if _width(line) <= _WIDEST or any(at > end + 1 for (at, _), end in zip(line[1:], _ends(line), strict=False)):
        yield line
        return
    piece: _Line = []
    start = 0
    for column, word in line:
        if piece and column + len(word) - start > _WIDEST:
            yield piece
            piece, start = [], column
        piece.append((column - start, word))
    yield piece


def _ends(line: _Line) -> list[int]:
    return [column + len(word) for column, word in line]


def _width(line: _Line) -> int:
    return line[-1][0] + len(line[-1][1])


def _widest(blocks: Sequence[_Line | _Table]) -> int:
    return max((sum(_columns(b)) if isinstance(b, _Table) else _width(b) for b in blocks), default=0)


def _in_columns(table: _Table) -> Iterator[list[tuple[int, _Cell]]]:
    """Each row's cells with the number of the column in which they begin: a high one pushes those below aside."""
    busy: dict[int, int] = {}
    for row in table.rows:
        column, placed = 0, list[tuple[int, _Cell]]()
        starting: dict[int, int] = {}
        for cell in row:
            while busy.get(column, 0):
                column += 1
            placed.append((column, cell))
            if cell.rows > 1:
                starting |= dict.fromkeys(range(column, column + cell.span), cell.rows)
            column += cell.span
        busy = {at: left - 1 for at, left in (busy | starting).items() if left > 1}
        yield placed


def _columns(table: _Table) -> list[int]:
    """The width of each column in letters, the gap after it included."""
    widths: dict[int, int] = {}
    wide: list[tuple[int, _Cell, int]] = []
    for row in _in_columns(table):
        for at, cell in row:
            need = _widest(cell.blocks) + _GAP
            if cell.span == 1:
                widths[at] = max(widths.get(at, 0), need)
            else:
                wide.append((at, cell, need))
    for at, cell, need in wide:
        last = at + cell.span - 1
        lacking = need - sum(widths.get(column, 0) for column in range(at, last + 1))
        if lacking > 0:
            widths[last] = widths.get(last, 0) + lacking
    return [widths.get(column, 0) for column in range(max(widths, default=-1) + 1)]


def _place(blocks: Sequence[_Line | _Table], x: int, y: float, words: list[Word]) -> float:
    """Puts blocks below each other; returns where the next one begins."""
    for block in blocks:
        if isinstance(block, _Table):
            y = _place_table(block, x, y, words)
            continue
        for column, word in block:
            left = (x + column) * _ADVANCE
            words.append(Word(word, left, y, left + len(word) * _ADVANCE, y + _HEIGHT))
        y += _PITCH
    return y


def _place_table(table: _Table, x: int, y: float, words: list[Word]) -> float:
    starts = [x]
    for width in _columns(table):
        starts.append(starts[-1] + width)
    for row in _in_columns(table):
        below = [_place(cell.blocks, starts[min(at, len(starts) - 1)], y, words) for at, cell in row]
        y = max(below, default=y)
    return y + _PITCH / 2
