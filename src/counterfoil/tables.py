"""Tables for people, fitted to the width there is: a column is left out before the others become unreadable.

Where stdout is no terminal every row is one whole line, for `grep` and `less`. It prints, and knows nothing of records.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_GAP = "  "
_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Column:
    """`goes`: the lower, the sooner it is left out. `wraps`: its text may go on below, and it is not made narrower than
    this while another column can be left out. `styles`: by text."""

    name: str
    right: bool = False
    wraps: int = 0
    goes: int | None = None
    styles: Mapping[str, str] = field(default_factory=dict[str, str])


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """A heading and the rows, on stdout; the texts hold nothing that a terminal would obey."""
    console = Console()
    table = [[column.name for column in columns], *rows]
    natural = [max(cell_len(row[n]) for row in table) for n in range(len(columns))]
    widths = fitted(columns, natural, console.width if console.is_terminal else None)
    for number, row in enumerate(table):
        for line in _lines(columns, row, widths, console):
            if console.is_terminal:
                text = Text.assemble(*line)
                text.rstrip()
                console.print(text, style="" if number else "bold", soft_wrap=True, highlight=False)
            else:
                sys.stdout.write("".join(part for part, _ in line).rstrip() + "\n")


def fitted(columns: Sequence[Column], natural: Sequence[int], width: int | None) -> dict[int, int]:
    """The width of each column that is shown, by its number, given the widths they would like; None: no limit."""
    widths = dict(enumerate(natural))
    if width is None:
        return widths
    leaving = sorted((column.goes, number) for number, column in enumerate(columns) if column.goes is not None)
    while leaving and _total(_least(columns, widths)) > width:
        del widths[leaving.pop(0)[1]]
    while _total(widths) > width:
        widest = max((number for number in widths if columns[number].wraps), key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _least(columns: Sequence[Column], widths: Mapping[int, int]) -> Mapping[int, int]:
    return {n: min(width, columns[n].wraps or width) for n, width in widths.items()}


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _lines(
    columns: Sequence[Column], row: Sequence[str], widths: Mapping[int, int], console: Console
) -> Iterator[list[tuple[str, str]]]:
    """The lines that one row takes, as texts with their styles."""
    wrapped = [_wrapped(row[number], width, console) for number, width in widths.items()]
    for parts in zip_longest(*wrapped, fillvalue=""):
        line: list[tuple[str, str]] = []
        for text, (number, width) in zip(parts, widths.items(), strict=True):
            cell, room = (text, columns[number].styles.get(text, "")), (" " * (width - cell_len(text)), "")
            line += [room, cell, (_GAP, "")] if columns[number].right else [cell, room, (_GAP, "")]
        yield line


def _wrapped(text: str, width: int, console: Console) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    return [line.plain.rstrip() for line in Text(text).wrap(console, width)]
