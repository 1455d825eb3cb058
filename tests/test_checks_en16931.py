"""The business rules of EN 16931: what each of them finds, by its id, and when it is an error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from counterfoil.checks import check_invoice
from counterfoil.checks_en16931 import check_en16931
from counterfoil.invoice import Invoice, LineItem, TaxLine
from counterfoil.invoice_details import InvoiceDetails, LineDetails, Party
from en16931 import FULL, full

TODAY = date(2024, 3, 5)


def details(invoice: Invoice) -> InvoiceDetails:
    assert invoice.details is not None
    return invoice.details


def seller(invoice: Invoice) -> Party:
    found = details(invoice).seller
    assert found is not None
    return found


def first_line(invoice: Invoice) -> LineDetails:
    found = invoice.line_items[0].details
    assert found is not None
    return found


def found(invoice: Invoice) -> dict[str, str]:
    """Rule and severity of every finding."""
    return {finding.code: finding.severity for finding in check_en16931(invoice)}


def test_an_invoice_with_every_term_breaks_no_rule():
    """Nor does it any other check."""
    assert found(full()) == {}
    codes = {finding.code for finding in check_invoice(full(), reader="xml", today=TODAY)}
    assert codes <= {"vat.invalid"}


def _without_address(invoice: Invoice) -> None:
    seller(invoice).address = None


def _no_country(invoice: Invoice) -> None:
    address = seller(invoice).address
    assert address is not None
    address.country = None


def _foreign_prefix(invoice: Invoice) -> None:
    seller(invoice).vat_id = "123456788"


def _set(part: Callable[[Invoice], object], **values: object) -> Callable[[Invoice], None]:
    def change(invoice: Invoice) -> None:
        for name, value in values.items():
            setattr(part(invoice), name, value)

    return change


def _line(**values: object) -> Callable[[Invoice], None]:
    return _set(lambda invoice: invoice.line_items[0], **values)


def _itself(**values: object) -> Callable[[Invoice], None]:
    return _set(lambda invoice: invoice, **values)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("BR-02", _itself(invoice_number=None)),
        ("BR-07", _set(lambda i: details(i).buyer, name=None)),
        ("BR-08", _without_address),
        ("BR-09", _no_country),
        ("BR-12", _itself(line_total=None)),
        ("BR-16", _itself(line_items=[])),
        ("BR-17", _set(lambda i: details(i).payee, name=None)),
        ("BR-21", _line(line_id=None)),
        ("BR-23", _line(unit=None)),
        ("BR-26", _line(unit_price=None)),
        ("BR-27", _line(unit_price=Decimal(-1))),
        ("BR-29", _set(details, period_end=date(2024, 1, 1))),
        ("BR-33", _set(lambda i: i.allowances_charges[0], reason=None, reason_code=None)),
        ("BR-37", _set(lambda i: i.allowances_charges[1], tax_category=None)),
        ("BR-42", _set(lambda i: first_line(i).allowances_charges[0], reason=None, reason_code=None)),
        ("BR-47", _set(lambda i: i.tax_lines[0], category=None)),
        ("BR-51", _set(lambda i: details(i).payments[0], card="4111111111111111")),
        ("BR-53", _set(details, tax_total_accounting=None)),
        ("BR-56", _set(lambda i: details(i).tax_representative, vat_id=None)),
        ("BR-61", _set(lambda i: details(i).payments[0], account=None)),
        ("BR-65", _set(lambda i: first_line(i).classifications[0], scheme=None)),
        ("BR-CO-03", _set(details, tax_point_code="3")),
        ("BR-CO-04", _set(first_line, tax_category=None)),
        ("BR-CO-09", _foreign_prefix),
        ("BR-CO-18", _itself(tax_lines=[])),
        ("BR-CL-01", _set(details, type_code="999")),
        ("BR-CL-14", _set(lambda i: seller(i).address, country="XX")),
        ("BR-CL-16", _set(lambda i: details(i).payments[0], code="999")),
        ("BR-CL-18", _set(first_line, tax_category="H")),
        ("BR-DEC-14", _itself(gross_total=Decimal("190.600"))),
        ("BR-DEC-23", _line(net_amount=Decimal("97.000"))),
        ("BR-S-05", _line(tax_rate=Decimal(0))),
        ("BR-S-10", _set(lambda i: i.tax_lines[0], exemption_reason="none")),
        ("BR-E-10", _set(lambda i: i.tax_lines[2], exemption_reason=None)),
        ("BR-E-01", _set(lambda i: i.tax_lines[2], category="Z")),
        ("BR-O-12", _set(lambda i: i.tax_lines[2], category="O", rate=None)),
    ],
)
def test_a_formal_defect_is_a_warning_by_the_name_of_its_rule(rule: str, change: Callable[[Invoice], None]):
    """The amounts still stand, so the document need not be looked at for it."""
    invoice = full()
    change(invoice)
    assert found(invoice).get(rule) == "warning"


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("BR-CO-10", {"line_total": Decimal("277.00"), "net_total": Decimal("270.00")}),
        ("BR-CO-11", {"allowance_total": Decimal("20.00")}),
        ("BR-CO-12", {"charge_total": None}),
        ("BR-CO-13", {"net_total": Decimal("180.00")}),
        ("BR-CO-14", {"tax_total": Decimal("30.60")}),
        ("BR-CO-15", {"gross_total": Decimal("200.60")}),
        ("BR-CO-16", {"amount_due": Decimal("190.60")}),
    ],
)
def test_a_sum_that_is_wrong_is_an_error(rule: str, change: dict[str, Decimal | None]):
    """An amount is in doubt then, so a person looks at the document."""
    assert found(full().model_copy(update=change)).get(rule) == "error"


def test_a_sum_that_is_off_by_rounding_is_a_warning():
    """The letter of the rule is broken, but the amount is what it seems."""
    assert found(full().model_copy(update={"line_total": Decimal("177.01")}))["BR-CO-10"] == "warning"


def test_a_taxable_amount_without_its_lines_is_an_error():
    """BR-S-08 by rate: a line moved to another rate is missed in the one and too much in the other."""
    invoice = full()
    invoice.line_items[1].tax_rate = Decimal(19)
    assert found(invoice)["BR-S-08"] == "error"


def test_tax_that_the_rate_does_not_make_is_an_error():
    """BR-CO-17 for the row, BR-S-09 for the category; a difference under 1 is rounding by lines."""
    invoice = full()
    invoice.tax_lines[0].amount = Decimal("27.10")
    assert found(invoice)["BR-S-09"] == "error"
    invoice.tax_lines[0].amount = Decimal("17.12")
    assert "BR-S-09" not in found(invoice)


def test_tax_where_there_may_be_none_is_an_error():
    """An exempt row with tax in it: the tax is not due, or the row is not exempt."""
    invoice = full()
    invoice.tax_lines[2].amount = Decimal("5.70")
    assert found(invoice)["BR-E-09"] == "error"


@pytest.mark.parametrize(
    ("category", "rules"),
    [
        ("K", {"BR-IC-02"}),
        ("AE", {"BR-AE-02"}),
        ("G", {"BR-G-02"}),
        ("Z", {"BR-Z-02"}),
        ("L", {"BR-AF-02"}),
    ],
)
def test_a_category_asks_for_tax_numbers(category: str, rules: set[str]):
    """A line without tax names who owes it, or does not."""
    line = LineItem(net_amount=Decimal(1), tax_rate=Decimal(0), details=LineDetails(tax_category=category))
    row = TaxLine(category=category, rate=Decimal(0), base=Decimal(1), amount=Decimal(0))
    invoice = full(seller=Party(name="A"), tax_representative=None).model_copy(
        update={"line_items": [line], "tax_lines": [row]}
    )
    assert rules <= found(invoice).keys()


def test_a_supply_within_the_union_says_when_and_where_to():
    """BR-IC-11 and BR-IC-12."""
    invoice = full(period_start=None, period_end=None, delivery=None).model_copy(update={"delivery_date": None})
    invoice.tax_lines[2].category = "K"
    assert {"BR-IC-11", "BR-IC-12"} <= found(invoice).keys()


@pytest.mark.parametrize(
    "specification",
    [None, "urn:www.cenbii.eu:transaction:biitrns010:ver2.0", "urn:ferd:CrossIndustryDocument:invoice:1p0:comfort"],
)
def test_an_invoice_that_follows_another_norm_is_not_judged_by_this_one(specification: str | None):
    """Nor is FatturaPA, nor what was read from a page."""
    assert found(full(specification=specification).model_copy(update={"line_total": Decimal(1)})) == {}
    assert found(full("fatturapa").model_copy(update={"line_total": Decimal(1)})) == {}
    assert found(FULL.model_copy(update={"details": None, "line_total": Decimal(1)})) == {}


@pytest.mark.parametrize("profile", ["minimum", "basicwl"])
def test_a_profile_without_lines_is_not_asked_for_lines(profile: str):
    """MINIMUM has not even a tax breakdown."""
    invoice = full(specification=f"urn:factur-x.eu:1p0:{profile}").model_copy(update={"line_items": []})
    assert found(invoice) == {}
    if profile == "minimum":
        bare = {"tax_lines": [], "allowances_charges": [], "line_total": None, "prepaid": None}
        assert found(invoice.model_copy(update=bare)) == {}


def test_many_lines_with_one_defect_are_one_finding():
    """With the first of them by name."""
    lines = [LineItem(line_id=str(n)) for n in range(1, 1001)]
    (finding,) = (f for f in check_en16931(full().model_copy(update={"line_items": lines})) if f.code == "BR-22")
    assert finding.message == "lines 1, 2, 3, 4, 5 and 995 more: no quantity (BT-129)"


def test_rows_that_group_or_inform_do_not_count():
    """EXTENDED has them; their amounts repeat those of others, and they need no price."""
    invoice = full(specification="urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended")
    invoice.line_items.insert(0, LineItem(line_id="0", net_amount=Decimal("97.00"), status="GROUP"))
    assert found(invoice) == {}


def test_rules_speak_only_of_what_the_xml_says():
    """A page is checked by what confirms its amounts, not by the formalities of a norm it never claimed."""
    invoice = full().model_copy(update={"line_total": Decimal(1)})
    codes = {finding.code for finding in check_invoice(invoice, reader="rules", today=TODAY)}
    assert not any(code.startswith("BR-") for code in codes)
