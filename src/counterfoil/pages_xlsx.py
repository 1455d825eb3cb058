"""Excel workbooks (.xlsx) to pages of words: one page a sheet, its cells in their columns, as values.

Runs inside a killable worker process. The archive is held against the limits of archives first. Formulas are not
computed (the value that was saved counts), links not followed, macros not opened, hidden sheets left out. What a sheet
says of its own size is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any

from .containers_zip import open_zip
from .document import Limits, Page
from .errors import InputError
from .pages_flow import Flow

_EMPTY_FOR_EACH = 50
"""Empty cells that a sheet may have for each one of the limit."""
_MAX_XML = 4
"""Sheets are wordy: their XML may have so many times the limit of other XML."""
_LARGEST = 10**15
"""A number above has more figures than a cell keeps."""
_CURRENCY = re.compile(r"\[\$([^\-\]]+)(?:-[^\]]*)?\]|\"([^\"\d]{1,4})\"|([€$£¥])")
_DECIMALS = re.compile(r"0\.(0+)")


def read_xlsx(data: bytes, limits: Limits) -> tuple[Page, ...]:
    """The sheets that can be seen. Raises `InputError`, also where openpyxl is not installed."""
    for entry in open_zip(data, limits, "Excel file").infolist():
        if entry.file_size > _MAX_XML * limits.max_xml_bytes and entry.filename.endswith((".xml", ".rels")):
            raise InputError(
                f"the XML in the Excel file has {entry.file_size:,} bytes, more than the limit of "
                f"{_MAX_XML * limits.max_xml_bytes:,}"
            )
    try:
        import openpyxl
    except ImportError as exc:
        raise InputError("an Excel file needs the package openpyxl: pip install 'counterfoil[excel]'") from exc
    try:
        book: Any = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        return tuple(_page(number, sheet, limits) for number, sheet in enumerate(sheets, 1))
    except (InputError, MemoryError):
        raise
    except Exception as exc:  # openpyxl lets through whatever a damaged file makes of its code
        raise InputError(f"the Excel file is damaged: {' '.join(str(exc).split())[:200]}") from exc


def _page(number: int, sheet: Any, limits: Limits) -> Page:
    flow = Flow(limits, "Excel file")
    flow.open_table()
    sheet.reset_dimensions()
    looked_at = 0
    for row in sheet.iter_rows():
        looked_at += max(1, len(row))
        if looked_at > _EMPTY_FOR_EACH * limits.max_cells:
            raise InputError(
                f"the Excel file has more cells than the limit of {limits.max_cells:,}, most of them empty"
            )
        texts = [shown(cell.value, str(cell.number_format)) if cell.value is not None else "" for cell in row]
        if any(texts):
            flow.open_row()
            _fill(flow, texts)
    flow.close_table()
    return flow.page(number)


def _fill(flow: Flow, texts: Sequence[str]) -> None:
    """One row. A text runs on over the empty cells right of it, as it does on the screen."""
    at = 0
    while at < len(texts):
        end = at + 1
        while end < len(texts) and not texts[end]:
            end += 1
        if texts[at] or end < len(texts):
            flow.open_cell(end - at)
            for line in texts[at].splitlines():
                flow.end_line()
                flow.text(line)
        at = end


def shown(value: object, form: str) -> str:
    """A cell's value as text: dates as ISO, numbers with the decimals and the currency of their format."""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return _number(value, form)


def _number(value: int | float, form: str) -> str:
    number = Decimal(repr(value))
    percent = "%" in form
    decimals = _DECIMALS.search(form)
    places = len(decimals[1]) if decimals else 0 if form.startswith(("0", "#")) and isinstance(value, int) else None
    if not number.is_finite() or abs(number) >= _LARGEST:
        return str(value)
    number = number * 100 if percent else number
    text = f"{number:.{places}f}" if places is not None else format(round(number, 6).normalize(), "f")
    found = _CURRENCY.search(form)
    unit = "%" if percent else next((group.strip() for group in found.groups() if group), "") if found else ""
    return f"{text} {unit}".rstrip() if unit != "%" else f"{text}%"
