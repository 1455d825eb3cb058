"""Exports of documents that were read by a schema of the user's own: the formats of `export`, with its columns.

The columns come from the manifest's header (see `schema_columns`): scalars with objects flattened by dots; a list of
objects is its number in CSV, a sheet of its own in Excel, and JSON text in Parquet. A value that is not of its column's
kind, as in a document in review, is told as it is, or in Parquet named in the findings.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, BinaryIO, cast

import orjson

from .export import csv_cell, missing
from .export_row import FACTS, Row, findings, findings_told, sound
from .schema_columns import value_at

Columns = Mapping[str, Any]
Writer = Callable[[Iterable[Row], BinaryIO], int]


def data_writer(form: str, columns: Columns) -> Writer:
    """The writer of a format (jsonl, csv, parquet, xlsx) for documents with these columns."""
    writers = {"jsonl": _write_jsonl, "csv": _write_csv, "parquet": _write_parquet, "xlsx": _write_xlsx}
    return partial(writers[form], columns)


def _typed(data: Mapping[str, Any], path: str, kind: object) -> Any:
    """What stands at a dotted path, as a Python value of its kind (`Decimal`, `date`); as it is where it is not of that
    kind, None where there is nothing."""
    found = value_at(data, path)
    try:
        if isinstance(found, str) and kind == "decimal":
            return Decimal(found)
        return date.fromisoformat(found) if isinstance(found, str) and kind == "date" else found
    except (InvalidOperation, ValueError):
        return found


def _values(row: Row, columns: Columns) -> dict[str, Any]:
    """The cells of a row by column; lists of objects as they are."""
    data = cast("Mapping[str, Any]", sound(row.data or {}))
    return {path: _typed(data, path, kind) for path, kind in columns.items()}


def _is_list(kind: object) -> bool:
    return isinstance(kind, Mapping)


def _flat(value: Any, kind: object) -> Any:
    """A value as one cell: a list of objects as its number, what else is no scalar as JSON text."""
    if _is_list(kind):
        return len(cast("list[Any]", value)) if isinstance(value, list) else None
    return orjson.dumps(value).decode() if isinstance(value, (list, dict)) else value


def _name(path: str) -> str:
    """What a column is called: a field may be called like one of ours."""
    return f"data.{path}" if path in (*FACTS, "findings") else path


def _names(columns: Columns) -> list[str]:
    return [f"{path}_count" if _is_list(kind) else _name(path) for path, kind in columns.items()]


def _write_jsonl(_: Columns, rows: Iterable[Row], out: BinaryIO) -> int:
    """One object a line: `FACTS`, `data` by the schema (null if there is none), findings."""
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - it is the number of rows
        told = {**row.facts, "data": sound(row.data), "findings": findings(row)}
        out.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
    return count


def _write_csv(columns: Columns, rows: Iterable[Row], out: BinaryIO) -> int:
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
    try:
        writer = csv.writer(text)
        writer.writerow([*FACTS, *(csv_cell(name) for name in _names(columns)), "findings"])
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007 - as above
            cells = [_flat(value, columns[path]) for path, value in _values(row, columns).items()]
            writer.writerow([csv_cell(cell) for cell in (*row.cells.values(), *cells, findings_told(row))])
        return count
    finally:
        text.flush()
        text.detach()  # `out` is the caller's, and would be closed with the wrapper


def _write_parquet(columns: Columns, rows: Iterable[Row], out: BinaryIO) -> int:
    try:
        from .export_parquet import write_columns
    except ImportError as exc:
        raise missing("Parquet", "pyarrow", "parquet") from exc
    kinds = {_name(path): "json" if _is_list(kind) else str(kind) for path, kind in columns.items()}

    def named(row: Row) -> dict[str, Any]:
        return {_name(path): value for path, value in _values(row, columns).items()}

    return write_columns(kinds, ((row, named(row)) for row in rows), out)


def _write_xlsx(columns: Columns, rows: Iterable[Row], out: BinaryIO) -> int:
    try:
        from .export_xlsx import Sheet, open_book
    except ImportError as exc:
        raise missing("Excel", "openpyxl", "excel") from exc
    book = open_book()
    documents = Sheet(book, "Documents", [*FACTS, *_names(columns), "findings"])
    lists = {path: kinds for path, kinds in columns.items() if _is_list(kinds)}
    sheets = {path: Sheet(book, path, ["file", "line", *kinds]) for path, kinds in lists.items()}
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - as above
        values = _values(row, columns)
        cells = [_flat(value, columns[path]) for path, value in values.items()]
        documents.add([*row.cells.values(), *cells, findings_told(row) or None])
        for path, sheet in sheets.items():
            _add_items(sheet, row, values[path], lists[path])
    for sheet in (documents, *sheets.values()):
        sheet.finish()
    book.save(out)
    return count


def _add_items(sheet: Any, row: Row, items: Any, kinds: Columns) -> None:
    objects = cast("list[Any]", items) if isinstance(items, list) else []
    for number, item in enumerate(objects, 1):
        if isinstance(item, Mapping):
            known = cast("Mapping[str, Any]", item)
            cells = [_flat(_typed(known, path, kind), kind) for path, kind in kinds.items()]
            sheet.add([row.facts["file"], number, *cells])
