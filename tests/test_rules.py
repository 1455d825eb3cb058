"""The offline reader's laws: null beats a guess, arithmetic decides, and nothing odd makes it fail."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.document import Limits, Page, Word
from counterfoil.invoice import Invoice
from counterfoil.pdf import read_pdf
from counterfoil.rules import read_rules
from pdfmaker import Placed, lines, make_pdf, table


def read(*pages: list[Placed]) -> Invoice:
    """The invoice that the offline reader sees on these pages."""
    return read_rules(read_pdf(make_pdf(pages), Limits()).pages)


def head(title: str = "Invoice 2024-17", day: str = "Date: 5 March 2024") -> list[Placed]:
    """The upper part of a plain invoice."""
    return [
        (50, 50, 16, "Lowland Bikes Ltd"),
        (50, 70, 9, "3 Canal Street, Ely CB7 4AU"),
        *lines(50, 120, [title, day]),
        *lines(350, 120, ["Bill to:", "Fenland Couriers", "8 Drove Road", "Ely CB6 1AA"]),
    ]


def totals(*rows: tuple[str, str], top: float = 400) -> list[Placed]:
    """Labels with amounts in the lower right."""
    return table(top, (330, 480), rows, 10)


ITEMS = [("Description", "Qty", "Price", "Amount"), ("Frame", "2", "100.00", "200.00"), ("Bell", "10", "5.00", "50.00")]


def items(*rows: tuple[str, ...], top: float = 240) -> list[Placed]:
    """A table of lines."""
    return table(top, (50, 300, 380, 480), rows, 9)


def test_net_plus_tax_makes_the_gross_total() -> None:
    """The common case: three labelled amounts that fit."""
    invoice = read(
        [*head(), *items(*ITEMS), *totals(("Subtotal", "£250.00"), ("VAT 20%", "£50.00"), ("Total", "£300.00"))]
    )
    assert (invoice.net_total, invoice.tax_total, invoice.gross_total) == (Decimal(250), Decimal(50), Decimal(300))


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("Mietrechnung Nr. 93141/00/N vom 05.03.2024", "93141/00/N"),
        ("Handelsrechnung (380) Nr. 471102 vom 05.03.2024", "471102"),
        ("Facture n° FA-12 du 5 mars 2024", "FA-12"),
        ("Fattura n. 88 del 5 marzo 2024", "88"),
    ],
)
def test_a_title_with_a_number_and_a_day_names_the_invoice(title: str, number: str) -> None:
    """Whatever kind of invoice it is; one that another document's number is quoted in does not."""
    invoice = read(
        [*head(title, "Rechnung zur Bestellung Nr. 2018-1 vom 01.03.2024"), *totals(("Total", "300,00 EUR"))]
    )
    assert (invoice.invoice_number, invoice.issue_date) == (number, date(2024, 3, 5))


def test_a_missing_total_is_null_rather_than_a_guess() -> None:
    """The sum of the lines is no total that the page states."""
    invoice = read([*head(), *items(*ITEMS)])
    assert invoice.gross_total is None
    assert invoice.net_total is None


def test_totals_that_contradict_each_other_give_no_gross_total() -> None:
    """250 + 50 is not 310: one of them is misread or misprinted, and nobody can say which."""
    invoice = read([*head(), *totals(("Net total", "250.00"), ("VAT", "50.00"), ("Grand total", "310.00"))])
    assert invoice.gross_total is None


def test_two_gross_totals_in_two_currencies_give_none() -> None:
    """Which of them counts is not ours to choose."""
    invoice = read([*head(), *totals(("Total EUR", "100.00"), ("Total USD", "108.00"))])
    assert invoice.gross_total is None


def test_a_section_total_is_not_taken_for_the_grand_total() -> None:
    """A section may have a net, a tax and a total of its own that fit each other."""
    section = totals(("Subtotal", "100.00"), ("VAT", "20.00"), ("Total", "120.00"))
    invoice = read([*head(), *section, *totals(("Grand total", "360.00"), top=600)])
    assert invoice.gross_total in (None, Decimal(360))


def test_discount_and_shipping_stand_between_subtotal_and_total() -> None:
    """200 - 20 + 10 + 38 = 228, so the net total is 190, though it is not printed."""
    invoice = read(
        [
            *head(),
            *totals(
                ("Subtotal", "200.00"),
                ("Discount", "-20.00"),
                ("Shipping", "10.00"),
                ("VAT 20%", "38.00"),
                ("Total", "228.00"),
            ),
        ]
    )
    assert (invoice.net_total, invoice.tax_total, invoice.gross_total) == (Decimal(190), Decimal(38), Decimal(228))
    assert (invoice.allowance_total, invoice.charge_total) == (Decimal(20), Decimal(10))


def test_a_previous_balance_is_due_but_not_invoiced() -> None:
    """The total is this invoice's, the amount due includes what was owed before."""
    invoice = read(
        [
            *head(),
            *totals(
                ("Subtotal", "100.00"),
                ("Tax", "10.00"),
                ("Total", "110.00"),
                ("Previous balance", "500.00"),
                ("Amount due", "610.00"),
            ),
        ]
    )
    assert (invoice.gross_total, invoice.amount_due) == (Decimal(110), Decimal(610))


def test_an_amount_due_alone_is_no_gross_total() -> None:
    """It may include a previous balance, or leave out a prepayment."""
    invoice = read([*head(), *totals(("Balance due", "610.00"))])
    assert (invoice.gross_total, invoice.amount_due) == (None, Decimal(610))


def test_what_was_paid_reduces_what_is_due_and_not_the_total() -> None:
    """300 invoiced, 120 paid, 180 left."""
    invoice = read(
        [
            *head(),
            *totals(
                ("Net", "250.00"), ("VAT", "50.00"), ("Total", "300.00"), ("Paid", "-120.00"), ("Balance due", "180.00")
            ),
        ]
    )
    assert (invoice.gross_total, invoice.prepaid, invoice.amount_due) == (Decimal(300), Decimal(120), Decimal(180))


def test_a_total_of_hours_is_no_total() -> None:
    """Only a bare "Total" may be one; "Total hours" says something else."""
    invoice = read([*head(), *totals(("Total hours", "37.50"), ("Total weight", "812.00"))])
    assert invoice.gross_total is None


def test_several_rates_of_tax_add_up() -> None:
    """Each rate has its row; the total of the tax may be printed nowhere."""
    invoice = read(
        [*head(), *totals(("Net", "300.00"), ("VAT 20%", "40.00"), ("VAT 5%", "5.00"), ("Total incl. VAT", "345.00"))]
    )
    assert (invoice.tax_total, invoice.gross_total) == (Decimal(45), Decimal(345))


def test_a_rate_with_its_base_and_tax_is_a_tax_line() -> None:
    """The row counts only if its arithmetic holds."""
    rows = [("VAT 20%", "200.00", "40.00"), ("VAT 5%", "100.00", "5.00"), ("VAT 7%", "100.00", "9.00")]
    invoice = read([*head(), *table(350, (300, 400, 480), rows, 9)])
    assert [(line.rate, line.base, line.amount) for line in invoice.tax_lines] == [
        (Decimal(20), Decimal(200), Decimal(40)),
        (Decimal(5), Decimal(100), Decimal(5)),
    ]


def test_a_credit_note_keeps_its_signs_and_says_what_it_is() -> None:
    """Printed negative stays negative."""
    rows = totals(("Net", "-250.00"), ("VAT", "-50.00"), ("Total", "-300.00"))
    invoice = read([*head("Credit Note CN-88"), *rows])
    assert invoice.doc_type == "credit_note"
    assert invoice.invoice_number == "CN-88"
    assert (invoice.net_total, invoice.gross_total) == (Decimal(-250), Decimal(-300))


def test_an_invoice_that_mentions_a_credit_note_is_an_invoice() -> None:
    """The word must stand as a title."""
    invoice = read([*head(), (50, 700, 9, "A credit note will be issued for returned goods.")])
    assert invoice.doc_type == "invoice"


def test_lines_go_on_over_pages_with_or_without_a_new_header() -> None:
    """Carry-overs are no lines."""
    first = [*head(), *items(*ITEMS), *totals(("Carried forward", "250.00"))]
    again = [*items(ITEMS[0], ("Brought forward", "", "", "250.00"), ("Pump", "1", "30.00", "30.00"), top=80)]
    bare = [*items(("Pump", "1", "30.00", "30.00"), top=80)]
    for second in (again, bare):
        invoice = read(first, second)
        assert [item.description for item in invoice.line_items] == ["Frame", "Bell", "Pump"]


def test_a_description_may_run_over_several_rows() -> None:
    """Rows without figures belong to the item above them."""
    rows = [
        ITEMS[0],
        ("Frame, steel,", "2", "100.00", "200.00"),
        ("hand-built", "", "", ""),
        ("Bell", "10", "5.00", "50.00"),
    ]
    invoice = read([*head(), *items(*rows)])
    assert [item.description for item in invoice.line_items] == ["Frame, steel, hand-built", "Bell"]


def test_totals_under_the_table_are_no_lines() -> None:
    """Nor are those of a tax breakdown."""
    rows = [*ITEMS, ("", "", "Subtotal", "250.00"), ("", "", "VAT 20%", "50.00"), ("", "", "Total", "300.00")]
    invoice = read([*head(), *items(*rows)])
    assert len(invoice.line_items) == 2
    assert invoice.gross_total == Decimal(300)


def test_an_ambiguous_date_is_read_by_the_evidence_or_not_at_all() -> None:
    """03/04/2024 is April where the currency is the pound, March at an American address, else unknown."""
    pound = read([*head(day="Invoice date: 03/04/2024"), *totals(("Total", "£5.00"))])
    dollar = read(
        [
            *lines(50, 50, ["Ann Lee", "1 Elm St", "Omaha, NE 68102"]),
            *head(day="Invoice date: 03/04/2024"),
            *totals(("Total", "$5.00")),
        ]
    )
    neither = read([(50, 50, 10, "Invoice date: 03/04/2024")])
    proven = read([*head(day="Invoice date: 03/04/2024"), (50, 170, 10, "Due date: 04/15/2024")])
    assert pound.issue_date == date(2024, 4, 3)
    assert dollar.issue_date == date(2024, 3, 4)
    assert neither.issue_date is None
    assert proven.issue_date == date(2024, 3, 4)


def test_days_to_pay_are_no_due_date() -> None:
    """Only a stated date counts."""
    assert read([*head(), (50, 600, 10, "Payable within 14 days of receipt")]).due_date is None


def test_a_date_until_which_a_discount_holds_is_no_due_date() -> None:
    """Skonto ends before the payment is due."""
    terms = "Zahlbar bis 20.03.2024 ohne Abzug, bei Zahlung bis 10.03.2024 mit 2 % Skonto"
    assert read([*head(), (50, 600, 9, terms)]).due_date == date(2024, 3, 20)


def test_the_tax_id_under_the_buyer_is_the_buyers() -> None:
    """Whose it is depends on whose address it stands under."""
    invoice = read(
        [
            *head(),
            (350, 175, 10, "VAT No: GB 999 9999 73"),
            (50, 760, 8, "Lowland Bikes Ltd   VAT No: GB 123 4567 82"),
        ]
    )
    assert invoice.buyer_tax_id == "GB 999 9999 73"
    assert invoice.seller_tax_id == "GB 123 4567 82"


def test_a_labelled_iban_is_read_as_printed_even_if_its_check_digits_are_wrong() -> None:
    """An accountant must see that; an unlabelled one counts only if it is valid."""
    assert read([*head(), (50, 700, 9, "IBAN: DE12 3704 0044 0532 0130 00")]).iban == "DE12 3704 0044 0532 0130 00"
    assert read([*head(), (50, 700, 9, "Ref DE12 3704 0044 0532 0130 00")]).iban is None
    assert read([*head(), (50, 700, 9, "DE89 3704 0044 0532 0130 00")]).iban == "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("€ 5.00", "EUR"), ("5.00 CHF", "CHF"), ("£5.00", "GBP"), ("C$5.00", "CAD"), ("5.00", None)],
)
def test_the_currency_is_the_one_that_the_amounts_carry(amount: str, currency: str | None) -> None:
    """No sign, no currency."""
    assert read([(50, 50, 10, "Total"), (200, 50, 10, amount)]).currency == currency


def test_pages_without_words_give_an_empty_invoice() -> None:
    """Whatever isn't read is None."""
    assert read_rules([]) == Invoice()
    assert read_rules([Page(1, 595, 842, "")]) == Invoice()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from(
                    [
                        "Total",
                        "VAT",
                        "Invoice",
                        "No",
                        ":",
                        "#",
                        "12,00",
                        "€",
                        "Date",
                        "31.02.2024",
                        "IBAN",
                        "Qty",
                        "Amount",
                    ]
                ),
                st.text(min_size=1, max_size=8),
            ),
            st.floats(0, 600),
            st.floats(0, 800),
            st.floats(0, 40),
        ),
        max_size=40,
    )
)
def test_nothing_odd_on_a_page_makes_it_fail(words: list[tuple[str, float, float, float]]) -> None:
    """Any words, anywhere, of any size, zero included."""
    page = Page(1, 595, 842, "", tuple(Word(text, x, y, x + size * len(text), y + size) for text, x, y, size in words))
    assert isinstance(read_rules([page, page]), Invoice)


def test_a_row_that_is_included_in_another_is_no_line_of_its_own() -> None:
    """The lines add up to the printed subtotal only without it."""
    rows = [*ITEMS, ("Incl. copyright levy", "1", "", "4.24"), ("", "", "Subtotal", "250.00")]
    assert [item.description for item in read([*head(), *items(*rows)]).line_items] == ["Frame", "Bell"]
    rows[-1] = ("", "", "Subtotal", "254.24")
    assert len(read([*head(), *items(*rows)]).line_items) == 3


def test_a_row_of_a_form_below_a_label_is_no_name() -> None:
    """Where colons stand in a column of their own, as in letters written in a typewriter face."""
    invoice = read(
        [
            (50, 50, 10, "Verkäufer:"),
            *table(64, (50, 130), [("Nummer", ": 549910"), ("Lieferant GmbH", ""), ("Hafenstraße 20", "")], 10),
            (50, 200, 10, "Rechnung Nr. 17 vom 05.03.2024"),
        ]
    )
    assert invoice.seller_name == "Lieferant GmbH"
