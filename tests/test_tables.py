"""Tables as people meet them: fitted to a terminal, whole lines elsewhere."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from counterfoil.tables import Column, fitted, print_table

COLUMNS = (
    Column("document", wraps=12),
    Column("status"),
    Column("seller", wraps=10, goes=2),
    Column("date", goes=1),
    Column("gross", right=True),
    Column("notes", wraps=10),
)
ROW = ("invoices/2024/a.pdf", "done", "Example Paper GmbH", "2024-03-01", "119.00", "vat.invalid, iban.invalid")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, stdout: StringIO, *rows: tuple[str, ...], width: int = 80) -> list[str]:
    monkeypatch.setattr(sys, "stdout", stdout)
    for name, value in {"COLUMNS": str(width), "LINES": "25", "TERM": "dumb", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    print_table(COLUMNS, rows)
    return stdout.getvalue().splitlines()


def test_a_wide_enough_terminal_shows_every_column_and_figures_are_flush_right(monkeypatch: pytest.MonkeyPatch):
    """One line a row, and no blanks at a line's end."""
    heading, *rows = printed(monkeypatch, Terminal(), ROW, (*ROW[:4], "7.00", ""), width=120)
    assert heading.split() == [column.name for column in COLUMNS]
    assert [row.index(figure) + len(figure) for row, figure in zip(rows, ("119.00", "7.00"), strict=True)] == [67, 67]
    assert all(line == line.rstrip() for line in (heading, *rows))


@pytest.mark.parametrize("width", range(50, 130))
def test_no_line_is_wider_than_the_terminal_and_no_text_is_lost(width: int, monkeypatch: pytest.MonkeyPatch):
    """Every character of the columns that are shown is there."""
    heading, *lines = printed(monkeypatch, Terminal(), ROW, width=width)
    assert max(map(len, (heading, *lines))) <= width
    shown = [text for column, text in zip(COLUMNS, ROW, strict=True) if column.name in heading]
    assert sorted("".join(lines).replace(" ", "")) == sorted("".join(shown).replace(" ", ""))


def test_where_it_gets_narrow_the_least_wanted_column_goes_first():
    """Only then do texts wrap more than is readable, and figures never."""
    natural = [19, 6, 18, 10, 6, 25]
    assert list(fitted(COLUMNS, natural, 70)) == [0, 1, 2, 3, 4, 5]
    assert list(fitted(COLUMNS, natural, 60)) == [0, 1, 2, 4, 5]
    assert list(fitted(COLUMNS, natural, 45)) == [0, 1, 4, 5]
    assert fitted(COLUMNS, natural, 30)[4] == 6


def test_without_a_terminal_a_row_is_one_whole_line(monkeypatch: pytest.MonkeyPatch):
    """For grep, whatever COLUMNS says; wide characters count as two."""
    lines = printed(monkeypatch, StringIO(), ROW, ("請求書.pdf", *ROW[1:3], "", "", "x" * 500), width=40)
    assert len(lines) == 3
    assert lines[2].endswith("x" * 500)
    assert lines[2].index("done") == lines[1].index("done") - 3
