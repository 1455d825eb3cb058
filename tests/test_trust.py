"""When a document is done, and when a person has to look: what no arithmetic can confirm."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from counterfoil.checks_ours import same_tax_id
from counterfoil.checks_readers import agreed, disagreements, same_name
from counterfoil.document import Limits, ReaderName
from counterfoil.extract import Extraction, checked, examine, recipe
from counterfoil.invoice import Invoice
from counterfoil.pdf import read_pdf
from counterfoil.places import Places, pack
from counterfoil.rules_evidence import names_currency
from pdfmaker import lines, make_pdf

TODAY = date(2026, 1, 1)
HEAD = ("Paper Mill Ltd", "VAT id DE136695976", "Invoice number: N-1", "Invoice date: 2025-12-30")
SUMS = ("Net 100.00", "VAT 19.00", "Total 119.00 EUR")


def page(*texts: str) -> bytes:
    return make_pdf([lines(50, 60, texts)])


def read(*texts: str, reader: ReaderName = "rules", ours: tuple[str, ...] = ()) -> Extraction:
    """What the offline reader makes of these lines."""
    extraction = examine(page(*texts), reader, False, Limits(), TODAY, ours=ours).extraction
    assert extraction is not None
    return extraction


def invoice(extraction: Extraction) -> Invoice:
    assert isinstance(extraction.fields, Invoice)
    return extraction.fields


def errors(extraction: Extraction) -> list[str]:
    return sorted({finding.code for finding in extraction.findings if finding.severity == "error"})


def test_a_page_that_leaves_nothing_open_is_done():
    """Else every law below would hold of anything."""
    assert read(*HEAD, *SUMS).status == "done"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("Invoice number: N-2",), "number.ambiguous"),
        (("Invoice date: 2025-12-24",), "dates.ambiguous"),
        (("Invoice date: 2026-02-01",), "dates.ambiguous"),
    ],
)
def test_two_values_that_are_labelled_alike_are_for_a_person_to_decide(more: tuple[str, ...], code: str):
    """No sum tells which of them it is."""
    assert code in errors(read(*HEAD, *more, *SUMS))


def test_one_value_that_stands_twice_is_no_doubt():
    """Many print the number again above the lines, or on each page."""
    assert read(*HEAD, "Invoice number: N-1", "Invoice date: 30/12/2025", *SUMS).status == "done"


def test_the_only_date_is_not_that_of_issue_if_it_says_that_it_is_due():
    """A date without a label is taken where it is the only one; this one has a label."""
    assert errors(read(*HEAD[:3], "Due date: 2026-01-30", *SUMS))


def test_a_date_that_may_be_in_march_or_april_is_not_guessed():
    """English is written in lands of either order."""
    found = read(*HEAD[:3], "Invoice date: 03/04/2025", "Net $100.00", "VAT $19.00", "Total $119.00")
    assert invoice(found).issue_date is None
    assert "missing.issue_date" in errors(found)


@pytest.mark.parametrize("where", ["Springfield, IL 62701", "USD", "US$ 1.00", "U.S. dollars"])
def test_a_bare_dollar_is_american_only_where_something_says_so(where: str):
    """Canada and Australia write theirs alike."""
    sums = ("Net $100.00", "VAT $19.00", "Total $119.00")
    assert errors(read(*HEAD, *sums)) == ["currency.assumed"]
    assert errors(read(*HEAD, where, *sums)) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [("12,00 €", "EUR"), ("RM 12.00", "MYR"), ("Sydney, Australia $12", "AUD"), ("12 kr", "SEK"), ("CHF 12.--", "CHF")],
)
def test_a_currency_is_named_by_its_code_its_sign_or_its_land(text: str, code: str):
    """And no other is named by that, where the sign is its own."""
    assert names_currency(text, code)
    assert not names_currency(text, "GBP")


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ((*HEAD[:3], "Invoice date: 2026-02-01", *SUMS), "dates.future"),
        ((*HEAD[:3], "Invoice date: 1975-02-01", *SUMS), "dates.old"),
        ((*HEAD, "Due date: 2036-01-30", *SUMS), "dates.due_late"),
        ((*HEAD, "Net 0.00", "VAT 0.00", "Total 0.00 EUR"), "amounts.zero"),
    ],
)
def test_what_hardly_ever_is_true_of_an_invoice_is_taken_for_misread(texts: tuple[str, ...], code: str):
    """A page can be misread; of e-invoice XML it is only worth a word."""
    assert code in errors(read(*texts))


# Whose invoice


OURS = ("DE811115368",)


@pytest.mark.parametrize(
    ("texts", "ours", "expected"),
    [
        ((*HEAD, "Bill to: Office Ltd", "Customer VAT id DE811115368", *SUMS), OURS, []),
        ((*HEAD, "Bill to: Office Ltd", "Customer VAT id DE129273398", *SUMS), OURS, ["party.not_to_us"]),
        ((*HEAD, *SUMS), ("DE 136 695 976",), ["party.seller_is_us"]),
        ((*HEAD, *SUMS), OURS, []),
        ((*HEAD, *SUMS), (), []),
    ],
)
def test_an_invoice_to_somebody_else_or_from_us_goes_to_review(
    texts: tuple[str, ...], ours: tuple[str, ...], expected: list[str]
):
    """Without a tax id of the buyer there is no proof of either: told, and not held up."""
    found = read(*texts, ours=ours)
    assert errors(found) == expected
    unproven = "party.unproven" in {finding.code for finding in found.findings}
    assert unproven == bool(ours and not expected and not invoice(found).buyer_tax_id)


def test_a_tax_id_is_the_same_however_it_is_written():
    """With or without its country, spaces and points."""
    assert same_tax_id("DE 811.115.368", "de811115368")
    assert same_tax_id("811115368", "DE811115368")
    assert not same_tax_id("DE811115368", "AT811115368")
    assert not same_tax_id("", "")


def test_who_we_are_is_part_of_an_input_only_where_it_is_told():
    """What was read before the option was there keeps its name and its result."""
    assert recipe("auto", "m") == recipe("auto", "m", ours=())
    assert recipe("auto", "m", ours=("B", "A")) == recipe("auto", "m", ours=("A", "B")) != recipe("auto", "m")


# Two readers


def by_both(*texts: str, said: dict[str, Any]) -> Extraction:
    """What becomes of a page that the rules read, when the model says this of it."""
    reading = examine(page(*texts), "both", True, Limits(), TODAY)
    assert reading.extraction is None, "the model is asked"
    known = {"invoice_number": "N-1", "issue_date": "2025-12-30", "currency": "EUR", "seller_name": "Paper Mill"}
    amounts = {"net_total": "100.00", "tax_total": "19.00", "gross_total": "119.00"}
    return checked(Invoice.model_validate(known | amounts | said), "model", reading.reading, TODAY)


def test_two_readers_that_agree_are_done():
    """The model's answer is what is kept."""
    both = by_both(*HEAD, *SUMS, said={"purchase_order": "P-7"})
    assert (both.status, both.reader, invoice(both).purchase_order) == ("done", "model", "P-7")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"invoice_number": "DE136695976"}, "the invoice number is DE136695976 to the model and N-1 to the rules"),
        ({"seller_tax_id": "DE811115368"}, "the seller's tax id is DE811115368 to the model and DE136695976"),
        ({"net_total": "119.00", "tax_total": "0"}, "the net total is 119.00 to the model and 100.00 to the rules"),
    ],
)
def test_readers_that_differ_put_a_document_in_review_with_both_values(said: dict[str, Any], shown: str):
    """Whoever looks need not open anything to see what the question is."""
    both = by_both(*HEAD, *SUMS, said=said)
    assert both.status == "review"
    assert any(shown in f.message for f in both.findings if f.code == "readers.disagree")


def test_a_total_that_two_read_alike_needs_no_other_proof():
    """A receipt without tax and without lines has no sum; each alone would leave it to a person."""
    receipt = (*HEAD, "Total 119.00 EUR")
    nothing = {"net_total": None, "tax_total": None}
    assert errors(read(*receipt)) == ["amounts.unconfirmed"]
    assert by_both(*receipt, said=nothing).status == "done"


def test_what_only_one_of_them_read_is_neither_confirmed_nor_denied():
    """The rules leave out what they can't read for certain."""
    one = Invoice(invoice_number="N-1", seller_name="Paper Mill Ltd")
    assert agreed(one, Invoice(invoice_number="n 1")) == {"doc_type", "invoice_number"}
    assert not list(disagreements(one, "model", Invoice(), "rules"))


def test_a_name_is_the_same_give_or_take_a_legal_form():
    """Readers cut names differently; a different name is told and holds nothing up."""
    assert same_name("Paper Mill Ltd", "PAPER MILL LTD.")
    assert same_name("Paper Mill", "Paper Mill Ltd")
    assert not same_name("Paper Mill Ltd", "Office Ltd")
    [finding] = disagreements(Invoice(seller_name="A Ltd"), "model", Invoice(seller_name="Banana"), "rules")
    assert (finding.code, finding.severity) == ("readers.disagree", "warning")


def test_an_e_invoice_file_needs_no_second_reader():
    """It has no page; what it says is what was meant."""
    from pathlib import Path

    xml = (Path(__file__).resolve().parents[1] / "samples" / "xrechnung-0101-ubl.xml").read_bytes()
    extraction = examine(xml, "both", True, Limits(), TODAY).extraction
    assert extraction is not None
    assert extraction.reader == "xml"


# Where a field came from


def test_every_field_says_where_it_is_printed_and_what_confirms_it():
    """Sums confirm amounts, check digits an id; a number and a date stand alone."""
    came = read(*HEAD, *SUMS).provenance
    assert came["gross_total"] | {"box": ...} == {
        "source": "page",
        "page": 1,
        "box": ...,
        "confirmed": True,
        "by": "arithmetic",
    }
    assert came["seller_tax_id"]["by"] == "checksum"
    assert came["invoice_number"]["confirmed"] is False
    x0, y0, x1, y1 = came["invoice_number"]["box"]
    assert 50 < x0 < x1 < 200
    assert 60 < y0 < y1 < 110, "the third line, from the top"


def test_a_field_of_an_e_invoice_names_its_element():
    """A person finds it there; the page that prints it too is an independent witness."""
    from pathlib import Path

    samples = Path(__file__).resolve().parents[1] / "samples"
    hybrid = examine((samples / "mustang-505.hybrid.pdf").read_bytes(), "auto", False, Limits(), TODAY).extraction
    xml = examine((samples / "xrechnung-0101-ubl.xml").read_bytes(), "auto", False, Limits(), TODAY).extraction
    assert hybrid is not None
    assert xml is not None
    number = hybrid.provenance["invoice_number"]
    assert (number["source"], number["page"], number["by"]) == ("xml", 1, "page")
    assert xml.provenance["invoice_number"] == {"source": "xml", "path": "/Invoice/ID", "confirmed": False}
    assert xml.provenance["amount_due"]["path"] == "/Invoice/LegalMonetaryTotal/PayableAmount"


def test_what_two_readers_read_alike_is_confirmed_by_the_second():
    """And what the model alone says is not."""
    came = by_both(*HEAD, *SUMS, said={"purchase_order": "P-7"}).provenance
    assert came["issue_date"]["by"] == "second reader"
    assert came["purchase_order"] == {"source": "model", "confirmed": False}, "nowhere on the page"


def test_a_value_is_found_on_packed_pages_however_it_is_printed():
    """The pages of a document that waits for its model are kept small."""
    pages = read_pdf(page("Total 1.234,50 EUR", "qty 1  1 000.00", "on 03.04.2025", "Inv-No. AB 12/7"), Limits()).pages
    packed = pack(pages)
    places = Places(packed)
    from decimal import Decimal

    assert [place.line for place in places.amount(Decimal("-1234.5"))] == ["Total 1.234,50 EUR"]
    assert next(places.amount(Decimal(1000)))
    assert not list(places.amount(Decimal("1234.51")))
    assert next(places.day(date(2025, 4, 3)))
    assert next(places.text("ab127"))
    assert not list(Places(b"").text("anything"))
    assert len(packed) < 400
