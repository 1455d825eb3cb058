"""UBL 2.1 Invoice and CreditNote, as EN 16931 (Peppol BIS, XRechnung, ...) binds them, read into an `Invoice`.

Promises: what the XML says, where EN 16931-3-2 says it is. Never computes a total, never takes the payee, the payer
or a delivery address for a party of the invoice.
"""

from __future__ import annotations

from decimal import Decimal

from .einvoice_node import Node
from .einvoice_ubl_details import ubl_details, ubl_line_details
from .einvoice_values import amount, amount_in, day, doc_type, first_day, iban, is_charge, is_in, only_day, total
from .invoice import AllowanceCharge, Invoice, LineItem, TaxLine

_NAMESPACE = "urn:oasis:names:specification:ubl:schema:xsd:"


def is_ubl(root: Node) -> bool:
    """Whether `root` is a UBL invoice or credit note."""
    return root.name in ("Invoice", "CreditNote") and root.namespace == f"{_NAMESPACE}{root.name}-2"


def read_ubl(root: Node) -> tuple[Invoice, str]:
    """The invoice, and its customization id, or "UBL 2.1" where it states none."""
    currency = root.value("DocumentCurrencyCode")
    supplier = root.first("AccountingSupplierParty/Party")
    customer = root.first("AccountingCustomerParty/Party")
    totals = _totals(root, currency)
    code = "381" if root.name == "CreditNote" else root.value("InvoiceTypeCode|CreditNoteTypeCode")
    stated = root.value("InvoiceTypeCode|CreditNoteTypeCode")
    tax_total, tax_lines = _taxes(root, currency)
    invoice = Invoice(
        doc_type=doc_type(code, totals["gross_total"]),
        invoice_number=root.value("ID"),
        issue_date=day(root.first("IssueDate")),
        due_date=day(root.first("DueDate")) or first_day(root.all("PaymentMeans|PaymentTerms/PaymentDueDate")),
        delivery_date=only_day(root.all("Delivery/ActualDeliveryDate")),
        currency=currency,
        seller_name=_name(supplier),
        seller_tax_id=_tax_id(supplier),
        buyer_name=_name(customer),
        buyer_tax_id=_tax_id(customer),
        purchase_order=root.value("OrderReference/ID"),
        buyer_reference=root.value("BuyerReference"),
        tax_total=tax_total,
        iban=iban(node.text for node in root.all("PaymentMeans/PayeeFinancialAccount/ID")),
        payment_reference=root.value("PaymentMeans/PaymentID"),
        line_items=[item for line in root.all("InvoiceLine|CreditNoteLine") for item in _lines(line)],
        tax_lines=tax_lines,
        allowances_charges=[_allowance_charge(node) for node in root.all("AllowanceCharge") if node.children],
        details=ubl_details(root, stated),
        **totals,
    )
    return invoice, root.value("CustomizationID") or "UBL 2.1"


def _totals(root: Node, currency: str | None) -> dict[str, Decimal | None]:
    fields = {
        "line_total": "LineExtensionAmount",
        "allowance_total": "AllowanceTotalAmount",
        "charge_total": "ChargeTotalAmount",
        "net_total": "TaxExclusiveAmount",
        "gross_total": "TaxInclusiveAmount",
        "prepaid": "PrepaidAmount",
        "rounding": "PayableRoundingAmount",
        "amount_due": "PayableAmount",
    }
    return {field: amount_in(root.all(f"LegalMonetaryTotal/{name}"), currency) for field, name in fields.items()}


def _taxes(root: Node, currency: str | None) -> tuple[Decimal | None, list[TaxLine]]:
    """The tax total and its breakdown, in the invoice's currency.

    EN 16931 has one TaxTotal with a breakdown, and a bare one in the currency of the accounts. Plain UBL has one for
    each kind of tax: they add up.
    """
    ours = [node for node in root.all("TaxTotal") if all(is_in(stated, currency) for stated in node.all("TaxAmount"))]
    told = [node for node in ours if node.first("TaxSubtotal")] or ours[:1]
    tax_total = total(amount(node.first("TaxAmount")) for node in told)
    if tax_total is None:
        tax_total = amount_in(root.all("TaxTotal/TaxAmount"), currency)
    return tax_total, [_tax_line(row) for node in told for row in node.all("TaxSubtotal")]


def _tax_line(row: Node) -> TaxLine:
    return TaxLine(
        category=row.value("TaxCategory/ID"),
        rate=amount(row.first("TaxCategory/Percent") or row.first("Percent")),
        base=amount(row.first("TaxableAmount")),
        amount=amount(row.first("TaxAmount")),
        exemption_reason=row.value("TaxCategory/TaxExemptionReason"),
        exemption_code=row.value("TaxCategory/TaxExemptionReasonCode"),
    )


def _allowance_charge(node: Node) -> AllowanceCharge:
    return AllowanceCharge(
        charge=is_charge(node),
        amount=amount(node.first("Amount")),
        reason=node.value("AllowanceChargeReason"),
        tax_rate=amount(node.first("TaxCategory/Percent")),
        tax_category=node.value("TaxCategory/ID"),
        reason_code=node.value("AllowanceChargeReasonCode"),
        base=amount(node.first("BaseAmount")),
        percent=amount(node.first("MultiplierFactorNumeric")),
    )


def _name(party: Node | None) -> str | None:
    """The registered name (BT-27), else the trading name, else that of a person."""
    if party is None:
        return None
    person = (party.value("Person/FirstName"), party.value("Person/FamilyName"))
    return (
        party.value("PartyLegalEntity/RegistrationName")
        or party.value("PartyName/Name")
        or " ".join(part for part in person if part)
        or None
    )


def _tax_id(party: Node | None) -> str | None:
    """The VAT identifier, else the first other tax registration."""
    schemes = party.all("PartyTaxScheme") if party else []
    ids = [(scheme.value("TaxScheme/ID"), scheme.value("CompanyID")) for scheme in schemes]
    vat = [number for kind, number in ids if number and (kind or "").upper() == "VAT"]
    return next(iter(vat + [number for _, number in ids if number]), None)


def _lines(line: Node, parent: str | None = None) -> list[LineItem]:
    """One line and its sub-lines, flat.

    Where the sub-lines make up the line's amount, it groups them (XRechnung extension); else it is the one that
    counts, and they inform. Either way the lines without a status add up to the invoice.
    """
    item = LineItem(
        line_id=line.value("ID"),
        description=line.value("Item/Name") or line.value("Item/Description"),
        quantity=amount(line.first("InvoicedQuantity|CreditedQuantity")),
        unit=next((q.attribute("unitCode") for q in line.all("InvoicedQuantity|CreditedQuantity")), None),
        unit_price=amount(line.first("Price/PriceAmount")),
        net_amount=amount(line.first("LineExtensionAmount")),
        tax_rate=amount(line.first("Item/ClassifiedTaxCategory/Percent")),
        details=ubl_line_details(line, parent),
    )
    parts = line.all("SubInvoiceLine|SubCreditNoteLine")
    if not parts:
        return [item]
    subs = [sub for part in parts for sub in _lines(part, item.line_id)]
    if total(amount(part.first("LineExtensionAmount")) for part in parts) == item.net_amount:
        item.status = "GROUP"
    else:
        for sub in subs:
            sub.status = "INFORMATION"
    return [item, *subs]
