"""What each field of an invoice is in UBL 2.1."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest

from counterfoil.document import Limits
from counterfoil.einvoice import parse_einvoice
from counterfoil.errors import InputError
from counterfoil.invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from plain import plain

NS = "urn:oasis:names:specification:ubl:schema:xsd:"


def xml(body: str, root: str = "Invoice") -> bytes:
    """UBL of `body`, in which a lower-case `a:` is short for cac: and `b:` for cbc:."""
    body = re.sub(r"<(/?)([ab]):", r"<\1c\2c:", body)
    spaces = f'xmlns:cbc="{NS}CommonBasicComponents-2" xmlns:cac="{NS}CommonAggregateComponents-2"'
    return f'<{root} xmlns="{NS}{root}-2" {spaces}>{body}</{root}>'.encode()


def read(body: str, root: str = "Invoice") -> Invoice:
    return parse_einvoice(xml(body, root), Limits())[0]


FULL = """
<b:CustomizationID>urn:cen.eu:en16931:2017</b:CustomizationID>
<b:ID>R-7</b:ID><b:IssueDate>2024-03-01</b:IssueDate><b:DueDate>2024-03-31</b:DueDate>
<b:InvoiceTypeCode>380</b:InvoiceTypeCode><b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode>
<b:TaxCurrencyCode>SEK</b:TaxCurrencyCode><b:BuyerReference>04011000-1-1</b:BuyerReference>
<a:OrderReference><b:ID>PO-9</b:ID><b:SalesOrderID>S-1</b:SalesOrderID></a:OrderReference>
<a:AdditionalDocumentReference><b:ID>other</b:ID></a:AdditionalDocumentReference>
<a:AccountingSupplierParty><a:Party>
  <a:PartyName><b:Name>Trade name</b:Name></a:PartyName>
  <a:PartyTaxScheme><b:CompanyID>12/345</b:CompanyID><a:TaxScheme><b:ID>FC</b:ID></a:TaxScheme></a:PartyTaxScheme>
  <a:PartyTaxScheme><b:CompanyID>DE123456788</b:CompanyID><a:TaxScheme><b:ID>VAT</b:ID></a:TaxScheme></a:PartyTaxScheme>
  <a:PartyLegalEntity><b:RegistrationName>Seller GmbH</b:RegistrationName><b:CompanyID>HRB 1</b:CompanyID></a:PartyLegalEntity>
</a:Party></a:AccountingSupplierParty>
<a:AccountingCustomerParty><a:Party>
  <a:PartyName><b:Name>Buyer AS</b:Name></a:PartyName>
  <a:PartyTaxScheme><b:CompanyID>SE556677889901</b:CompanyID><a:TaxScheme><b:ID>VAT</b:ID></a:TaxScheme></a:PartyTaxScheme>
</a:Party></a:AccountingCustomerParty>
<a:PayeeParty><a:PartyName><b:Name>Factoring Bank</b:Name></a:PartyName></a:PayeeParty>
<a:Delivery><b:ActualDeliveryDate>2024-02-28</b:ActualDeliveryDate></a:Delivery>
<a:PaymentMeans><b:PaymentMeansCode>59</b:PaymentMeansCode><a:PaymentMandate><a:PayerFinancialAccount>
  <b:ID>FR7630006000011234567890189</b:ID></a:PayerFinancialAccount></a:PaymentMandate></a:PaymentMeans>
<a:PaymentMeans><b:PaymentMeansCode>58</b:PaymentMeansCode><b:PaymentID>RF18</b:PaymentID>
  <a:PayeeFinancialAccount><b:ID>giro 12-3</b:ID></a:PayeeFinancialAccount></a:PaymentMeans>
<a:PaymentMeans><a:PayeeFinancialAccount><b:ID>DE02 1203 0000 0000 2020 51</b:ID></a:PayeeFinancialAccount></a:PaymentMeans>
<a:AllowanceCharge><b:ChargeIndicator>false</b:ChargeIndicator><b:AllowanceChargeReason>Rebate</b:AllowanceChargeReason>
  <b:Amount currencyID="EUR">10.00</b:Amount><a:TaxCategory><b:ID>S</b:ID><b:Percent>19</b:Percent></a:TaxCategory></a:AllowanceCharge>
<a:AllowanceCharge><b:ChargeIndicator>true</b:ChargeIndicator><b:Amount currencyID="EUR">5.00</b:Amount></a:AllowanceCharge>
<a:TaxTotal><b:TaxAmount currencyID="SEK">215.00</b:TaxAmount></a:TaxTotal>
<a:TaxTotal><b:TaxAmount currencyID="EUR">19.00</b:TaxAmount>
  <a:TaxSubtotal><b:TaxableAmount currencyID="EUR">100.00</b:TaxableAmount><b:TaxAmount currencyID="EUR">19.00</b:TaxAmount>
    <a:TaxCategory><b:ID>S</b:ID><b:Percent>19.00</b:Percent></a:TaxCategory></a:TaxSubtotal>
  <a:TaxSubtotal><b:TaxableAmount currencyID="EUR">15.00</b:TaxableAmount><b:TaxAmount currencyID="EUR">0.00</b:TaxAmount>
    <a:TaxCategory><b:ID>Z</b:ID><b:Percent>0</b:Percent></a:TaxCategory></a:TaxSubtotal>
</a:TaxTotal>
<a:LegalMonetaryTotal><b:LineExtensionAmount>120.00</b:LineExtensionAmount><b:TaxExclusiveAmount>115.00</b:TaxExclusiveAmount>
  <b:TaxInclusiveAmount>134.00</b:TaxInclusiveAmount><b:AllowanceTotalAmount>10.00</b:AllowanceTotalAmount>
  <b:ChargeTotalAmount>5.00</b:ChargeTotalAmount><b:PrepaidAmount>34.00</b:PrepaidAmount>
  <b:PayableRoundingAmount>0.01</b:PayableRoundingAmount><b:PayableAmount>100.01</b:PayableAmount></a:LegalMonetaryTotal>
<a:InvoiceLine><b:ID>1</b:ID><b:InvoicedQuantity unitCode="KGM">200</b:InvoicedQuantity>
  <b:LineExtensionAmount currencyID="EUR">120.00</b:LineExtensionAmount>
  <a:AllowanceCharge><b:ChargeIndicator>false</b:ChargeIndicator><b:Amount>1</b:Amount></a:AllowanceCharge>
  <a:Item><b:Description>long</b:Description><b:Name>Coffee</b:Name>
    <a:ClassifiedTaxCategory><b:Percent>19</b:Percent></a:ClassifiedTaxCategory></a:Item>
  <a:Price><b:PriceAmount currencyID="EUR">60.50</b:PriceAmount><b:BaseQuantity unitCode="KGM">100</b:BaseQuantity></a:Price>
</a:InvoiceLine>
"""  # noqa: E501


def test_every_field_is_read_from_its_place() -> None:
    """One invoice with everything: the invoice's own currency, the payee's IBAN, the seller and not the factor."""
    invoice, profile = parse_einvoice(xml(FULL), Limits())
    assert profile == "urn:cen.eu:en16931:2017"
    assert plain(invoice) == Invoice(
        doc_type="invoice",
        invoice_number="R-7",
        issue_date=date(2024, 3, 1),
        due_date=date(2024, 3, 31),
        delivery_date=date(2024, 2, 28),
        currency="EUR",
        seller_name="Seller GmbH",
        seller_tax_id="DE123456788",
        buyer_name="Buyer AS",
        buyer_tax_id="SE556677889901",
        purchase_order="PO-9",
        buyer_reference="04011000-1-1",
        line_total=Decimal(120),
        allowance_total=Decimal(10),
        charge_total=Decimal(5),
        net_total=Decimal(115),
        tax_total=Decimal(19),
        gross_total=Decimal(134),
        prepaid=Decimal(34),
        rounding=Decimal("0.01"),
        amount_due=Decimal("100.01"),
        iban="DE02120300000000202051",
        payment_reference="RF18",
        line_items=[
            LineItem(
                line_id="1",
                description="Coffee",
                quantity=Decimal(200),
                unit="KGM",
                unit_price=Decimal("60.50"),
                net_amount=Decimal(120),
                tax_rate=Decimal(19),
            )
        ],
        tax_lines=[
            TaxLine(category="S", rate=Decimal(19), base=Decimal(100), amount=Decimal(19)),
            TaxLine(category="Z", rate=Decimal(0), base=Decimal(15), amount=Decimal(0)),
        ],
        allowances_charges=[
            AllowanceCharge(charge=False, amount=Decimal(10), reason="Rebate", tax_rate=Decimal(19), tax_category="S"),
            AllowanceCharge(charge=True, amount=Decimal(5)),
        ],
    )


def test_an_empty_invoice_says_nothing() -> None:
    """No value is made up, and the format's name stands for the profile."""
    invoice, profile = parse_einvoice(xml(""), Limits())
    assert (plain(invoice), profile) == (Invoice(), "UBL 2.1")


@pytest.mark.parametrize("code", ["381", "396", "261", "81", "83", "532"])
def test_a_credit_note_is_known_by_its_type_code(code: str) -> None:
    """Also in an Invoice document."""
    assert read(f"<b:InvoiceTypeCode>{code}</b:InvoiceTypeCode>").doc_type == "credit_note"


@pytest.mark.parametrize("code", ["380", "384", "389", "326", "751", "875"])
def test_other_type_codes_are_invoices(code: str) -> None:
    """389 is self-billed: called Gutschrift in German, and no credit note."""
    assert read(f"<b:InvoiceTypeCode>{code}</b:InvoiceTypeCode>").doc_type == "invoice"


def test_a_correction_credits_if_its_total_is_negative() -> None:
    """Type 384 goes either way."""
    total = "<a:LegalMonetaryTotal><b:TaxInclusiveAmount>-8.79</b:TaxInclusiveAmount></a:LegalMonetaryTotal>"
    assert read(f"<b:InvoiceTypeCode>384</b:InvoiceTypeCode>{total}").doc_type == "credit_note"
    assert read(f"<b:InvoiceTypeCode>380</b:InvoiceTypeCode>{total}").doc_type == "invoice"


def test_a_credit_note_is_read_with_its_signs_and_its_due_date() -> None:
    """It has no DueDate of its own: the one of the payment means stands for it."""
    invoice = read(
        "<a:PaymentMeans><b:PaymentDueDate>2024-05-02</b:PaymentDueDate></a:PaymentMeans>"
        "<a:CreditNoteLine><b:CreditedQuantity unitCode='DAY'>-3</b:CreditedQuantity>"
        "<b:LineExtensionAmount>-1500</b:LineExtensionAmount></a:CreditNoteLine>",
        "CreditNote",
    )
    assert (invoice.doc_type, invoice.due_date) == ("credit_note", date(2024, 5, 2))
    assert (invoice.line_items[0].quantity, invoice.line_items[0].net_amount) == (-3, -1500)


def test_of_several_payment_dates_the_first_is_due() -> None:
    """EN 16931 BT-9: for partial payments, the first net due date."""
    dates = ["2024-06-30", "2024-05-31", "2024-07-31"]
    means = [f"<a:PaymentMeans><b:PaymentDueDate>{d}</b:PaymentDueDate></a:PaymentMeans>" for d in dates]
    assert read("".join(means)).due_date == date(2024, 5, 31)


def test_deliveries_on_several_days_have_no_single_date() -> None:
    """None of them is the delivery date."""
    days = [f"<a:Delivery><b:ActualDeliveryDate>2024-06-0{d}</b:ActualDeliveryDate></a:Delivery>" for d in (1, 2)]
    assert read("".join(days)).delivery_date is None
    assert read(days[0] * 2).delivery_date == date(2024, 6, 1)


def test_a_tax_total_only_in_the_currency_of_the_accounts_is_refused() -> None:
    """215 kronor are not 215 euros."""
    body = "<b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode>"
    with pytest.raises(InputError, match="TaxAmount is in SEK, but the invoice is in EUR"):
        read(f'{body}<a:TaxTotal><b:TaxAmount currencyID="SEK">215</b:TaxAmount></a:TaxTotal>')


def test_taxes_of_several_kinds_add_up() -> None:
    """Plain UBL has one TaxTotal for each."""
    tax = "<b:TaxAmount>{0}</b:TaxAmount>"
    kind = f"<a:TaxTotal>{tax}<a:TaxSubtotal>{tax}</a:TaxSubtotal></a:TaxTotal>"
    invoice = read(kind.format("1.10") + kind.format("2.20"))
    assert invoice.tax_total == Decimal("3.30")
    assert [line.amount for line in invoice.tax_lines] == [Decimal("1.10"), Decimal("2.20")]


def test_a_seller_without_vat_id_has_its_tax_number_and_never_its_register_number() -> None:
    """A register number is no tax id; a person's name is put together."""
    party = "<a:AccountingSupplierParty><a:Party>{}</a:Party></a:AccountingSupplierParty>"
    number = "<a:PartyTaxScheme><b:CompanyID>12/345</b:CompanyID></a:PartyTaxScheme>"
    register = "<a:PartyLegalEntity><b:CompanyID>HRB 1</b:CompanyID></a:PartyLegalEntity>"
    person = "<a:Person><b:FirstName>Ida</b:FirstName><b:FamilyName>Berg</b:FamilyName></a:Person>"
    assert read(party.format(number + register)).seller_tax_id == "12/345"
    assert read(party.format(register + person)).seller_tax_id is None
    assert read(party.format(register + person)).seller_name == "Ida Berg"


def test_an_allowance_or_charge_must_say_which_it_is() -> None:
    """The total hangs on it; an empty element is none."""
    assert read("<a:AllowanceCharge/>").allowances_charges == []
    with pytest.raises(InputError, match="AllowanceCharge has no ChargeIndicator"):
        read("<a:AllowanceCharge><b:Amount>5</b:Amount></a:AllowanceCharge>")
    with pytest.raises(InputError, match="ChargeIndicator is neither true nor false: 'yes'"):
        read("<a:AllowanceCharge><b:ChargeIndicator>yes</b:ChargeIndicator></a:AllowanceCharge>")


def line(amount: str, tag: str = "InvoiceLine", *parts: str) -> str:
    return f"<a:{tag}><b:LineExtensionAmount>{amount}</b:LineExtensionAmount>{''.join(parts)}</a:{tag}>"


def test_sub_lines_that_make_up_their_line_count_in_its_place() -> None:
    """The lines without a status add up to the invoice, at any depth."""
    inner = line("60", "SubInvoiceLine", line("20", "SubInvoiceLine"), line("40.00", "SubInvoiceLine"))
    lines = read(line("100", "InvoiceLine", inner, line("40", "SubInvoiceLine")) + line("5")).line_items
    assert [(x.net_amount, x.status) for x in lines] == [
        (100, "GROUP"),
        (60, "GROUP"),
        (20, None),
        (40, None),
        (40, None),
        (5, None),
    ]


def test_sub_lines_that_do_not_make_up_their_line_only_inform() -> None:
    """Else something would be counted twice."""
    lines = read(line("100", "InvoiceLine", line("1", "SubInvoiceLine"), line("2", "SubInvoiceLine"))).line_items
    assert [(x.net_amount, x.status) for x in lines] == [(100, None), (1, "INFORMATION"), (2, "INFORMATION")]


def test_a_part_of_a_line_names_the_line_it_belongs_to() -> None:
    """Sub-lines are told apart from the lines that hold them, at every depth."""
    sub = "<a:SubInvoiceLine><b:ID>1.1</b:ID><a:SubInvoiceLine><b:ID>1.1.1</b:ID></a:SubInvoiceLine></a:SubInvoiceLine>"
    lines = read(f"<a:InvoiceLine><b:ID>1</b:ID>{sub}</a:InvoiceLine>").line_items
    assert [(line.line_id, line.details and line.details.parent) for line in lines] == [
        ("1", None),
        ("1.1", "1"),
        ("1.1.1", "1.1"),
    ]


def test_a_date_on_which_nothing_hangs_ends_no_document() -> None:
    """A period that can't be read is left out; a due date that can't be read is an error."""
    details = read("<a:InvoicePeriod><b:StartDate>2013-91-02</b:StartDate></a:InvoicePeriod>").details
    assert details is not None
    assert details.period_start is None
    with pytest.raises(InputError):
        read("<b:DueDate>2013-91-02</b:DueDate>")


def test_a_breakdown_without_a_total_is_read() -> None:
    """Its rows say what the total would."""
    row = "<b:TaxableAmount>1</b:TaxableAmount><b:TaxAmount>0</b:TaxAmount>"
    assert len(read(f"<a:TaxTotal><a:TaxSubtotal>{row}</a:TaxSubtotal></a:TaxTotal>").tax_lines) == 1
