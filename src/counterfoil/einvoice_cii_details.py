"""What a Cross Industry Invoice says beside its totals: parties, references, payment, and each line's details.

Promises: what the XML says, where EN 16931-3-3 says it is (`new|old`: an element's name in ZUGFeRD 1). A group that is
not there is None, or an empty list.
"""

from __future__ import annotations

from .einvoice_node import Node
from .einvoice_values import amount, amount_in, detail_day, identifier, is_charge
from .invoice_details import (
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

_NUMBER = "IssuerAssignedID|ID"
_TENDER, _OBJECT = "50", "130"
_TAX_POINTS = {"5": "3", "29": "35", "72": "432"}
"""CII codes the tax point (BT-8) in UNTDID 2475, EN 16931 in 2005."""
_NOTHING = Node("", "", None)


def cii_details(
    root: Node, document: Node, agreement: Node, delivery: Node, settlement: Node, totals: list[Node]
) -> InvoiceDetails:
    """Everything on the document level; `totals` are the header's TaxTotalAmount elements."""
    context = root.first("ExchangedDocumentContext|SpecifiedExchangedDocumentContext") or _NOTHING
    more = agreement.all("AdditionalReferencedDocument") + settlement.all("AdditionalReferencedDocument")
    terms = settlement.all("SpecifiedTradePaymentTerms")
    tax_currency = settlement.value("TaxCurrencyCode")
    other = [node for node in totals if tax_currency and node.attribute("currencyID") == tax_currency]
    tax_point = settlement.value("ApplicableTradeTax/DueDateTypeCode")
    ours = tax_currency == settlement.value("InvoiceCurrencyCode")
    return InvoiceDetails(
        syntax="cii",
        specification=context.value("GuidelineSpecifiedDocumentContextParameter/ID"),
        process=context.value("BusinessProcessSpecifiedDocumentContextParameter/ID"),
        type_code=document.value("TypeCode"),
        tax_point_date=detail_day(settlement.first("ApplicableTradeTax/TaxPointDate")),
        tax_point_code=_TAX_POINTS.get(tax_point or "", tax_point),
        tax_currency=tax_currency,
        tax_total_accounting=None if ours else amount_in(other, tax_currency),
        notes=[
            Note(text=node.value("Content"), subject=node.value("SubjectCode")) for node in document.all("IncludedNote")
        ],
        project=agreement.value("SpecifiedProcuringProject/ID"),
        contract=agreement.value(f"ContractReferencedDocument/{_NUMBER}"),
        sales_order=agreement.value(f"SellerOrderReferencedDocument/{_NUMBER}"),
        receiving_advice=delivery.value(f"ReceivingAdviceReferencedDocument/{_NUMBER}"),
        despatch_advice=delivery.value(f"DespatchAdviceReferencedDocument/{_NUMBER}"),
        tender=next((node.value(_NUMBER) for node in more if node.value("TypeCode") == _TENDER), None),
        object_id=_object(more),
        accounting_reference=settlement.value("ReceivableSpecifiedTradeAccountingAccount/ID"),
        payment_terms="\n".join(text for term in terms if (text := term.value("Description"))) or None,
        preceding_invoices=[_reference(node) for node in settlement.all("InvoiceReferencedDocument")],
        documents=[_reference(node) for node in more if node.value("TypeCode") not in (_TENDER, _OBJECT)],
        seller=_party(agreement.first("SellerTradeParty")),
        buyer=_party(agreement.first("BuyerTradeParty")),
        payee=_party(settlement.first("PayeeTradeParty")),
        tax_representative=_party(agreement.first("SellerTaxRepresentativeTradeParty")),
        delivery=_delivery(delivery.first("ShipToTradeParty")),
        period_start=detail_day(settlement.first("BillingSpecifiedPeriod/StartDateTime")),
        period_end=detail_day(settlement.first("BillingSpecifiedPeriod/EndDateTime")),
        payments=_payments(settlement, next((m for term in terms if (m := term.value("DirectDebitMandateID"))), None)),
        creditor_id=settlement.value("CreditorReferenceID"),
    )


def _object(references: list[Node]) -> Identifier | None:
    node = next((node for node in references if node.value("TypeCode") == _OBJECT), None)
    return node and Identifier(value=node.value(_NUMBER), scheme=node.value("ReferenceTypeCode"))


def _reference(node: Node) -> Reference:
    return Reference(
        number=node.value(_NUMBER),
        issued=detail_day(node.first("FormattedIssueDateTime|IssueDateTime")),
        description=node.value("Name"),
        location=node.value("URIID"),
    )


def _party(party: Node | None) -> Party | None:
    if party is None:
        return None
    name, trading = party.value("Name"), party.value("SpecifiedLegalOrganization/TradingBusinessName")
    taxes = [(node.attribute("schemeID"), node.text) for node in party.all("SpecifiedTaxRegistration/ID") if node.text]
    return Party(
        name=name or trading,
        trading_name=trading if name else None,
        ids=_ids(party),
        legal_id=identifier(party.first("SpecifiedLegalOrganization/ID")),
        vat_id=next((number for scheme, number in taxes if scheme == "VA"), None),
        tax_registration=next((number for scheme, number in taxes if scheme != "VA"), None),
        legal_form=party.value("Description"),
        electronic_address=identifier(party.first("URIUniversalCommunication/URIID")),
        address=_address(party.first("PostalTradeAddress")),
        contact=_contact(party.first("DefinedTradeContact")),
    )


def _ids(party: Node) -> list[Identifier]:
    return [found for node in party.all("GlobalID|ID") if (found := identifier(node))]


def _address(node: Node | None) -> Address | None:
    return node and Address(
        street=node.value("LineOne"),
        street2=node.value("LineTwo"),
        street3=node.value("LineThree"),
        city=node.value("CityName"),
        post_code=node.value("PostcodeCode"),
        subdivision=node.value("CountrySubDivisionName"),
        country=node.value("CountryID"),
    )


def _contact(node: Node | None) -> Contact | None:
    return node and Contact(
        name=node.value("PersonName") or node.value("DepartmentName"),
        phone=node.value("TelephoneUniversalCommunication/CompleteNumber"),
        email=node.value("EmailURIUniversalCommunication/URIID"),
    )


def _delivery(party: Node | None) -> Delivery | None:
    return party and Delivery(
        name=party.value("Name"),
        location=next(iter(_ids(party)), None),
        address=_address(party.first("PostalTradeAddress")),
    )


def _payments(settlement: Node, mandate: str | None) -> list[Payment]:
    """The ways to pay. CII has the mandate in the payment terms; it belongs to the one that debits an account."""
    account = "PayeePartyCreditorFinancialAccount"
    found = [
        Payment(
            code=node.value("TypeCode"),
            text=node.value("Information"),
            account=node.value(f"{account}/IBANID") or node.value(f"{account}/ProprietaryID"),
            account_name=node.value(f"{account}/AccountName"),
            bic=node.value("PayeeSpecifiedCreditorFinancialInstitution/BICID"),
            card=node.value("ApplicableTradeSettlementFinancialCard/ID"),
            card_holder=node.value("ApplicableTradeSettlementFinancialCard/CardholderName"),
            debited_account=node.value("PayerPartyDebtorFinancialAccount/IBANID"),
        )
        for node in settlement.all("SpecifiedTradeSettlementPaymentMeans")
    ]
    if mandate:
        debits = [one for one in found if one.debited_account or one.code in ("49", "59")] or found
        for one in debits[:1]:
            one.mandate = mandate
    return found


def cii_line_details(line: Node, agreement: Node, settlement: Node) -> LineDetails:
    """What one line says beside its amounts."""
    document = line.first("AssociatedDocumentLineDocument") or _NOTHING
    product = line.first("SpecifiedTradeProduct") or _NOTHING
    quantity = agreement.first("NetPriceProductTradePrice/BasisQuantity")
    name = product.value("Name")
    return LineDetails(
        parent=document.value("ParentLineID"),
        note="\n".join(text for node in document.all("IncludedNote/Content") if (text := node.text)) or None,
        object_id=_object(settlement.all("AdditionalReferencedDocument")),
        order_line=agreement.value("BuyerOrderReferencedDocument/LineID"),
        accounting_reference=settlement.value("ReceivableSpecifiedTradeAccountingAccount/ID"),
        period_start=detail_day(settlement.first("BillingSpecifiedPeriod/StartDateTime")),
        period_end=detail_day(settlement.first("BillingSpecifiedPeriod/EndDateTime")),
        allowances_charges=[
            _line_allowance_charge(node) for node in settlement.all("SpecifiedTradeAllowanceCharge") if node.children
        ],
        price_discount=amount(agreement.first("GrossPriceProductTradePrice/AppliedTradeAllowanceCharge/ActualAmount")),
        gross_price=amount(agreement.first("GrossPriceProductTradePrice/ChargeAmount")),
        price_quantity=amount(quantity),
        price_unit=quantity.attribute("unitCode") if quantity else None,
        tax_category=settlement.value("ApplicableTradeTax/CategoryCode"),
        item_description=product.value("Description") if name else None,
        seller_item_id=product.value("SellerAssignedID"),
        buyer_item_id=product.value("BuyerAssignedID"),
        standard_item_id=identifier(product.first("GlobalID")),
        classifications=[
            Classification(code=node.text, scheme=node.attribute("listID"), version=node.attribute("listVersionID"))
            for node in product.all("DesignatedProductClassification/ClassCode")
            if node.text
        ],
        origin_country=product.value("OriginTradeCountry/ID"),
        attributes=[
            Attribute(name=node.value("Description"), value=node.value("Value"))
            for node in product.all("ApplicableProductCharacteristic")
        ],
    )


def _line_allowance_charge(node: Node) -> LineAllowanceCharge:
    return LineAllowanceCharge(
        charge=is_charge(node),
        amount=amount(node.first("ActualAmount")),
        base=amount(node.first("BasisAmount")),
        percent=amount(node.first("CalculationPercent")),
        reason=node.value("Reason"),
        reason_code=node.value("ReasonCode"),
    )
