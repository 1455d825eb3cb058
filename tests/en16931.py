"""An invoice that has every term of EN 16931 and breaks none of its rules, for tests to take and to break."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from counterfoil.invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from counterfoil.invoice_details import (
    Address,
    Attribute,
    Classification,
    Contact,
    Delivery,
    Identifier,
    InvoiceDetails,
    LineAllowanceCharge,
    LineDetails,
    Note,
    Party,
    Payment,
    Reference,
)

SPECIFICATION = "urn:cen.eu:en16931:2017"
SELLER = Party(
    name="Muster Werke GmbH",
    trading_name="Muster",
    ids=[Identifier(value="K-17"), Identifier(value="4000001000005", scheme="0088")],
    legal_id=Identifier(value="HRB 1234", scheme="0204"),
    vat_id="DE123456788",
    tax_registration="12/345/67890",
    legal_form="Geschäftsführung: A. Muster",
    electronic_address=Identifier(value="rechnung@muster.example", scheme="EM"),
    address=Address(
        street="Hauptstr. 1",
        street2="Hof 2",
        street3="Aufgang 3",
        city="Köln",
        post_code="50667",
        subdivision="NRW",
        country="DE",
    ),
    contact=Contact(name="Anna Muster", phone="+49 221 1", email="anna@muster.example"),
)
BUYER = Party(
    name="Bakker & Zoon B.V.",
    ids=[Identifier(value="C-9")],
    legal_id=Identifier(value="87654321", scheme="0106"),
    vat_id="NL123456782B90",
    electronic_address=Identifier(value="87654321", scheme="0106"),
    address=Address(street="Markt 5", city="Delft", post_code="2611 GP", country="NL"),
    contact=Contact(name="J. Bakker"),
)
DETAILS = InvoiceDetails(
    specification=SPECIFICATION,
    process="P1",
    type_code="380",
    tax_point_date=date(2024, 3, 2),
    tax_currency="SEK",
    tax_total_accounting=Decimal("230.00"),
    notes=[Note(text="Danke", subject="AAI"), Note(text="Second <note> & more")],
    project="PR-1",
    contract="CT-2",
    sales_order="SO-3",
    receiving_advice="RA-4",
    despatch_advice="DA-5",
    tender="TE-6",
    object_id=Identifier(value="METER-7", scheme="AAA"),
    accounting_reference="COST-8",
    payment_terms="30 days net",
    preceding_invoices=[Reference(number="R-1", issued=date(2024, 1, 5))],
    documents=[Reference(number="DOC-1", description="Time sheet", location="https://muster.example/t.pdf")],
    seller=SELLER,
    buyer=BUYER,
    payee=Party(name="Factoring Bank", ids=[Identifier(value="F-1")], legal_id=Identifier(value="HRB 9")),
    tax_representative=Party(name="Steuer AG", vat_id="DE987654321", address=Address(city="Bonn", country="DE")),
    delivery=Delivery(
        name="Lager Nord",
        location=Identifier(value="4000001000012", scheme="0088"),
        address=Address(city="Kiel", country="DE"),
    ),
    period_start=date(2024, 2, 1),
    period_end=date(2024, 2, 29),
    payments=[
        Payment(code="30", text="transfer", account="DE02120300000000202051", account_name="Muster", bic="BYLADEM1001"),
        Payment(code="30", account="DE02120300000000202051", mandate="M-1", debited_account="NL91ABNA0417164300"),
    ],
    creditor_id="DE98ZZZ09999999999",
)
BOLTS = LineItem(
    line_id="1",
    description="Bolts",
    quantity=Decimal("1000"),
    unit="C62",
    unit_price=Decimal("10.00"),
    net_amount=Decimal("97.00"),
    tax_rate=Decimal("19"),
    details=LineDetails(
        note="as agreed",
        object_id=Identifier(value="OBJ-1", scheme="AAB"),
        order_line="3",
        accounting_reference="COST-9",
        period_start=date(2024, 2, 1),
        period_end=date(2024, 2, 2),
        allowances_charges=[
            LineAllowanceCharge(
                amount=Decimal("5.00"), base=Decimal("100.00"), percent=Decimal("5"), reason="Rebate", reason_code="95"
            ),
            LineAllowanceCharge(charge=True, amount=Decimal("2.00"), reason="Packing"),
        ],
        price_discount=Decimal("1.50"),
        gross_price=Decimal("11.50"),
        price_quantity=Decimal("100"),
        price_unit="C62",
        tax_category="S",
        item_description="galvanised",
        seller_item_id="B-10",
        buyer_item_id="X-10",
        standard_item_id=Identifier(value="4012345678901", scheme="0160"),
        classifications=[Classification(code="31161600", scheme="TST", version="19")],
        origin_country="DE",
        attributes=[Attribute(name="Colour", value="grey")],
    ),
)
FULL = Invoice(
    invoice_number="R-2024/7",
    issue_date=date(2024, 3, 1),
    due_date=date(2024, 3, 31),
    delivery_date=date(2024, 2, 28),
    currency="EUR",
    seller_name=SELLER.name,
    seller_tax_id=SELLER.vat_id,
    buyer_name=BUYER.name,
    buyer_tax_id=BUYER.vat_id,
    purchase_order="PO-9",
    buyer_reference="04011000-1-1",
    line_total=Decimal("177.00"),
    allowance_total=Decimal("10.00"),
    charge_total=Decimal("3.00"),
    net_total=Decimal("170.00"),
    tax_total=Decimal("20.60"),
    gross_total=Decimal("190.60"),
    prepaid=Decimal("50.60"),
    rounding=Decimal("0.05"),
    amount_due=Decimal("140.05"),
    iban="DE02120300000000202051",
    payment_reference="RF18",
    line_items=[
        BOLTS,
        LineItem(
            line_id="2",
            description="Books",
            quantity=Decimal(2),
            unit="C62",
            unit_price=Decimal("25.00"),
            net_amount=Decimal("50.00"),
            tax_rate=Decimal(7),
            details=LineDetails(tax_category="S"),
        ),
        LineItem(
            line_id="3",
            description="Insurance",
            quantity=Decimal(1),
            unit="LS",
            unit_price=Decimal("30.00"),
            net_amount=Decimal("30.00"),
            tax_rate=Decimal(0),
            details=LineDetails(tax_category="E"),
        ),
    ],
    tax_lines=[
        TaxLine(category="S", rate=Decimal(19), base=Decimal("90.00"), amount=Decimal("17.10")),
        TaxLine(category="S", rate=Decimal(7), base=Decimal("50.00"), amount=Decimal("3.50")),
        TaxLine(
            category="E",
            rate=Decimal(0),
            base=Decimal("30.00"),
            amount=Decimal("0.00"),
            exemption_reason="Insurance is exempt",
        ),
    ],
    allowances_charges=[
        AllowanceCharge(
            amount=Decimal("10.00"),
            reason="Loyalty",
            reason_code="95",
            base=Decimal("100.00"),
            percent=Decimal("10"),
            tax_rate=Decimal(19),
            tax_category="S",
        ),
        AllowanceCharge(
            charge=True,
            amount=Decimal("3.00"),
            reason="Freight",
            reason_code="FC",
            tax_rate=Decimal(19),
            tax_category="S",
        ),
    ],
    details=DETAILS,
)


def full(syntax: str = "ubl", **changes: object) -> Invoice:
    """A copy of `FULL` of its own, as if read from this syntax; `changes` are to its details."""
    invoice = FULL.model_copy(deep=True)
    assert invoice.details is not None
    for name, value in {"syntax": syntax, **changes}.items():
        setattr(invoice.details, name, value)
    return invoice
