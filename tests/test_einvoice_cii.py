"""What each field of an invoice is in UN/CEFACT CII, and in ZUGFeRD 1, which has older names for it."""

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

CII = "urn:un:unece:uncefact:data:standard:"
FULL = """
<r:ExchangedDocumentContext><a:GuidelineSpecifiedDocumentContextParameter><a:ID>urn:cen.eu:en16931:2017</a:ID>
</a:GuidelineSpecifiedDocumentContextParameter></r:ExchangedDocumentContext>
<r:ExchangedDocument><a:ID>R-7</a:ID><a:TypeCode>380</a:TypeCode>
  <a:IssueDateTime><u:DateTimeString format="102">20240301</u:DateTimeString></a:IssueDateTime></r:ExchangedDocument>
<r:SupplyChainTradeTransaction>
<a:IncludedSupplyChainTradeLineItem>
  <a:AssociatedDocumentLineDocument><a:LineID>1</a:LineID></a:AssociatedDocumentLineDocument>
  <a:SpecifiedTradeProduct><a:SellerAssignedID>X</a:SellerAssignedID><a:Name>Coffee</a:Name></a:SpecifiedTradeProduct>
  <a:SpecifiedLineTradeAgreement>
    <a:GrossPriceProductTradePrice><a:ChargeAmount>70.0000</a:ChargeAmount></a:GrossPriceProductTradePrice>
    <a:NetPriceProductTradePrice><a:ChargeAmount>60.5000</a:ChargeAmount>
      <a:BasisQuantity unitCode="KGM">100</a:BasisQuantity></a:NetPriceProductTradePrice>
  </a:SpecifiedLineTradeAgreement>
  <a:SpecifiedLineTradeDelivery><a:BilledQuantity unitCode="KGM">200</a:BilledQuantity></a:SpecifiedLineTradeDelivery>
  <a:SpecifiedLineTradeSettlement>
    <a:ApplicableTradeTax><a:RateApplicablePercent>19</a:RateApplicablePercent></a:ApplicableTradeTax>
    <a:SpecifiedTradeSettlementLineMonetarySummation><a:LineTotalAmount>120.00</a:LineTotalAmount>
    </a:SpecifiedTradeSettlementLineMonetarySummation>
  </a:SpecifiedLineTradeSettlement>
</a:IncludedSupplyChainTradeLineItem>
<a:ApplicableHeaderTradeAgreement>
  <a:BuyerReference>04011000-1-1</a:BuyerReference>
  <a:SellerTradeParty><a:Name>Seller GmbH</a:Name>
    <a:SpecifiedTaxRegistration><a:ID schemeID="FC">12/345</a:ID></a:SpecifiedTaxRegistration>
    <a:SpecifiedTaxRegistration><a:ID schemeID="VA">DE123456788</a:ID></a:SpecifiedTaxRegistration></a:SellerTradeParty>
  <a:BuyerTradeParty><a:Name>Buyer AS</a:Name>
    <a:SpecifiedTaxRegistration><a:ID schemeID="VA">SE556677889901</a:ID></a:SpecifiedTaxRegistration>
  </a:BuyerTradeParty>
  <a:BuyerOrderReferencedDocument><a:IssuerAssignedID>PO-9</a:IssuerAssignedID></a:BuyerOrderReferencedDocument>
</a:ApplicableHeaderTradeAgreement>
<a:ApplicableHeaderTradeDelivery><a:ActualDeliverySupplyChainEvent><a:OccurrenceDateTime>
  <u:DateTimeString format="102">20240228</u:DateTimeString></a:OccurrenceDateTime></a:ActualDeliverySupplyChainEvent>
</a:ApplicableHeaderTradeDelivery>
<a:ApplicableHeaderTradeSettlement>
  <a:PaymentReference>RF18</a:PaymentReference><a:TaxCurrencyCode>SEK</a:TaxCurrencyCode>
  <a:InvoiceCurrencyCode>EUR</a:InvoiceCurrencyCode>
  <a:PayeeTradeParty><a:Name>Factoring Bank</a:Name></a:PayeeTradeParty>
  <a:SpecifiedTradeSettlementPaymentMeans>
    <a:PayerPartyDebtorFinancialAccount><a:IBANID>FR7630006000011234567890189</a:IBANID></a:PayerPartyDebtorFinancialAccount>
    <a:PayeePartyCreditorFinancialAccount><a:IBANID>DE02 1203 0000 0000 2020 51</a:IBANID>
    </a:PayeePartyCreditorFinancialAccount></a:SpecifiedTradeSettlementPaymentMeans>
  <a:ApplicableTradeTax><a:CalculatedAmount>19.00</a:CalculatedAmount><a:BasisAmount>100.00</a:BasisAmount>
    <a:CategoryCode>S</a:CategoryCode><a:RateApplicablePercent>19.00</a:RateApplicablePercent></a:ApplicableTradeTax>
  <a:SpecifiedTradeAllowanceCharge><a:ChargeIndicator><u:Indicator>false</u:Indicator></a:ChargeIndicator>
    <a:ActualAmount>10.00</a:ActualAmount><a:Reason>Rebate</a:Reason>
    <a:CategoryTradeTax><a:RateApplicablePercent>19</a:RateApplicablePercent></a:CategoryTradeTax></a:SpecifiedTradeAllowanceCharge>
  <a:SpecifiedLogisticsServiceCharge><a:Description>Freight</a:Description><a:AppliedAmount>5.00</a:AppliedAmount>
    <a:AppliedTradeTax><a:RateApplicablePercent>19</a:RateApplicablePercent></a:AppliedTradeTax></a:SpecifiedLogisticsServiceCharge>
  <a:SpecifiedTradePaymentTerms><a:DueDateDateTime><u:DateTimeString format="102">20240331</u:DateTimeString>
    </a:DueDateDateTime></a:SpecifiedTradePaymentTerms>
  <a:SpecifiedTradeSettlementHeaderMonetarySummation>
    <a:LineTotalAmount>120.00</a:LineTotalAmount><a:ChargeTotalAmount>5.00</a:ChargeTotalAmount>
    <a:AllowanceTotalAmount>10.00</a:AllowanceTotalAmount><a:TaxBasisTotalAmount>115.00</a:TaxBasisTotalAmount>
    <a:TaxTotalAmount currencyID="SEK">215.00</a:TaxTotalAmount>
    <a:TaxTotalAmount currencyID="EUR">19.00</a:TaxTotalAmount>
    <a:RoundingAmount>0.01</a:RoundingAmount><a:GrandTotalAmount>134.00</a:GrandTotalAmount>
    <a:TotalPrepaidAmount>34.00</a:TotalPrepaidAmount><a:DuePayableAmount>100.01</a:DuePayableAmount>
  </a:SpecifiedTradeSettlementHeaderMonetarySummation>
</a:ApplicableHeaderTradeSettlement>
</r:SupplyChainTradeTransaction>
"""
EXPECTED = Invoice(
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
            unit_price=Decimal("60.5"),
            net_amount=Decimal(120),
            tax_rate=Decimal(19),
        )
    ],
    tax_lines=[TaxLine(category="S", rate=Decimal(19), base=Decimal(100), amount=Decimal(19))],
    allowances_charges=[
        AllowanceCharge(charge=False, amount=Decimal(10), reason="Rebate", tax_rate=Decimal(19)),
        AllowanceCharge(charge=True, amount=Decimal(5), reason="Freight", tax_rate=Decimal(19)),
    ],
)
IN_ZUGFERD_1 = {
    "ExchangedDocumentContext": "SpecifiedExchangedDocumentContext",
    "ExchangedDocument": "HeaderExchangedDocument",
    "SupplyChainTradeTransaction": "SpecifiedSupplyChainTradeTransaction",
    "ApplicableHeaderTradeAgreement": "ApplicableSupplyChainTradeAgreement",
    "ApplicableHeaderTradeDelivery": "ApplicableSupplyChainTradeDelivery",
    "ApplicableHeaderTradeSettlement": "ApplicableSupplyChainTradeSettlement",
    "SpecifiedTradeSettlementHeaderMonetarySummation": "SpecifiedTradeSettlementMonetarySummation",
    "SpecifiedTradeSettlementLineMonetarySummation": "SpecifiedTradeSettlementMonetarySummation",
    "SpecifiedLineTradeAgreement": "SpecifiedSupplyChainTradeAgreement",
    "SpecifiedLineTradeDelivery": "SpecifiedSupplyChainTradeDelivery",
    "SpecifiedLineTradeSettlement": "SpecifiedSupplyChainTradeSettlement",
    "RateApplicablePercent": "ApplicablePercent",
    "IssuerAssignedID": "ID",
}


def xml(body: str) -> bytes:
    """CII of `body`, in which r:, a: and u: are rsm, ram and udt."""
    spaces = (
        f'xmlns:r="{CII}CrossIndustryInvoice:100" xmlns:u="{CII}UnqualifiedDataType:100"'
        f' xmlns:a="{CII}ReusableAggregateBusinessInformationEntity:100"'
    )
    return f"<r:CrossIndustryInvoice {spaces}>{body}</r:CrossIndustryInvoice>".encode()


def read(settlement: str, lines: str = "", code: str = "380") -> Invoice:
    head = f"<r:ExchangedDocument><a:TypeCode>{code}</a:TypeCode></r:ExchangedDocument>"
    inner = f"{lines}<a:ApplicableHeaderTradeSettlement>{settlement}</a:ApplicableHeaderTradeSettlement>"
    data = xml(f"{head}<r:SupplyChainTradeTransaction>{inner}</r:SupplyChainTradeTransaction>")
    return parse_einvoice(data, Limits())[0]


def day(element: str, text: str, form: str = "102") -> str:
    return f'<a:{element}><u:DateTimeString format="{form}">{text}</u:DateTimeString></a:{element}>'


def terms(text: str, more: str = "") -> str:
    return f"<a:SpecifiedTradePaymentTerms>{day('DueDateDateTime', text)}{more}</a:SpecifiedTradePaymentTerms>"


def test_every_field_is_read_from_its_place() -> None:
    """One invoice with everything: the invoice's own currency, the payee's IBAN, the seller and not the factor."""
    invoice, profile = parse_einvoice(xml(FULL), Limits())
    assert (plain(invoice), profile) == (EXPECTED, "urn:cen.eu:en16931:2017")


def test_zugferd_1_is_the_same_invoice_under_older_names() -> None:
    """CrossIndustryDocument, lines after the settlement or before it."""
    old = re.sub(r"(</?[ar]:)(\w+)", lambda m: m[1] + IN_ZUGFERD_1.get(m[2], m[2]), FULL)
    spaces = (
        'xmlns:r="urn:ferd:CrossIndustryDocument:invoice:1p0"'
        f' xmlns:a="{CII}ReusableAggregateBusinessInformationEntity:12" xmlns:u="{CII}UnqualifiedDataType:15"'
    )
    data = f"<r:CrossIndustryDocument {spaces}>{old}</r:CrossIndustryDocument>".encode()
    assert plain(parse_einvoice(data, Limits())[0]) == EXPECTED


def test_an_empty_invoice_says_nothing() -> None:
    """No value is made up, and the format's name stands for the profile."""
    invoice, profile = parse_einvoice(xml(""), Limits())
    assert (plain(invoice), profile) == (Invoice(), "CII")


def test_profile_minimum_has_totals_and_no_lines() -> None:
    """What the profile lacks is None: no line, no line total, no amount due."""
    invoice = read(
        "<a:InvoiceCurrencyCode>EUR</a:InvoiceCurrencyCode><a:SpecifiedTradeSettlementHeaderMonetarySummation>"
        "<a:TaxBasisTotalAmount>624.90</a:TaxBasisTotalAmount><a:GrandTotalAmount>671.15</a:GrandTotalAmount>"
        "</a:SpecifiedTradeSettlementHeaderMonetarySummation>"
    )
    assert (str(invoice.net_total), str(invoice.gross_total)) == ("624.90", "671.15")
    assert (invoice.line_items, invoice.line_total, invoice.tax_total, invoice.amount_due) == ([], None, None, None)


@pytest.mark.parametrize(("code", "expected"), [("381", "credit_note"), ("261", "credit_note"), ("875", "invoice")])
def test_the_type_code_decides_what_it_is(code: str, expected: str) -> None:
    """875 is a partial invoice of construction works."""
    assert read("", code=code).doc_type == expected


def test_the_date_of_a_cash_discount_is_no_due_date() -> None:
    """Of several payment terms, those without a discount say when the net payment is due; the first of them counts."""
    discount = "<a:ApplicableTradePaymentDiscountTerms><a:CalculationPercent>2</a:CalculationPercent></a:ApplicableTradePaymentDiscountTerms>"  # noqa: E501
    assert read(terms("20240110", discount) + terms("20240131")).due_date == date(2024, 1, 31)
    assert read(terms("20240331") + terms("20240229")).due_date == date(2024, 2, 29)
    assert read(terms("20240131", discount)).due_date == date(2024, 1, 31)


def test_a_date_is_reported_by_the_element_it_stands_in() -> None:
    """DateTimeString alone would not say which date is wrong."""
    with pytest.raises(InputError, match=r"^DueDateDateTime is not a date: '20241345'$"):
        read(terms("20241345"))


def test_a_month_is_no_day() -> None:
    """Format 610 is YYYYMM: well said, but no date of delivery."""
    tag = "a:ActualDeliverySupplyChainEvent"
    event = f"<{tag}>{day('OccurrenceDateTime', '202412', '610')}</{tag}>"
    data = xml(
        "<r:SupplyChainTradeTransaction><a:ApplicableHeaderTradeDelivery>"
        f"{event}</a:ApplicableHeaderTradeDelivery></r:SupplyChainTradeTransaction>"
    )
    assert parse_einvoice(data, Limits())[0].delivery_date is None


def test_a_tax_total_only_in_the_currency_of_the_accounts_is_refused() -> None:
    """215 kronor are not 215 euros."""
    total = '<a:TaxTotalAmount currencyID="SEK">215.00</a:TaxTotalAmount>'
    summation = "SpecifiedTradeSettlementHeaderMonetarySummation"
    with pytest.raises(InputError, match="TaxTotalAmount is in SEK, but the invoice is in EUR"):
        read(f"<a:InvoiceCurrencyCode>EUR</a:InvoiceCurrencyCode><a:{summation}>{total}</a:{summation}>")


def row(reason: str, product: str = "<a:SpecifiedTradeProduct><a:Name>x</a:Name></a:SpecifiedTradeProduct>") -> str:
    note = "<a:IncludedNote><a:Content>Merry Christmas</a:Content></a:IncludedNote>"
    head = f"<a:AssociatedDocumentLineDocument>{reason}{note}</a:AssociatedDocumentLineDocument>"
    return f"<a:IncludedSupplyChainTradeLineItem>{head}{product}</a:IncludedSupplyChainTradeLineItem>"


def test_rows_that_group_or_inform_are_marked() -> None:
    """BT-X-8 of the EXTENDED profile; a row that is in the sum has no status."""
    reasons = ["GROUP", "INFORMATION", "DETAIL"]
    rows = [row(f"<a:LineStatusReasonCode>{reason}</a:LineStatusReasonCode>") for reason in reasons]
    items = read("", "".join([*rows, row("")])).line_items
    assert [item.status for item in items] == ["GROUP", "INFORMATION", None, None]


def test_a_row_of_nothing_but_a_text_informs() -> None:
    """ZUGFeRD 1 puts notes between the lines so."""
    (item,) = read("", row("", product="")).line_items
    assert (item.description, item.status) == ("Merry Christmas", "INFORMATION")


def test_a_part_of_a_line_names_the_line_it_belongs_to() -> None:
    """EXTENDED has a parent's identifier in each line; a GROUP holds others."""
    line = (
        "<a:IncludedSupplyChainTradeLineItem><a:AssociatedDocumentLineDocument><a:LineID>{}</a:LineID>{}"
        "</a:AssociatedDocumentLineDocument></a:IncludedSupplyChainTradeLineItem>"
    )
    group = line.format("1", "<a:LineStatusReasonCode>GROUP</a:LineStatusReasonCode>")
    part = line.format("1.1", "<a:ParentLineID>1</a:ParentLineID>")
    data = xml(f"<r:SupplyChainTradeTransaction>{group}{part}</r:SupplyChainTradeTransaction>")
    lines = parse_einvoice(data, Limits())[0].line_items
    assert [(line.line_id, line.status, line.details and line.details.parent) for line in lines] == [
        ("1", "GROUP", None),
        ("1.1", "INFORMATION", "1"),
    ]
