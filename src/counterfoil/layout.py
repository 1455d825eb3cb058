"""Rows, cells and plain text from words with boxes. Pure geometry: it promises a stable order, and reads no meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from .document import Word

Row = list[Word]
_DESCENT = 0.22  # the share of a line's height that lies below the baseline, near enough for common fonts
_MAX_COLUMNS = 300
_WIDE_SPACE = 1.3  # letters
_WIDEST_SPACE = 0.85  # line heights


def baseline(word: Word) -> float:
    """Where the word stands, so that sizes mixed in one line still share a line."""
    return word.y1 - _DESCENT * (word.y1 - word.y0)


def rows_of(words: Iterable[Word]) -> list[Row]:
    """Groups words that stand on one line; rows from top to bottom, words from left to right."""
    rows: list[Row] = []
    floor = height = 0.0
    for word in sorted(words, key=baseline):
        tolerance = 0.4 * min(word.y1 - word.y0, height)
        if rows and baseline(word) - floor <= tolerance:
            rows[-1].append(word)
        else:
            rows.append([word])
            floor, height = baseline(word), word.y1 - word.y0
    for row in rows:
        row.sort(key=lambda word: word.x0)
    return rows


def cells_of(row: Sequence[Word], gap: float = 0.6) -> list[Word]:
    """Joins words of a row that only a space parts; `gap` is the least gap between cells in line heights.

    Where letters are wide, as in typewriter faces, so is a space: then a gap must also be wider than a letter.
    """
    cells: list[Word] = []
    for word in row:
        last = cells[-1] if cells else None
        if last is not None and word.x0 - last.x1 < _least_gap(last, word, gap):
            cells[-1] = join(last, word)
        else:
            cells.append(word)
    return cells


def _least_gap(left: Word, right: Word, gap: float) -> float:
    height = max(left.y1 - left.y0, right.y1 - right.y0)
    letter = (left.x1 - left.x0 + right.x1 - right.x0) / max(1, len(left.text) + len(right.text))
    return max(gap * height, min(_WIDE_SPACE * letter, _WIDEST_SPACE * height))


def join(left: Word, right: Word, glue: str = " ") -> Word:
    """One word that covers both."""
    return Word(
        left.text + glue + right.text,
        min(left.x0, right.x0),
        min(left.y0, right.y0),
        max(left.x1, right.x1),
        max(left.y1, right.y1),
    )


def grid_text(rows: Sequence[Row]) -> str:
    """Lays rows out on a grid of characters, so that columns stay apart and below each other."""
    widths = [(word.x1 - word.x0) / len(word.text) for row in rows for word in row if word.text and word.x1 > word.x0]
    if not widths:
        return "\n".join(" ".join(word.text for word in row) for row in rows)
    advance = max(median(widths), 0.5)
    left = min(word.x0 for row in rows for word in row)
    lines: list[str] = []
    below: float | None = None
    for row in rows:
        top = min(word.y0 for word in row)
        if below is not None and top - below > 0.9 * (row[0].y1 - row[0].y0):
            lines.append("")
        lines.append(_line(row, left, advance))
        below = max(word.y1 for word in row)
    return "\n".join(lines)


def _line(row: Row, left: float, advance: float) -> str:
    line = ""
    for cell in cells_of(row):
        column = min(int((cell.x0 - left) / advance + 0.5), _MAX_COLUMNS)
        line = line.ljust(max(column, len(line) + 2)) if line else " " * column
        line += cell.text
    return line
