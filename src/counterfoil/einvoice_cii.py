"""UN/CEFACT Cross Industry Invoice: Factur-X, ZUGFeRD 2, XRechnung; and ZUGFeRD 1, whose elements have older names.

Promises: what the XML says, where EN 16931-3-3 says it is, in every profile from MINIMUM to EXTENDED; what a profile
does not have stays None. Never computes a total. In the paths here `new|old` is an element's name since ZUGFeRD 2, and
that in ZUGFeRD 1.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from .einvoice_cii_details import cii_details, cii_line_details
from .einvoice_node import Node
from .einvoice_values import amount, amount_in, day, doc_type, first_day, iban, is_charge, only_day
from .invoice import AllowanceCharge, Invoice, LineItem, TaxLine

_TRADE = "SupplyChainTradeTransaction|SpecifiedSupplyChainTradeTransaction"
_AGREEMENT = "ApplicableHeaderTradeAgreement|ApplicableSupplyChainTradeAgreement"
_DELIVERY = "ApplicableHeaderTradeDelivery|ApplicableSupplyChainTradeDelivery"
_SETTLEMENT = "ApplicableHeaderTradeSettlement|ApplicableSupplyChainTradeSettlement"
_TOTALS = "SpecifiedTradeSettlementHeaderMonetarySummation|SpecifiedTradeSettlementMonetarySummation"
_LINE_AGREEMENT = "SpecifiedLineTradeAgreement|SpecifiedSupplyChainTradeAgreement"
_LINE_DELIVERY = "SpecifiedLineTradeDelivery|SpecifiedSupplyChainTradeDelivery"
_LINE_SETTLEMENT = "SpecifiedLineTradeSettlement|SpecifiedSupplyChainTradeSettlement"
_LINE_TOTALS = "SpecifiedTradeSettlementLineMonetarySummation|SpecifiedTradeSettlementMonetarySummation"
_PERCENT = "RateApplicablePercent|ApplicablePercent"
_ROOTS = {
    "CrossIndustryInvoice": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:",
    "CrossIndustryDocument": "urn:ferd:CrossIndustryDocument:invoice:",
}


def is_cii(root: Node) -> bool:
    """Whether `root` is a Cross Industry Invoice or a ZUGFeRD 1 invoice."""
    return root.name in _ROOTS and root.namespace.startswith(_ROOTS[root.name])


def read_cii(root: Node) -> tuple[Invoice, str]:
    """The invoice, and its guideline id (the profile), or "CII" where it states none."""
    nothing = Node("", "", None)
    document = root.first("ExchangedDocument|HeaderExchangedDocument") or nothing
    trade = root.first(_TRADE) or nothing
    agreement = trade.first(_AGREEMENT) or nothing
    settlement = trade.first(_SETTLEMENT) or nothing
    delivery = trade.first(_DELIVERY) or nothing
    currency = settlement.value("InvoiceCurrencyCode")
    totals = _totals(settlement, currency)
    invoice = Invoice(
        doc_type=doc_type(document.value("TypeCode"), totals["gross_total"]),
        invoice_number=document.value("ID"),
        issue_date=day(document.first("IssueDateTime")),
        due_date=_due_date(settlement),
        delivery_date=only_day(delivery.all("ActualDeliverySupplyChainEvent/OccurrenceDateTime")),
        currency=currency,
        seller_name=_name(agreement.first("SellerTradeParty")),
        seller_tax_id=_tax_id(agreement.first("SellerTradeParty")),
        buyer_name=_name(agreement.first("BuyerTradeParty")),
        buyer_tax_id=_tax_id(agreement.first("BuyerTradeParty")),
        purchase_order=agreement.value("BuyerOrderReferencedDocument/IssuerAssignedID|ID"),
        buyer_reference=agreement.value("BuyerReference"),
        iban=iban(
            node.text
            for node in settlement.all(
                "SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/IBANID|ProprietaryID"
            )
        ),
        payment_reference=settlement.value("PaymentReference"),
        line_items=[_line(line) for line in trade.all("IncludedSupplyChainTradeLineItem")],
        tax_lines=[_tax_line(row) for row in settlement.all("ApplicableTradeTax")],
        allowances_charges=_allowances_charges(settlement),
        details=cii_details(
            root, document, agreement, delivery, settlement, settlement.all(f"{_TOTALS}/TaxTotalAmount")
        ),
        **totals,
    )
    profile = root.value(
        "ExchangedDocumentContext|SpecifiedExchangedDocumentContext/GuidelineSpecifiedDocumentContextParameter/ID"
    )
    return invoice, profile or "CII"


def _totals(settlement: Node, currency: str | None) -> dict[str, Decimal | None]:
    fields = {
        "line_total": "LineTotalAmount",
        "allowance_total": "AllowanceTotalAmount",
        "charge_total": "ChargeTotalAmount",
        "net_total": "TaxBasisTotalAmount",
        "tax_total": "TaxTotalAmount",
        "gross_total": "GrandTotalAmount",
        "prepaid": "TotalPrepaidAmount",
        "rounding": "RoundingAmount",
        "amount_due": "DuePayableAmount",
    }
    return {field: amount_in(settlement.all(f"{_TOTALS}/{name}"), currency) for field, name in fields.items()}


def _due_date(settlement: Node) -> date | None:
    """The first date of the net payment: a date that only a cash discount hangs on is not it."""
    terms = settlement.all("SpecifiedTradePaymentTerms")
    net = [term for term in terms if not term.first("ApplicableTradePaymentDiscountTerms")] or terms
    return first_day(node for term in net for node in term.all("DueDateDateTime"))


def _name(party: Node | None) -> str | None:
    """The name (BT-27), else the trading name."""
    return (party.value("Name") or party.value("SpecifiedLegalOrganization/TradingBusinessName")) if party else None


def _tax_id(party: Node | None) -> str | None:
    """The VAT identifier (scheme VA), else the tax number (FC), else whatever is registered."""
    ids = party.all("SpecifiedTaxRegistration/ID") if party else []
    rank = {"VA": 0, "FC": 1}
    ids = sorted((node for node in ids if node.text), key=lambda node: rank.get(node.attribute("schemeID") or "", 2))
    return ids[0].text if ids else None


def _tax_line(row: Node) -> TaxLine:
    return TaxLine(
        category=row.value("CategoryCode"),
        rate=amount(row.first(_PERCENT)),
        base=amount(row.first("BasisAmount")),
        amount=amount(row.first("CalculatedAmount")),
        exemption_reason=row.value("ExemptionReason"),
        exemption_code=row.value("ExemptionReasonCode"),
    )


def _allowances_charges(settlement: Node) -> list[AllowanceCharge]:
    """Those on the whole document, and charges for carriage, which have an element of their own."""
    found = [
        AllowanceCharge(
            charge=is_charge(node),
            amount=amount(node.first("ActualAmount")),
            reason=node.value("Reason"),
            tax_rate=amount(node.first(f"CategoryTradeTax/{_PERCENT}")),
            tax_category=node.value("CategoryTradeTax/CategoryCode"),
            reason_code=node.value("ReasonCode"),
            base=amount(node.first("BasisAmount")),
            percent=amount(node.first("CalculationPercent")),
        )
        for node in settlement.all("SpecifiedTradeAllowanceCharge")
        if node.children
    ]
    carriage = [
        AllowanceCharge(
            charge=True,
            amount=amount(node.first("AppliedAmount")),
            reason=node.value("Description"),
            tax_rate=amount(node.first(f"AppliedTradeTax/{_PERCENT}")),
            tax_category=node.value("AppliedTradeTax/CategoryCode"),
        )
        for node in settlement.all("SpecifiedLogisticsServiceCharge")
        if node.children
    ]
    return found + carriage


def _line(line: Node) -> LineItem:
    agreement = line.first(_LINE_AGREEMENT) or Node("", "", None)
    settlement = line.first(_LINE_SETTLEMENT) or Node("", "", None)
    quantity = line.first(f"{_LINE_DELIVERY}/BilledQuantity")
    product = line.value("SpecifiedTradeProduct/Name") or line.value("SpecifiedTradeProduct/Description")
    status = (line.value("AssociatedDocumentLineDocument/LineStatusReasonCode") or "").upper()
    item = LineItem(
        line_id=line.value("AssociatedDocumentLineDocument/LineID"),
        description=product or line.value("AssociatedDocumentLineDocument/IncludedNote/Content"),
        quantity=amount(quantity),
        unit=quantity.attribute("unitCode") if quantity else None,
        unit_price=amount(agreement.first("NetPriceProductTradePrice/ChargeAmount")),
        net_amount=amount(settlement.first(f"{_LINE_TOTALS}/LineTotalAmount")),
        tax_rate=amount(settlement.first(f"ApplicableTradeTax/{_PERCENT}")),
        status=status if status in ("GROUP", "INFORMATION") else None,
        details=cii_line_details(line, agreement, settlement),
    )
    if not product and item.quantity is None and item.net_amount is None:
        item.status = item.status or "INFORMATION"  # ZUGFeRD 1 prints texts between the lines as such rows
    return item
