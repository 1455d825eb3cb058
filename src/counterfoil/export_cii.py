"""An `Invoice` as UN/CEFACT Cross Industry Invoice, as EN 16931-3-3 binds it (Factur-X and ZUGFeRD embed the same).

Promises: every term that EN 16931 has is where its binding says. It takes an invoice that is complete (see
`export_complete`), and never fills in anything.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import date
from decimal import Decimal

from .export_xml import document, each, element
from .invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from .invoice_details import (
    Address,
    Contact,
    Delivery,
    Identifier,
    InvoiceDetails,
    LineAllowanceCharge,
    LineDetails,
    Party,
    Payment,
    Reference,
)

_STANDARD = "urn:un:unece:uncefact:data:standard:"
_SPACES = {
    "rsm": f"{_STANDARD}CrossIndustryInvoice:100",
    "ram": f"{_STANDARD}ReusableAggregateBusinessInformationEntity:100",
    "udt": f"{_STANDARD}UnqualifiedDataType:100",
    "qdt": f"{_STANDARD}QualifiedDataType:100",
}
_TAX_POINTS = {"3": "5", "35": "29", "432": "72"}
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9 ]{8,40}", re.ASCII)
_NOT_DEFINED = "1"


def write_cii(invoice: Invoice) -> bytes:
    """The document's bytes."""
    details = invoice.details or InvoiceDetails()
    root = element(
        "rsm:CrossIndustryInvoice",
        element(
            "rsm:ExchangedDocumentContext",
            element("ram:BusinessProcessSpecifiedDocumentContextParameter", element("ram:ID", details.process)),
            element("ram:GuidelineSpecifiedDocumentContextParameter", element("ram:ID", details.specification)),
        ),
        element(
            "rsm:ExchangedDocument",
            element("ram:ID", invoice.invoice_number),
            element("ram:TypeCode", details.type_code),
            _day("ram:IssueDateTime", invoice.issue_date),
            [
                element("ram:IncludedNote", element("ram:Content", one.text), element("ram:SubjectCode", one.subject))
                for one in details.notes
            ],
        ),
        element(
            "rsm:SupplyChainTradeTransaction",
            each(_line(line) for line in invoice.line_items),
            _agreement(invoice, details),
            _or_empty("ram:ApplicableHeaderTradeDelivery", _delivery(invoice, details)),
            _settlement(invoice, details),
        ),
    )
    return document(ET.Element("rsm:CrossIndustryInvoice") if root is None else root, _SPACES)


def _or_empty(tag: str, node: ET.Element | None) -> ET.Element:
    """The schema wants the element even where there is nothing to say."""
    return ET.Element(tag) if node is None else node


def _day(tag: str, day: date | None, inner: str = "udt:DateTimeString") -> ET.Element | None:
    return day and element(tag, element(inner, f"{day:%Y%m%d}", format="102"))


def _number(tag: str, number: str | None) -> ET.Element | None:
    return element(tag, element("ram:IssuerAssignedID", number))


def _identifier(tag: str, one: Identifier | None) -> ET.Element | None:
    return element(tag, one.value, schemeID=one.scheme) if one else None


def _agreement(invoice: Invoice, details: InvoiceDetails) -> ET.Element | None:
    project = element("ram:ID", details.project)
    return element(
        "ram:ApplicableHeaderTradeAgreement",
        element("ram:BuyerReference", invoice.buyer_reference),
        _party("ram:SellerTradeParty", details.seller),
        _party("ram:BuyerTradeParty", details.buyer),
        _party("ram:SellerTaxRepresentativeTradeParty", details.tax_representative),
        _number("ram:SellerOrderReferencedDocument", details.sales_order),
        _number("ram:BuyerOrderReferencedDocument", invoice.purchase_order),
        _number("ram:ContractReferencedDocument", details.contract),
        each(_supporting(one, is_first=not number) for number, one in enumerate(details.documents)),
        _coded(Identifier(value=details.tender), "50"),
        _coded(details.object_id, "130"),
        # The schema wants a name for the project, EN 16931 has none.
        None
        if project is None
        else element("ram:SpecifiedProcuringProject", project, element("ram:Name", "Project reference")),
    )


def _coded(one: Identifier | None, code: str) -> ET.Element | None:
    if one is None or one.value is None:
        return None
    return element(
        "ram:AdditionalReferencedDocument",
        element("ram:IssuerAssignedID", one.value),
        element("ram:TypeCode", code),
        element("ram:ReferenceTypeCode", one.scheme),
    )


def _supporting(one: Reference, *, is_first: bool) -> ET.Element | None:
    """Only one of them may be described (CII-SR-475 of the norm's validators)."""
    return element(
        "ram:AdditionalReferencedDocument",
        element("ram:IssuerAssignedID", one.number),
        element("ram:URIID", one.location),
        element("ram:TypeCode", "916"),
        element("ram:Name", one.description if is_first else None),
    )


def _ids(ids: list[Identifier]) -> list[ET.Element | None]:
    """Those without a scheme, and then those with one, as the schema has them."""
    plain = [element("ram:ID", one.value) for one in ids if one.scheme is None]
    return [*plain, *(_identifier("ram:GlobalID", one) for one in ids if one.scheme)]


def _party(tag: str, party: Party | None) -> ET.Element | None:
    return party and element(
        tag,
        _ids(party.ids),
        element("ram:Name", party.name),
        element("ram:Description", party.legal_form),
        element(
            "ram:SpecifiedLegalOrganization",
            _identifier("ram:ID", party.legal_id),
            element("ram:TradingBusinessName", party.trading_name),
        ),
        _contact(party.contact),
        _address(party.address),
        element("ram:URIUniversalCommunication", _identifier("ram:URIID", party.electronic_address)),
        element("ram:SpecifiedTaxRegistration", element("ram:ID", party.vat_id, schemeID="VA")),
        element("ram:SpecifiedTaxRegistration", element("ram:ID", party.tax_registration, schemeID="FC")),
    )


def _contact(contact: Contact | None) -> ET.Element | None:
    return contact and element(
        "ram:DefinedTradeContact",
        element("ram:PersonName", contact.name),
        element("ram:TelephoneUniversalCommunication", element("ram:CompleteNumber", contact.phone)),
        element("ram:EmailURIUniversalCommunication", element("ram:URIID", contact.email)),
    )


def _address(address: Address | None) -> ET.Element | None:
    return address and element(
        "ram:PostalTradeAddress",
        element("ram:PostcodeCode", address.post_code),
        element("ram:LineOne", address.street),
        element("ram:LineTwo", address.street2),
        element("ram:LineThree", address.street3),
        element("ram:CityName", address.city),
        element("ram:CountryID", address.country),
        element("ram:CountrySubDivisionName", address.subdivision),
    )


def _delivery(invoice: Invoice, details: InvoiceDetails) -> ET.Element | None:
    to = details.delivery or Delivery()
    return element(
        "ram:ApplicableHeaderTradeDelivery",
        element(
            "ram:ShipToTradeParty",
            _ids([to.location] if to.location else []),
            element("ram:Name", to.name),
            _address(to.address),
        ),
        element("ram:ActualDeliverySupplyChainEvent", _day("ram:OccurrenceDateTime", invoice.delivery_date)),
        _number("ram:DespatchAdviceReferencedDocument", details.despatch_advice),
        _number("ram:ReceivingAdviceReferencedDocument", details.receiving_advice),
    )


def _settlement(invoice: Invoice, details: InvoiceDetails) -> ET.Element | None:
    mandate = next((way.mandate for way in details.payments if way.mandate), None)
    return element(
        "ram:ApplicableHeaderTradeSettlement",
        element("ram:CreditorReferenceID", details.creditor_id),
        element("ram:PaymentReference", invoice.payment_reference),
        element("ram:TaxCurrencyCode", details.tax_currency),
        element("ram:InvoiceCurrencyCode", invoice.currency),
        _party("ram:PayeeTradeParty", details.payee),
        each(_payment(way) for way in details.payments),
        each(_tax(row, None if number else details) for number, row in enumerate(invoice.tax_lines)),
        _period(details),
        each(_allowance_charge(part) for part in invoice.allowances_charges),
        element(
            "ram:SpecifiedTradePaymentTerms",
            element("ram:Description", details.payment_terms),
            _day("ram:DueDateDateTime", invoice.due_date),
            element("ram:DirectDebitMandateID", mandate),
        ),
        _totals(invoice, details),
        [
            element(
                "ram:InvoiceReferencedDocument",
                element("ram:IssuerAssignedID", one.number),
                _day("ram:FormattedIssueDateTime", one.issued, "qdt:DateTimeString"),
            )
            for one in details.preceding_invoices
        ],
        element("ram:ReceivableSpecifiedTradeAccountingAccount", element("ram:ID", details.accounting_reference)),
    )


def _payment(way: Payment) -> ET.Element | None:
    is_iban = bool(way.account and _IBAN.fullmatch(way.account))
    return element(
        "ram:SpecifiedTradeSettlementPaymentMeans",
        element("ram:TypeCode", way.code or _NOT_DEFINED),
        element("ram:Information", way.text),
        element(
            "ram:ApplicableTradeSettlementFinancialCard",
            element("ram:ID", way.card),
            element("ram:CardholderName", way.card_holder),
        ),
        element("ram:PayerPartyDebtorFinancialAccount", element("ram:IBANID", way.debited_account)),
        element(
            "ram:PayeePartyCreditorFinancialAccount",
            element("ram:IBANID", way.account if is_iban else None),
            element("ram:AccountName", way.account_name),
            element("ram:ProprietaryID", None if is_iban else way.account),
        ),
        element("ram:PayeeSpecifiedCreditorFinancialInstitution", element("ram:BICID", way.bic)),
    )


def _tax(row: TaxLine, dated: InvoiceDetails | None) -> ET.Element | None:
    """One row of the breakdown; the tax point of the invoice (`dated`) is told in the first of them."""
    details = dated or InvoiceDetails()
    return element(
        "ram:ApplicableTradeTax",
        element("ram:CalculatedAmount", row.amount),
        element("ram:TypeCode", "VAT"),
        element("ram:ExemptionReason", row.exemption_reason),
        element("ram:BasisAmount", row.base),
        element("ram:CategoryCode", row.category),
        element("ram:ExemptionReasonCode", row.exemption_code),
        _day("ram:TaxPointDate", details.tax_point_date, "udt:DateString"),
        element("ram:DueDateTypeCode", _TAX_POINTS.get(details.tax_point_code or "", details.tax_point_code)),
        element("ram:RateApplicablePercent", row.rate),
    )


def _period(details: InvoiceDetails | LineDetails) -> ET.Element | None:
    return element(
        "ram:BillingSpecifiedPeriod",
        _day("ram:StartDateTime", details.period_start),
        _day("ram:EndDateTime", details.period_end),
    )


def _allowance_charge(part: AllowanceCharge | LineAllowanceCharge) -> ET.Element | None:
    header = isinstance(part, AllowanceCharge)
    return element(
        "ram:SpecifiedTradeAllowanceCharge",
        _indicator(part.charge),
        element("ram:CalculationPercent", part.percent),
        element("ram:BasisAmount", part.base),
        element("ram:ActualAmount", part.amount),
        element("ram:ReasonCode", part.reason_code),
        element("ram:Reason", part.reason),
        _category("ram:CategoryTradeTax", part.tax_category, part.tax_rate) if header else None,
    )


def _indicator(charge: bool) -> ET.Element | None:
    return element("ram:ChargeIndicator", element("udt:Indicator", "true" if charge else "false"))


def _category(tag: str, category: str | None, rate: Decimal | None) -> ET.Element | None:
    return element(
        tag,
        element("ram:TypeCode", "VAT"),
        element("ram:CategoryCode", category),
        element("ram:RateApplicablePercent", rate),
    )


def _totals(invoice: Invoice, details: InvoiceDetails) -> ET.Element | None:
    return element(
        "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
        element("ram:LineTotalAmount", invoice.line_total),
        element("ram:ChargeTotalAmount", invoice.charge_total),
        element("ram:AllowanceTotalAmount", invoice.allowance_total),
        element("ram:TaxBasisTotalAmount", invoice.net_total),
        element("ram:TaxTotalAmount", invoice.tax_total, currencyID=invoice.currency),
        element("ram:TaxTotalAmount", details.tax_total_accounting, currencyID=details.tax_currency),
        element("ram:RoundingAmount", invoice.rounding),
        element("ram:GrandTotalAmount", invoice.gross_total),
        element("ram:TotalPrepaidAmount", invoice.prepaid),
        element("ram:DuePayableAmount", invoice.amount_due),
    )


def _line(line: LineItem) -> ET.Element | None:
    details = line.details or LineDetails()
    return element(
        "ram:IncludedSupplyChainTradeLineItem",
        element(
            "ram:AssociatedDocumentLineDocument",
            element("ram:LineID", line.line_id),
            element("ram:IncludedNote", element("ram:Content", details.note)),
        ),
        _product(line, details),
        element(
            "ram:SpecifiedLineTradeAgreement",
            element("ram:BuyerOrderReferencedDocument", element("ram:LineID", details.order_line)),
            _gross_price(details),
            element(
                "ram:NetPriceProductTradePrice",
                element("ram:ChargeAmount", line.unit_price),
                element("ram:BasisQuantity", details.price_quantity, unitCode=details.price_unit),
            ),
        ),
        element("ram:SpecifiedLineTradeDelivery", element("ram:BilledQuantity", line.quantity, unitCode=line.unit)),
        element(
            "ram:SpecifiedLineTradeSettlement",
            _category("ram:ApplicableTradeTax", details.tax_category, line.tax_rate),
            _period(details),
            each(_allowance_charge(part) for part in details.allowances_charges),
            element(
                "ram:SpecifiedTradeSettlementLineMonetarySummation", element("ram:LineTotalAmount", line.net_amount)
            ),
            _coded(details.object_id, "130"),
            element("ram:ReceivableSpecifiedTradeAccountingAccount", element("ram:ID", details.accounting_reference)),
        ),
    )


def _gross_price(details: LineDetails) -> ET.Element | None:
    discount = element("ram:ActualAmount", details.price_discount)
    return element(
        "ram:GrossPriceProductTradePrice",
        element("ram:ChargeAmount", details.gross_price),
        None if discount is None else element("ram:AppliedTradeAllowanceCharge", _indicator(False), discount),
    )


def _product(line: LineItem, details: LineDetails) -> ET.Element | None:
    return element(
        "ram:SpecifiedTradeProduct",
        _identifier("ram:GlobalID", details.standard_item_id),
        element("ram:SellerAssignedID", details.seller_item_id),
        element("ram:BuyerAssignedID", details.buyer_item_id),
        element("ram:Name", line.description),
        element("ram:Description", details.item_description),
        [
            element(
                "ram:ApplicableProductCharacteristic",
                element("ram:Description", one.name),
                element("ram:Value", one.value),
            )
            for one in details.attributes
        ],
        [
            element(
                "ram:DesignatedProductClassification",
                element("ram:ClassCode", one.code, listID=one.scheme, listVersionID=one.version),
            )
            for one in details.classifications
        ],
        element("ram:OriginTradeCountry", element("ram:ID", details.origin_country)),
    )
