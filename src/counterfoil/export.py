"""All documents in one file: JSON lines, CSV, Parquet or Excel.

Rows are written as they come, so that a million of them need no more memory than a thousand (Excel keeps its own
temporary files). Amounts are exact: decimal text in JSON and CSV, decimals in Parquet, numbers in Excel, or text where
a number can't hold all their figures. No text out of a document can act as a formula in a spreadsheet.

CSV has one line for each invoice, with its flat fields, the number of its line items and its findings; the line items
themselves are in the other formats. It is UTF-8 with a byte order mark (else Excel garbles umlauts) and commas.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import BinaryIO, cast

import orjson

from .errors import SetupError
from .export_row import FACTS, FLAT_FIELDS, Row, findings, findings_told, printable, sound, values

__all__ = ["CSV_FIELDS", "FORMATS", "Row", "record", "write_csv", "write_jsonl", "write_parquet", "write_xlsx"]

CSV_FIELDS = (*FACTS, *FLAT_FIELDS, "line_count", "findings")
# What a spreadsheet takes for the beginning of a formula, also in the full width of East Asian text.
_FORMULA = tuple("=+-@＝＋－＠")


def record(row: Row) -> dict[str, object]:
    """The JSON object of a document: `FACTS`, every field of `Invoice`, and the findings.

    `corrected` are the paths of the fields that a person corrected. Amounts are decimal text and dates ISO text;
    without an invoice its fields are null and its lists empty.
    """
    invoice = values(row) if row.invoice is None else sound(row.invoice.model_dump(mode="json"))
    return {**row.facts, **cast("dict[str, object]", invoice), "findings": findings(row)}


def write_jsonl(rows: Iterable[Row], out: BinaryIO) -> int:
    """One JSON object a line (`record`); returns how many."""
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - it is the number of rows
        out.write(orjson.dumps(record(row), option=orjson.OPT_APPEND_NEWLINE))
    return count


def write_csv(rows: Iterable[Row], out: BinaryIO) -> int:
    """One line a document under a header (`CSV_FIELDS`); returns how many, without the header.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; amounts and dates stay as they are.
    """
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
    try:
        writer = csv.writer(text)
        writer.writerow(CSV_FIELDS)
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007 - as above
            writer.writerow(_csv_cells(row))
        return count
    finally:
        text.flush()
        text.detach()  # `out` is the caller's, and would be closed with the wrapper


def _csv_cells(row: Row) -> list[str]:
    fields = values(row)
    told = findings_told(row)
    facts = row.cells | {field: fields[field] for field in FLAT_FIELDS}
    line_count = "" if row.invoice is None else str(len(fields["line_items"]))
    return [*(csv_cell(value) for value in facts.values()), line_count, csv_cell(told)]


def csv_cell(value: object) -> str:
    """A value as a cell: nothing for None, and nothing that a spreadsheet would take for a formula."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = printable(value)
    return f"'{text}" if text.startswith(("\t", "\n")) or text.lstrip().startswith(_FORMULA) else text


def write_parquet(rows: Iterable[Row], out: BinaryIO) -> int:
    """Typed columns, lists of structs for what repeats; returns the number of rows. Needs pyarrow (`SetupError`)."""
    try:
        from .export_parquet import write
    except ImportError as exc:
        raise missing("Parquet", "pyarrow", "parquet") from exc
    return write(rows, out)


def write_xlsx(rows: Iterable[Row], out: BinaryIO) -> int:
    """A workbook with the sheets Invoices and Lines; returns the number of rows. Needs openpyxl (`SetupError`)."""
    try:
        from .export_xlsx import write
    except ImportError as exc:
        raise missing("Excel", "openpyxl", "excel") from exc
    return write(rows, out)


def missing(what: str, package: str, extra: str) -> SetupError:
    """What is said where a format needs a package that is not there."""
    return SetupError(f"the {what} export needs the package {package}: pip install 'counterfoil[{extra}]'")


FORMATS: Mapping[str, Callable[[Iterable[Row], BinaryIO], int]] = MappingProxyType(
    {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet, "xlsx": write_xlsx}
)
