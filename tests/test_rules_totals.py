"""Totals: the arithmetic that proves a gross total, and what proves nothing."""

from __future__ import annotations

from decimal import Decimal

from counterfoil.rules_figures import Figure, kind_of
from counterfoil.rules_totals import resolve
from rules_reading import read


def figure(kind: str, value: str, line: int = 0, rate: str | None = None) -> Figure:
    """A labelled amount."""
    return Figure(kind, Decimal(value), line, (), Decimal(rate) if rate else None)


def test_the_longest_phrase_says_what_an_amount_is() -> None:
    """Words of one label are parts of others."""
    assert kind_of("gesamtbetrag der abschlage") == "allowance"
    assert kind_of("rechnungssumme ohne ust.") == "net"
    assert kind_of("zuzuglich 19% mwst.") == "tax"
    assert kind_of("total incl. vat") == "gross"
    assert kind_of("total excl. vat") == "net"
    assert kind_of("total hours") in (None, "none")


def test_a_row_with_net_tax_and_gross_proves_itself() -> None:
    """Columns need no labels where their arithmetic says what they are."""
    invoice = read("""
        Facture n° 5

                               Montant HT    Montant TVA    Montant TTC
        Abonnement                  24.99           5.00          29.99
        Total facture               24.99           5.00          29.99
    """)
    assert (invoice.net_total, invoice.tax_total, invoice.gross_total) == (
        Decimal("24.99"),
        Decimal("5.00"),
        Decimal("29.99"),
    )


def test_the_tax_breakdown_proves_the_total() -> None:
    """Base and tax of every rate add up to it."""
    breakdown = [(Decimal(20), Decimal(100), Decimal(20)), (Decimal(5), Decimal(200), Decimal(10))]
    totals = resolve([figure("total", "330")], breakdown, None)
    assert (totals.net, totals.tax, totals.gross) == (Decimal(300), Decimal(30), Decimal(330))


def test_a_tax_that_is_included_proves_the_total_by_its_rate() -> None:
    """1.40 is 20 % of 7.00, and 7.00 + 1.40 is the total; the net itself is not printed."""
    totals = resolve([figure("total", "8.40"), figure("tax", "1.40", 1, "20")], [], None)
    assert (totals.net, totals.gross) == (None, Decimal("8.40"))
    totals = resolve([figure("total", "9.40"), figure("tax", "1.40", 1, "20")], [], None)
    assert totals.gross is None


def test_two_halves_of_a_tax_may_be_equal() -> None:
    """As CGST and SGST are."""
    halves = [figure("tax", "9", 1), figure("tax", "9", 2)]
    assert resolve([figure("net", "100"), *halves, figure("total", "118", 3)], [], None).tax == Decimal(18)


def test_an_amount_due_that_arithmetic_proves_is_the_gross_total() -> None:
    """ "Total due" under a subtotal and a tax is what they make."""
    figures = [figure("subtotal", "480"), figure("tax", "42.60", 1), figure("due", "522.60", 2)]
    assert resolve(figures, [], None).gross == Decimal("522.60")


def test_a_bare_total_that_the_lines_do_not_make_is_not_taken() -> None:
    """Unless a tax explains the difference, it may be a total of anything."""
    assert resolve([figure("total", "75")], [], Decimal(60)).gross is None
    assert resolve([figure("total", "75")], [], Decimal(75)).gross == Decimal(75)


def test_a_total_in_another_currency_is_not_taken() -> None:
    """The invoice's own currency is the one that its amounts carry."""
    invoice = read("""
        Invoice 17

        Item          Qty       Price         Amount
        Pump            1     €100.00        €100.00
                        Total                €100.00
                        Total USD            $108.00
    """)
    assert (invoice.currency, invoice.gross_total) == ("EUR", Decimal(100))


def test_what_is_withheld_or_deducted_for_early_payment_is_no_prepayment() -> None:
    """Ritenuta d'acconto is not an acconto."""
    invoice = read("""
        Fattura n. 12

                       Totale imponibile              1.000,00
                       IVA 22%                          220,00
                       Totale documento               1.220,00
                       Ritenuta d'acconto 20%          -200,00
                       Netto a pagare                 1.020,00
    """)
    assert (invoice.gross_total, invoice.prepaid, invoice.amount_due) == (Decimal(1220), None, Decimal(1020))


def test_the_whole_total_is_due_unless_the_page_speaks_of_payments_or_balances() -> None:
    """EN 16931 makes it so where nothing was paid; where something was, only a label can say what is left."""
    total = [figure("net", "100"), figure("tax", "19"), figure("gross", "119")]
    assert resolve(total, [], None).due == Decimal("119")
    for kind in ("prepaid", "previous", "rounding"):
        assert resolve([*total, figure(kind, "10")], [], None).due is None
    assert resolve([*total, figure("due", "69")], [], None).due == Decimal("69")


def test_cash_less_change_decides_between_two_totals_of_a_receipt() -> None:
    """A receipt prints its total before and after rounding; what was kept of the cash is the one that was paid."""
    figures = [
        Figure("gross", Decimal("75.06"), 1),
        Figure("gross", Decimal("75.00"), 2),
        Figure("tendered", Decimal("100.00"), 3),
        Figure("change", Decimal("25.00"), 4),
    ]
    assert resolve(figures, [], None).gross == Decimal("75.00")
    assert resolve(figures[:2], [], None).gross is None


def test_a_sum_under_the_tax_is_the_total_though_its_label_is_unreadable() -> None:
    """Net and tax as labelled, and their sum below them: only that sum is taken, no other amount."""
    named = [Figure("subtotal", Decimal("40.00"), 1), Figure("tax", Decimal("8.00"), 2)]
    assert resolve([*named, Figure("unnamed", Decimal("48.00"), 3)], [], None).gross == Decimal("48.00")
    assert resolve([*named, Figure("unnamed", Decimal("40.00"), 3)], [], None).gross is None


def test_cents_without_their_point_are_no_amounts() -> None:
    """Else the cents of net, tax and total would add up, and confirm a wrong total."""
    page = """
        Subtotal      $16 50
        Tax            $1 36
        Amount Due    $17 86
    """
    assert read(page).gross_total is None
