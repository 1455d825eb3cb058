"""Excel: the sheets Invoices (one row a document) and Lines (one row a line item), with headers that stay and filter.

Amounts are numbers, dates are dates, and text is text whatever it begins with. An amount with more figures than Excel
keeps (15) is text, so that none is lost. Imported by `export` only when it is needed, since it needs openpyxl.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO, cast

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from .errors import SetupError
from .export_row import FACTS, FLAT_FIELDS, LINE_FIELDS, Row, findings_told, printable, values

_INVOICES = (*FACTS, *FLAT_FIELDS, "line_count", "findings")
_LINES = ("file", "invoice_number", "currency", "line", *LINE_FIELDS)
_MAX_ROWS = 1_048_576
_MAX_TEXT = 32_767
_MAX_TITLE = 31
_FIGURES = 15
_FIRST_DAY = date(1900, 3, 1)  # before it, Excel counts a day that never was
_WIDTHS = {"file": 32, "reason": 32, "seller_name": 28, "buyer_name": 28, "description": 40, "findings": 60}


def write(rows: Iterable[Row], out: BinaryIO) -> int:
    """Writes the workbook; returns the number of documents. Raises `SetupError` if Excel can't hold as many rows."""
    book = open_book()
    invoices, lines = Sheet(book, "Invoices", _INVOICES), Sheet(book, "Lines", _LINES)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - it is the number of rows
        fields = values(row)
        told = findings_told(row)
        flat = [fields[field] for field in FLAT_FIELDS]
        items = cast("list[dict[str, Any]]", fields["line_items"])
        invoices.add([*row.cells.values(), *flat, None if row.invoice is None else len(items), told or None])
        for number, item in enumerate(items, 1):
            lines.add(
                [
                    row.facts["file"],
                    fields["invoice_number"],
                    fields["currency"],
                    number,
                    *(item[f] for f in LINE_FIELDS),
                ]
            )
    invoices.finish()
    lines.finish()
    book.save(out)
    return count


def open_book() -> Any:
    """A workbook that is written row by row."""
    return openpyxl.Workbook(write_only=True)


class Sheet:
    """One sheet that is written row by row."""

    def __init__(self, book: Any, title: str, header: Sequence[str]) -> None:
        self._sheet = book.create_sheet(re.sub(r"[\\*?:/\[\]]", "_", title)[:_MAX_TITLE])
        self._columns, self._rows = len(header), 0
        self._sheet.freeze_panes = "B2"
        for index, name in enumerate(header, 1):
            self._sheet.column_dimensions[get_column_letter(index)].width = _WIDTHS.get(name, 16)
        cells = [self._cell(name) for name in header]
        for cell in cells:
            cell.font = Font(bold=True)
        self._append(cells)

    def add(self, row: Sequence[object]) -> None:
        self._append([None if value is None else self._cell(value) for value in row])

    def finish(self) -> None:
        self._sheet.auto_filter.ref = f"A1:{get_column_letter(self._columns)}{self._rows}"

    def _append(self, cells: list[Any]) -> None:
        if self._rows == _MAX_ROWS:
            raise SetupError(f"more than {_MAX_ROWS - 1} rows: Excel can't hold them, use --format parquet")
        self._rows += 1
        self._sheet.append(cells)

    def _cell(self, value: object) -> Any:
        if isinstance(value, int) and abs(value) < 10**_FIGURES:
            return self._typed(value, "0")
        if isinstance(value, date) and value >= _FIRST_DAY:
            return self._typed(value, "yyyy-mm-dd")
        if (
            isinstance(value, Decimal)
            and len(value.as_tuple().digits) <= _FIGURES
            and abs(value.adjusted()) <= _FIGURES
        ):
            return self._typed(value, "#,##0.00########")
        text = format(value, "f") if isinstance(value, Decimal) else str(value)
        cell: Any = WriteOnlyCell(self._sheet, printable(text)[:_MAX_TEXT])
        cell.data_type = "s"  # else a text that begins with = becomes a formula, and "#N/A" an error
        return cell

    def _typed(self, value: Any, number_format: str) -> Any:
        cell: Any = WriteOnlyCell(self._sheet, value)
        cell.number_format = number_format
        return cell
