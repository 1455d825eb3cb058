"""An `Invoice` as UBL 2.1, as EN 16931-3-2 binds it: an Invoice, or a CreditNote by its type code.

Promises: every term that EN 16931 has is where its binding says. It takes an invoice that is complete (see
`export_complete`), and never fills in anything.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal

from .einvoice_values import CREDIT_NOTES
from .export_xml import document, each, element, iso
from .invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from .invoice_details import (
    Address,
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

_SPACE = "urn:oasis:names:specification:ubl:schema:xsd:"
_NOT_DEFINED = "1"
"""Payment means of which only a reference or a date is known (UNTDID 4461)."""


def write_ubl(invoice: Invoice) -> bytes:
    """The document's bytes."""
    details = invoice.details or InvoiceDetails()
    kind = "CreditNote" if details.type_code in CREDIT_NOTES else "Invoice"
    root = element(
        kind,
        element("cbc:CustomizationID", details.specification),
        element("cbc:ProfileID", details.process),
        element("cbc:ID", invoice.invoice_number),
        element("cbc:IssueDate", iso(invoice.issue_date)),
        *_dates_and_type(invoice, details, kind),
        element("cbc:DocumentCurrencyCode", invoice.currency),
        element("cbc:TaxCurrencyCode", details.tax_currency),
        element("cbc:AccountingCost", details.accounting_reference),
        element("cbc:BuyerReference", invoice.buyer_reference),
        _period(details),
        element(
            "cac:OrderReference",
            element("cbc:ID", invoice.purchase_order or ("NA" if details.sales_order else None)),
            element("cbc:SalesOrderID", details.sales_order),
        ),
        *_references(details, kind),
        element("cac:AccountingSupplierParty", _party("cac:Party", details.seller, _creditor(details, "seller"))),
        element("cac:AccountingCustomerParty", _party("cac:Party", details.buyer)),
        _payee(details),
        _tax_representative(details.tax_representative),
        _delivery(invoice, details.delivery),
        each(_payments(invoice, details, kind)),
        element("cac:PaymentTerms", element("cbc:Note", details.payment_terms)),
        each(_allowance_charge(part, invoice.currency) for part in invoice.allowances_charges),
        _taxes(invoice),
        element("cac:TaxTotal", _amount("cbc:TaxAmount", details.tax_total_accounting, details.tax_currency)),
        _totals(invoice),
        each(_line(line, kind, invoice.currency) for line in invoice.line_items),
    )
    spaces = {
        "": f"{_SPACE}{kind}-2",
        "cac": f"{_SPACE}CommonAggregateComponents-2",
        "cbc": f"{_SPACE}CommonBasicComponents-2",
    }
    return document(ET.Element(kind) if root is None else root, spaces)


def _amount(tag: str, value: Decimal | None, currency: str | None) -> ET.Element | None:
    return element(tag, value, currencyID=currency)


def _dates_and_type(invoice: Invoice, details: InvoiceDetails, kind: str) -> list[ET.Element | None]:
    point = element("cbc:TaxPointDate", iso(details.tax_point_date))
    code = element(f"cbc:{kind}TypeCode", details.type_code)
    notes = [element("cbc:Note", _note(note)) for note in details.notes]
    if kind == "CreditNote":
        return [point, code, *notes]
    return [element("cbc:DueDate", iso(invoice.due_date)), code, *notes, point]


def _note(note: Note) -> str | None:
    return f"#{note.subject}#{note.text or ''}" if note.subject else note.text


def _period(details: InvoiceDetails) -> ET.Element | None:
    return element(
        "cac:InvoicePeriod",
        element("cbc:StartDate", iso(details.period_start)),
        element("cbc:EndDate", iso(details.period_end)),
        element("cbc:DescriptionCode", details.tax_point_code),
    )


def _references(details: InvoiceDetails, kind: str) -> list[ET.Element | None]:
    tender = element("cac:OriginatorDocumentReference", element("cbc:ID", details.tender))
    contract = element("cac:ContractDocumentReference", element("cbc:ID", details.contract))
    project = element("cac:ProjectReference", element("cbc:ID", details.project))
    if kind == "CreditNote":  # which has no project reference
        project = _document("cac:AdditionalDocumentReference", Identifier(value=details.project), "50")
    more = [
        _document("cac:AdditionalDocumentReference", details.object_id, "130"),
        *map(_supporting, details.documents),
    ]
    return [
        *(element("cac:BillingReference", _preceding(one)) for one in details.preceding_invoices),
        element("cac:DespatchDocumentReference", element("cbc:ID", details.despatch_advice)),
        element("cac:ReceiptDocumentReference", element("cbc:ID", details.receiving_advice)),
        *([contract, project, *more, tender] if kind == "CreditNote" else [tender, contract, *more, project]),
    ]


def _preceding(one: Reference) -> ET.Element | None:
    return element(
        "cac:InvoiceDocumentReference", element("cbc:ID", one.number), element("cbc:IssueDate", iso(one.issued))
    )


def _document(tag: str, one: Identifier | None, code: str) -> ET.Element | None:
    if one is None or one.value is None:
        return None
    return element(tag, _identifier("cbc:ID", one), element("cbc:DocumentTypeCode", code))


def _supporting(one: Reference) -> ET.Element | None:
    return element(
        "cac:AdditionalDocumentReference",
        element("cbc:ID", one.number),
        element("cbc:DocumentDescription", one.description),
        element("cac:Attachment", element("cac:ExternalReference", element("cbc:URI", one.location))),
    )


def _identifier(tag: str, one: Identifier | None) -> ET.Element | None:
    return element(tag, one.value, schemeID=one.scheme) if one else None


def _creditor(details: InvoiceDetails, whose: str) -> Identifier | None:
    """The creditor's identifier belongs to the payee where there is one, else to the seller."""
    owner = "payee" if details.payee else "seller"
    return Identifier(value=details.creditor_id, scheme="SEPA") if owner == whose else None


def _ids(party: Party, creditor: Identifier | None) -> list[ET.Element | None]:
    every = [*party.ids, *([creditor] if creditor else [])]
    return [element("cac:PartyIdentification", _identifier("cbc:ID", one)) for one in every]


def _party(tag: str, party: Party | None, creditor: Identifier | None = None) -> ET.Element | None:
    if party is None:
        return None
    return element(
        tag,
        _identifier("cbc:EndpointID", party.electronic_address),
        _ids(party, creditor),
        element("cac:PartyName", element("cbc:Name", party.trading_name)),
        _address("cac:PostalAddress", party.address),
        _tax_scheme(party.vat_id, "VAT"),
        _tax_scheme(party.tax_registration, "TAX"),
        element(
            "cac:PartyLegalEntity",
            element("cbc:RegistrationName", party.name),
            _identifier("cbc:CompanyID", party.legal_id),
            element("cbc:CompanyLegalForm", party.legal_form),
        ),
        _contact(party.contact),
    )


def _payee(details: InvoiceDetails) -> ET.Element | None:
    payee = details.payee
    return payee and element(
        "cac:PayeeParty",
        _ids(payee, _creditor(details, "payee")),
        element("cac:PartyName", element("cbc:Name", payee.name)),
        element("cac:PartyLegalEntity", _identifier("cbc:CompanyID", payee.legal_id)),
    )


def _tax_representative(agent: Party | None) -> ET.Element | None:
    return agent and element(
        "cac:TaxRepresentativeParty",
        element("cac:PartyName", element("cbc:Name", agent.name)),
        _address("cac:PostalAddress", agent.address),
        _tax_scheme(agent.vat_id, "VAT"),
    )


def _tax_scheme(number: str | None, kind: str) -> ET.Element | None:
    if number is None:
        return None
    return element("cac:PartyTaxScheme", element("cbc:CompanyID", number), _scheme(kind))


def _scheme(kind: str = "VAT") -> ET.Element | None:
    return element("cac:TaxScheme", element("cbc:ID", kind))


def _address(tag: str, address: Address | None) -> ET.Element | None:
    return address and element(
        tag,
        element("cbc:StreetName", address.street),
        element("cbc:AdditionalStreetName", address.street2),
        element("cbc:CityName", address.city),
        element("cbc:PostalZone", address.post_code),
        element("cbc:CountrySubentity", address.subdivision),
        element("cac:AddressLine", element("cbc:Line", address.street3)),
        element("cac:Country", element("cbc:IdentificationCode", address.country)),
    )


def _contact(contact: Contact | None) -> ET.Element | None:
    return contact and element(
        "cac:Contact",
        element("cbc:Name", contact.name),
        element("cbc:Telephone", contact.phone),
        element("cbc:ElectronicMail", contact.email),
    )


def _delivery(invoice: Invoice, delivery: Delivery | None) -> ET.Element | None:
    to = delivery or Delivery()
    return element(
        "cac:Delivery",
        element("cbc:ActualDeliveryDate", iso(invoice.delivery_date)),
        element("cac:DeliveryLocation", _identifier("cbc:ID", to.location), _address("cac:Address", to.address)),
        element("cac:DeliveryParty", element("cac:PartyName", element("cbc:Name", to.name))),
    )


def _payments(invoice: Invoice, details: InvoiceDetails, kind: str) -> list[ET.Element | None]:
    due = iso(invoice.due_date) if kind == "CreditNote" else None
    ways = details.payments
    if not ways and (due or invoice.payment_reference):
        ways = [Payment(code=_NOT_DEFINED)]
    return [_payment(way, invoice.payment_reference, None if number else due) for number, way in enumerate(ways)]


def _payment(way: Payment, reference: str | None, due: str | None) -> ET.Element | None:
    return element(
        "cac:PaymentMeans",
        element("cbc:PaymentMeansCode", way.code, name=way.text),
        element("cbc:PaymentDueDate", due),
        element("cbc:PaymentID", reference),
        element(
            "cac:CardAccount",
            element("cbc:PrimaryAccountNumberID", way.card),
            element("cbc:NetworkID", "NA" if way.card else None),  # the schema wants one, EN 16931 has none
            element("cbc:HolderName", way.card_holder),
        ),
        element(
            "cac:PayeeFinancialAccount",
            element("cbc:ID", way.account),
            element("cbc:Name", way.account_name),
            element("cac:FinancialInstitutionBranch", element("cbc:ID", way.bic)),
        ),
        element(
            "cac:PaymentMandate",
            element("cbc:ID", way.mandate),
            element("cac:PayerFinancialAccount", element("cbc:ID", way.debited_account)),
        ),
    )


def _allowance_charge(part: AllowanceCharge | LineAllowanceCharge, currency: str | None) -> ET.Element | None:
    header = isinstance(part, AllowanceCharge)
    return element(
        "cac:AllowanceCharge",
        element("cbc:ChargeIndicator", "true" if part.charge else "false"),
        element("cbc:AllowanceChargeReasonCode", part.reason_code),
        element("cbc:AllowanceChargeReason", part.reason),
        element("cbc:MultiplierFactorNumeric", part.percent),
        _amount("cbc:Amount", part.amount, currency),
        _amount("cbc:BaseAmount", part.base, currency),
        _category("cac:TaxCategory", part.tax_category, part.tax_rate) if header else None,
    )


def _category(tag: str, category: str | None, rate: Decimal | None, row: TaxLine | None = None) -> ET.Element | None:
    return element(
        tag,
        element("cbc:ID", category),
        element("cbc:Percent", rate),
        element("cbc:TaxExemptionReasonCode", row.exemption_code if row else None),
        element("cbc:TaxExemptionReason", row.exemption_reason if row else None),
        _scheme(),
    )


def _taxes(invoice: Invoice) -> ET.Element | None:
    currency = invoice.currency
    rows = [
        element(
            "cac:TaxSubtotal",
            _amount("cbc:TaxableAmount", row.base, currency),
            _amount("cbc:TaxAmount", row.amount, currency),
            _category("cac:TaxCategory", row.category, row.rate, row),
        )
        for row in invoice.tax_lines
    ]
    return element("cac:TaxTotal", _amount("cbc:TaxAmount", invoice.tax_total, currency), rows)


def _totals(invoice: Invoice) -> ET.Element | None:
    terms = {
        "LineExtensionAmount": invoice.line_total,
        "TaxExclusiveAmount": invoice.net_total,
        "TaxInclusiveAmount": invoice.gross_total,
        "AllowanceTotalAmount": invoice.allowance_total,
        "ChargeTotalAmount": invoice.charge_total,
        "PrepaidAmount": invoice.prepaid,
        "PayableRoundingAmount": invoice.rounding,
        "PayableAmount": invoice.amount_due,
    }
    return element(
        "cac:LegalMonetaryTotal", each(_amount(f"cbc:{tag}", value, invoice.currency) for tag, value in terms.items())
    )


def _line(line: LineItem, kind: str, currency: str | None) -> ET.Element | None:
    details = line.details or LineDetails()
    quantity = "cbc:CreditedQuantity" if kind == "CreditNote" else "cbc:InvoicedQuantity"
    return element(
        f"cac:{kind}Line",
        element("cbc:ID", line.line_id),
        element("cbc:Note", details.note),
        element(quantity, line.quantity, unitCode=line.unit),
        _amount("cbc:LineExtensionAmount", line.net_amount, currency),
        element("cbc:AccountingCost", details.accounting_reference),
        element(
            "cac:InvoicePeriod",
            element("cbc:StartDate", iso(details.period_start)),
            element("cbc:EndDate", iso(details.period_end)),
        ),
        element("cac:OrderLineReference", element("cbc:LineID", details.order_line)),
        _document("cac:DocumentReference", details.object_id, "130"),
        each(_allowance_charge(part, currency) for part in details.allowances_charges),
        _item(line, details),
        _price(line, details, currency),
    )


def _item(line: LineItem, details: LineDetails) -> ET.Element | None:
    return element(
        "cac:Item",
        element("cbc:Description", details.item_description),
        element("cbc:Name", line.description),
        element("cac:BuyersItemIdentification", element("cbc:ID", details.buyer_item_id)),
        element("cac:SellersItemIdentification", element("cbc:ID", details.seller_item_id)),
        element("cac:StandardItemIdentification", _identifier("cbc:ID", details.standard_item_id)),
        element("cac:OriginCountry", element("cbc:IdentificationCode", details.origin_country)),
        [
            element(
                "cac:CommodityClassification",
                element("cbc:ItemClassificationCode", one.code, listID=one.scheme, listVersionID=one.version),
            )
            for one in details.classifications
        ],
        _category("cac:ClassifiedTaxCategory", details.tax_category, line.tax_rate),
        [
            element("cac:AdditionalItemProperty", element("cbc:Name", one.name), element("cbc:Value", one.value))
            for one in details.attributes
        ],
    )


def _price(line: LineItem, details: LineDetails, currency: str | None) -> ET.Element | None:
    discount = details.price_discount if details.gross_price is None else details.price_discount or Decimal(0)
    return element(
        "cac:Price",
        _amount("cbc:PriceAmount", line.unit_price, currency),
        element("cbc:BaseQuantity", details.price_quantity, unitCode=details.price_unit),
        None
        if discount is None
        else element(
            "cac:AllowanceCharge",
            element("cbc:ChargeIndicator", "false"),
            _amount("cbc:Amount", discount, currency),
            _amount("cbc:BaseAmount", details.gross_price, currency),
        ),
    )
