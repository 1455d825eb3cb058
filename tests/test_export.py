"""Exports: every value as it was read, in every format, and nothing that a document says acts as a formula."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.document import Finding
from counterfoil.errors import SetupError
from counterfoil.export import CSV_FIELDS, FORMATS, Row, record, write_csv, write_jsonl, write_parquet, write_xlsx
from counterfoil.export_row import FACTS
from counterfoil.invoice import Invoice, LineItem, TaxLine

HOSTILE = [
    "two\nlines.pdf",
    "bad\udc80bytes.pdf",
    "bell\x07 and nul\x00.pdf",
    "<script>alert(1)</script>.pdf",
    "=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "-2+3",
    "+49 30 1234",
    "\t=1+1",
    " \n=1+1",
    "＝1+1",
    'comma, "quote" and ;',
    "\ufeffbom \uffff none",
    "#REF!",
]


def invoice(**changes: Any) -> Invoice:
    fields: dict[str, Any] = {
        "invoice_number": "RE-1",
        "issue_date": date(2026, 3, 3),
        "currency": "EUR",
        "seller_name": "Käse & Söhne",
        "net_total": "100.10",
        "tax_total": "19.02",
        "gross_total": "119.12",
        "line_items": [
            LineItem(
                description="Gouda",
                quantity=Decimal("0.333"),
                unit_price=Decimal("300.60"),
                net_amount=Decimal("100.10"),
            )
        ],
        "tax_lines": [TaxLine(category="S", rate=Decimal(19), base=Decimal("100.10"), amount=Decimal("19.02"))],
    }
    return Invoice(**(fields | changes))


def row(file: str = "a.pdf", **changes: Any) -> Row:
    return Row(
        file, "done", "xml", invoice(**changes), (Finding("vat.invalid", "warning", "odd", "seller_tax_id"),), None
    )


FAILED = Row("b.pdf", "failed", None, None, (), "no text layer, needs OCR")


def jsonl(*rows: Row) -> list[dict[str, Any]]:
    out = io.BytesIO()
    assert write_jsonl(rows, out) == len(rows)
    return [json.loads(line) for line in out.getvalue().decode().splitlines()]


def csv_rows(*rows: Row) -> list[dict[str, str]]:
    out = io.BytesIO()
    assert write_csv(rows, out) == len(rows)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode("utf-8-sig"), newline="")))


def parquet(*rows: Row) -> list[dict[str, Any]]:
    out = io.BytesIO()
    assert write_parquet(rows, out) == len(rows)
    return pyarrow.parquet.read_table(io.BytesIO(out.getvalue())).to_pylist()


def workbook(*rows: Row) -> Any:
    out = io.BytesIO()
    assert write_xlsx(rows, out) == len(rows)
    return openpyxl.load_workbook(io.BytesIO(out.getvalue()))


def sheet(book: Any, title: str) -> Iterator[dict[str, Any]]:
    header, *rest = book[title].iter_rows(values_only=True)
    return (dict(zip(header, cells, strict=True)) for cells in rest)


def test_a_record_has_every_field_whether_or_not_anything_was_read() -> None:
    """Whoever reads the lines need not ask whether a key is there."""
    done, failed = jsonl(row(), FAILED)
    assert done.keys() == failed.keys()
    assert {*FACTS, "findings", *Invoice.model_fields} == done.keys()
    assert (failed["status"], failed["reason"]) == ("failed", "no text layer, needs OCR")
    assert (failed["gross_total"], failed["line_items"]) == (None, [])
    assert record(row()) == done


def test_json_has_amounts_as_exact_decimal_text_and_dates_as_iso() -> None:
    """With the scale that they were read with, and never an exponent."""
    done = record(row(gross_total="119.10", prepaid="1E+3"))
    assert (done["gross_total"], done["prepaid"], done["issue_date"]) == ("119.10", "1000", "2026-03-03")
    assert jsonl(row())[0]["line_items"][0]["quantity"] == "0.333"
    assert jsonl(row())[0]["findings"] == [
        {"code": "vat.invalid", "severity": "warning", "message": "odd", "field": "seller_tax_id"}
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_takes_every_name(form: str) -> None:
    """Newlines, control characters, undecodable bytes, markup and formulas are all just names."""
    out = io.BytesIO()
    rows = [row(name, seller_name=name.replace("\udc80", "")) for name in HOSTILE]
    assert FORMATS[form](rows, out) == len(HOSTILE)
    assert not out.closed


def test_jsonl_gives_hostile_names_back() -> None:
    """One line each; only what no UTF-8 can carry becomes a question mark."""
    names = [line["file"] for line in jsonl(*map(row, HOSTILE))]
    assert names == [name.replace("\udc80", "?") for name in HOSTILE]


def test_no_text_in_a_csv_can_act_as_a_formula() -> None:
    """Not even behind blanks, or in the full width of East Asian text."""
    for name in HOSTILE:
        [line] = csv_rows(row(name, seller_name=name.replace("\udc80", "")))
        for text in (line["file"], line["seller_name"]):
            assert text.lstrip()[:1] not in set("=+-@＝＋－＠"), text
            assert text[:1] not in ("\t", "\n", "\r")


def test_negative_amounts_stay_numbers_in_a_csv() -> None:
    """The guard against formulas is for text; a credit note must add up."""
    [line] = csv_rows(row(doc_type="credit_note", gross_total="-119.12"))
    assert (line["gross_total"], line["issue_date"], line["line_count"]) == ("-119.12", "2026-03-03", "1")
    assert line["findings"] == "warning vat.invalid: odd"
    assert tuple(line) == CSV_FIELDS


def test_a_csv_opens_in_excel_with_its_umlauts() -> None:
    """The byte order mark is what tells Excel that this is UTF-8."""
    out = io.BytesIO()
    write_csv([row()], out)
    assert out.getvalue().startswith(b"\xef\xbb\xbffile,status,")
    assert "Käse & Söhne" in out.getvalue().decode()


def test_parquet_has_typed_columns_and_exact_amounts() -> None:
    """Decimals, dates and lists of structs, so that sums need no casts."""
    done, failed = parquet(row(gross_total="-119.12", doc_type="credit_note"), FAILED)
    assert (done["gross_total"], done["issue_date"]) == (Decimal("-119.12"), date(2026, 3, 3))
    assert done["line_items"][0]["quantity"] == Decimal("0.333")
    assert done["tax_lines"][0]["category"] == "S"
    assert done["findings"][0]["code"] == "vat.invalid"
    assert (failed["gross_total"], failed["line_items"], failed["reason"]) == (None, [], "no text layer, needs OCR")


def test_parquet_says_when_an_amount_does_not_fit() -> None:
    """A fraction is rounded and an absurd amount left out; neither happens in silence."""
    third = LineItem(description="a third", quantity=Decimal("0.33333333333333331"))
    [done] = parquet(row(line_items=[third], gross_total="1E+30"))
    assert done["line_items"][0]["quantity"] == Decimal("0.333333333333")
    assert done["gross_total"] is None
    told = [finding["message"] for finding in done["findings"] if finding["code"] == "export.amount"]
    assert told == [
        "gross_total 1e+30 is too large for this format and was left out",
        "line_items.quantity 0.33333333333333331 was rounded to 12 decimals for this format",
    ]


def test_a_workbook_has_numbers_dates_and_text() -> None:
    """Two sheets, joined by the file's name, with headers that stay and filter."""
    book = workbook(row(gross_total="-119.12"), FAILED)
    assert book.sheetnames == ["Invoices", "Lines"]
    done, failed = sheet(book, "Invoices")
    assert (done["gross_total"], done["issue_date"], done["line_count"]) == (-119.12, datetime(2026, 3, 3), 1)  # noqa: DTZ001
    assert (failed["file"], failed["gross_total"], failed["line_count"]) == ("b.pdf", None, None)
    [line] = sheet(book, "Lines")
    assert (line["file"], line["line"], line["quantity"], line["net_amount"]) == ("a.pdf", 1, 0.333, 100.1)
    for title, last in (("Invoices", 3), ("Lines", 2)):
        assert book[title].freeze_panes == "B2"
        assert book[title].auto_filter.ref.endswith(str(last))


def test_no_text_in_a_workbook_is_a_formula() -> None:
    """Whatever it begins with, it is typed as text and comes back as it is."""
    book = workbook(*(row(name, seller_name="=1+1") for name in HOSTILE))
    cells = [cell for title in book.sheetnames for line in book[title].iter_rows() for cell in line]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d", "inlineStr"}
    assert [line["seller_name"] for line in sheet(book, "Invoices")] == ["=1+1"] * len(HOSTILE)
    assert "=cmd|' /C calc'!A0" in [line["file"] for line in sheet(book, "Invoices")]
    out = io.BytesIO()
    write_xlsx([row("=1+1")], out)
    with zipfile.ZipFile(out) as archive:
        assert not any(b"<f>" in archive.read(name) for name in archive.namelist())


def test_an_amount_that_excel_would_round_is_text_there() -> None:
    """Excel keeps fifteen figures of a number; an old day it can't count is text too."""
    [done] = sheet(workbook(row(gross_total="1234567890123456.78", issue_date=date(1899, 1, 1))), "Invoices")
    assert (done["gross_total"], done["issue_date"]) == ("1234567890123456.78", "1899-01-01")


@settings(deadline=None)
@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_every_amount_is_the_same_in_every_format(amount: Decimal) -> None:
    """To the cent, and with its sign."""
    one = row(gross_total=amount)
    assert Decimal(str(record(one)["gross_total"])) == amount
    assert Decimal(csv_rows(one)[0]["gross_total"]) == amount
    assert parquet(one)[0]["gross_total"] == amount


@pytest.mark.parametrize(("form", "batch"), [("jsonl", 1), ("csv", 1), ("parquet", 1000)])
def test_rows_are_written_as_they_come(form: str, batch: int) -> None:
    """A million rows need no more memory than a thousand: a batch is out before the next one is asked for."""
    out = io.BytesIO()

    def rows() -> Iterator[Row]:
        written = 0
        for n in range(2 * batch + 1):
            if n and n % batch == 0:
                assert out.tell() > written
                written = out.tell()
            yield row(f"{n}.pdf")

    assert FORMATS[form](rows(), out) == 2 * batch + 1


@pytest.mark.parametrize("form", FORMATS)
def test_a_thousand_rows_take_no_time_to_speak_of(form: str) -> None:
    """Measured: 0.02 s for JSON lines, 0.3 s for Excel."""
    started = time.perf_counter()
    assert FORMATS[form]([row(f"{n}.pdf") for n in range(1000)], io.BytesIO()) == 1000
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_export_is_a_valid_file(form: str) -> None:
    """An empty manifest gives an empty table with its columns."""
    out = io.BytesIO()
    assert FORMATS[form]([], out) == 0
    assert form == "jsonl" or out.getvalue()


@pytest.mark.parametrize(
    ("form", "module", "package"), [("parquet", "pyarrow", "parquet"), ("xlsx", "openpyxl", "excel")]
)
def test_a_missing_package_is_named_with_its_remedy(
    form: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extras are optional; whoever wants one is told what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"counterfoil.export_{form}", raising=False)
    with pytest.raises(SetupError, match=rf"{module}: pip install 'counterfoil\[{package}\]'"):
        FORMATS[form]([row()], io.BytesIO())
