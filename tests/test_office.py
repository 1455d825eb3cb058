"""HTML, Word and Excel invoices, and signed ones: laid out so that what reads a PDF reads them."""

from __future__ import annotations

import re
from datetime import date, datetime
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from tests.containers_made import make_docx, make_p7m, paragraph, table

from counterfoil.document import Limits
from counterfoil.errors import InputError
from counterfoil.extract import examine
from counterfoil.kinds import kind_of
from counterfoil.pages_html import read_html
from counterfoil.pages_xlsx import shown
from counterfoil.reader import read_document

ROWS = (
    ("Description", "Qty", "Unit price", "Amount"),
    ("Paper A4, white", "2", "50.00", "100.00"),
    ("Delivery", "1", "20.00", "20.00"),
)
TOTALS = (("Net total", "120.00 EUR"), ("VAT 19 %", "22.80 EUR"), ("Total", "142.80 EUR"))
HEAD = (("Invoice number:", "R-2026-17"), ("Invoice date:", "2026-01-05"))


def html_table(rows: Any) -> str:
    return "<table>" + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows) + "</table>"


def as_html() -> bytes:
    body = f"<h1>Invoice</h1><div>Paper Mill Ltd</div>{html_table(HEAD)}{html_table(ROWS)}{html_table(TOTALS)}"
    return f"<!DOCTYPE html><html><head><title>x</title></head><body>{body}</body></html>".encode()


def as_docx() -> bytes:
    letter = paragraph("Invoice") + table(*HEAD) + table(*ROWS) + table(*TOTALS)
    return make_docx(letter, header1=paragraph("Paper Mill Ltd"))


def as_xlsx() -> bytes:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["Paper Mill Ltd, the long name of which runs over the cells beside it"])
    sheet.append(["Invoice"])
    sheet.append(["Invoice number:", "R-2026-17"])
    sheet.append(["Invoice date:", date(2026, 1, 5)])
    for row in ROWS[:1]:
        sheet.append(row)
    sheet.append(["Paper A4, white", 2, 50, 100])
    sheet.append(["Delivery", 1, 20, 20])
    for label, value in (("Net total", 120), ("VAT 19 %", 22.8), ("Total", 142.8)):
        sheet.append([None, None, label, value])
        sheet.cell(sheet.max_row, 4).number_format = '0.00 "EUR"'
    hidden: Any = book.create_sheet("hidden")
    hidden.sheet_state = "hidden"
    hidden.append(["Total", 99999])
    body = BytesIO()
    book.save(body)
    return body.getvalue()


@pytest.mark.parametrize(("kind", "make"), [("html", as_html), ("docx", as_docx), ("xlsx", as_xlsx)])
def test_an_invoice_is_read_by_the_rules_whatever_it_was_written_in(kind: str, make: Any):
    """The same invoice in three kinds of file: number, date, lines and totals."""
    data = make()
    assert kind_of(data) == kind
    extraction = examine(data, "auto", False, Limits(), date(2026, 2, 1)).extraction
    assert extraction is not None
    invoice: Any = extraction.fields
    assert (invoice.invoice_number, str(invoice.issue_date), invoice.currency) == ("R-2026-17", "2026-01-05", "EUR")
    assert (str(invoice.net_total), str(invoice.tax_total), str(invoice.gross_total)) == ("120.00", "22.80", "142.80")
    assert [str(line.net_amount).removesuffix(".00") for line in invoice.line_items] == ["100", "20"]


def text_of(html: str) -> str:
    return read_html(html.encode(), Limits())[0][0].text


def test_what_a_browser_does_not_show_is_not_read():
    """Scripts, styles, the preheader of a mail; an end tag that is missing hides no more than it must."""
    said = text_of(
        "<p>a<script>var x='<p>b';</script><style>p{}</style><div style='display: none'>c<div>d</div></div>"
        "<span hidden>e</span><br>f<input style='display:none'>g"
    )
    assert said.split() == ["a", "fg"]


def test_a_table_keeps_its_columns_and_a_wide_cell_its_place():
    """Also without end tags, with cells that span, and with tables for layout around it."""
    said = text_of("<table><tr><td><table><tr><th>Item<th>Price<tr><td rowspan=2>Pen<td>1.00<tr><td>2.00"
                   "<tr><td colspan=2>In all three euros</table><td>aside</table>").splitlines()  # fmt: skip
    column = said[0].index("Price")
    assert said[1].index("1.00") == said[2].index("2.00") == column
    assert said[0].index("aside") > said[3].index("euros")


def test_a_typescript_keeps_its_spaces():
    """As the body of a plain mail."""
    said = text_of("<pre>Item      Price\nPen        1.00\n\nInk        2.00</pre>").splitlines()
    assert said[0].index("Price") + 1 == said[1].index("1.00")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html><meta charset=iso-8859-1><p>f\xfcr", "für"),
        ("<html><p>für".encode(), "für"),
        (b"<html><p>f\xfcr", "für"),
        ("\ufeff<html><p>für".encode("utf-16-le"), "für"),
        (b"<html><meta charset=utf-7><p>+ADw-b", "+ADw-b"),
        (b"<html><meta charset=unicode_escape><p>\\x41", "\\x41"),
    ],
)
def test_html_is_decoded_by_what_it_says_unless_that_is_no_charset_of_documents(data: bytes, said: str):
    """UTF-7 and Python's own escapes are ways to hide text."""
    assert read_html(data, Limits())[0][0].text == said


def test_word_text_that_was_deleted_or_hidden_is_not_read_and_text_in_boxes_and_forms_is():
    """Tracked changes, hidden runs, content controls, text boxes once (not their copy for old programs), tabs."""
    w = paragraph
    body = (
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>came</w:t></w:r></w:ins></w:p>"
        "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:t>shown</w:t></w:r></w:p>"
        f"<w:sdt><w:sdtContent>{w('control')}</w:sdtContent></w:sdt>"
        f"<w:p><w:r><w:txbxContent>{w('box')}</w:txbxContent></w:r><w:r><w:Fallback>{w('box')}</w:Fallback></w:r></w:p>"
        "<w:p><w:r><w:t>Total</w:t><w:tab/><w:t>9.00 and the rest of it</w:t></w:r></w:p>"
    )
    text = read_document(make_docx(body), Limits(), rules="never").text
    assert text.split() == ["came", "shown", "control", "box", "Total", "9.00", "and", "the", "rest", "of", "it"]
    assert re.search(r"Total {3,}9\.00", text)


@pytest.mark.parametrize(
    ("value", "form", "said"),
    [
        (1234.5, "#,##0.00", "1234.50"),
        (0.1 + 0.2, "General", "0.3"),
        (119, "General", "119"),
        (119, '#,##0.00\\ "€"', "119.00 €"),
        (119, "[$€-407]#,##0.00", "119.00 €"),
        (0.19, "0%", "19%"),
        (datetime.fromisoformat("2026-01-05"), "dd.mm.yyyy", "2026-01-05"),
        (datetime.fromisoformat("2026-01-05T12:30"), "General", "2026-01-05 12:30"),
        (1e300, "General", "1e+300"),
        (True, "General", "True"),
    ],
)
def test_a_cell_is_shown_as_its_format_says_but_always_the_same_way(value: object, form: str, said: str):
    """Decimals and currency by the format; dates as ISO, whatever the format makes of them."""
    assert shown(value, form) == said


@pytest.mark.parametrize("how", [{}, {"chunk": 7}, {"chunk": 7, "indefinite": True}])
def test_a_signed_document_is_read_out_of_its_envelope(how: Any):
    """In DER and in BER, and as base64; it is told that the signature was not checked."""
    from base64 import encodebytes

    html = as_html()
    for data in (make_p7m(html, **how), encodebytes(make_p7m(html, **how)), make_p7m(make_p7m(html), **how)):
        assert kind_of(data) == "p7m"
        reading = read_document(data, Limits(), rules="never")
        assert "R-2026-17" in reading.text
        assert [finding.code for finding in reading.findings] == ["signature.unchecked"]


def test_an_envelope_that_can_not_be_opened_says_why():
    """Cut off, without its document, around nothing known, in too many layers."""
    whole = make_p7m(as_html())
    thrice = make_p7m(make_p7m(whole))
    for data, reason in ((whole[:200], "cut off"), (make_p7m(b"?"), "neither a PDF"), (thrice, "more than two")):
        with pytest.raises(InputError, match=reason):
            read_document(data, Limits(), rules="never")


def test_a_file_with_pictures_only_says_so():
    """It is never read as an invoice with nothing on it."""
    with pytest.raises(InputError, match="the HTML file has no text, only pictures"):
        read_document(b"<html><body><img src='http://example.com/scan.png'></body></html>", Limits(), rules="always")
