"""What a UBL invoice says beside its totals: parties, references, payment, and each line's details.

Promises: what the XML says, where EN 16931-3-2 says it is. A group that is not there is None, or an empty list.
"""

from __future__ import annotations

import re
from decimal import Decimal

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

_OBJECT, _PROJECT = "130", "50"
_CODED_NOTE = re.compile(r"#([A-Z]{3})#(.*)", re.DOTALL)


def ubl_details(root: Node, type_code: str | None) -> InvoiceDetails:
    """Everything on the document level."""
    more = root.all("AdditionalDocumentReference")
    projects = [node.value("ID") for node in more if node.value("DocumentTypeCode") == _PROJECT]
    supplier = root.first("AccountingSupplierParty/Party")
    payee = root.first("PayeeParty")
    return InvoiceDetails(
        syntax="ubl",
        specification=root.value("CustomizationID"),
        process=root.value("ProfileID"),
        type_code=type_code,
        tax_point_date=detail_day(root.first("TaxPointDate")),
        tax_point_code=root.value("InvoicePeriod/DescriptionCode"),
        tax_currency=root.value("TaxCurrencyCode"),
        tax_total_accounting=_accounting_tax(root),
        notes=[_note(node.text) for node in root.all("Note") if node.text],
        project=root.value("ProjectReference/ID") or next(iter(projects), None),
        contract=root.value("ContractDocumentReference/ID"),
        sales_order=root.value("OrderReference/SalesOrderID"),
        receiving_advice=root.value("ReceiptDocumentReference/ID"),
        despatch_advice=root.value("DespatchDocumentReference/ID"),
        tender=root.value("OriginatorDocumentReference/ID"),
        object_id=identifier(_object(more)),
        accounting_reference=root.value("AccountingCost"),
        payment_terms="\n".join(text for node in root.all("PaymentTerms/Note") if (text := node.text)) or None,
        preceding_invoices=[_reference(node) for node in root.all("BillingReference/InvoiceDocumentReference")],
        documents=[_reference(node) for node in more if node.value("DocumentTypeCode") not in (_OBJECT, _PROJECT)],
        seller=_party(supplier),
        buyer=_party(root.first("AccountingCustomerParty/Party")),
        payee=_party(payee),
        tax_representative=_party(root.first("TaxRepresentativeParty")),
        delivery=_delivery(root.first("Delivery")),
        period_start=detail_day(root.first("InvoicePeriod/StartDate")),
        period_end=detail_day(root.first("InvoicePeriod/EndDate")),
        payments=[_payment(node) for node in root.all("PaymentMeans")],
        creditor_id=_creditor(payee) or _creditor(supplier),
    )


def _object(references: list[Node]) -> Node | None:
    return next((node.first("ID") for node in references if node.value("DocumentTypeCode") == _OBJECT), None)


def _accounting_tax(root: Node) -> Decimal | None:
    """The tax total in the currency of the accounts (BT-111)."""
    currency = root.value("TaxCurrencyCode")
    if currency is None or currency == root.value("DocumentCurrencyCode"):
        return None
    stated = [node for node in root.all("TaxTotal/TaxAmount") if node.attribute("currencyID") == currency]
    return amount_in(stated, currency)


def _note(text: str) -> Note:
    coded = _CODED_NOTE.fullmatch(text)
    return Note(text=coded[2], subject=coded[1]) if coded else Note(text=text)


def _reference(node: Node) -> Reference:
    return Reference(
        number=node.value("ID"),
        issued=detail_day(node.first("IssueDate")),
        description=node.value("DocumentDescription"),
        location=node.value("Attachment/ExternalReference/URI"),
    )


def _party(party: Node | None) -> Party | None:
    if party is None:
        return None
    registered, trading = party.value("PartyLegalEntity/RegistrationName"), party.value("PartyName/Name")
    registrations = [
        (node.value("TaxScheme/ID") or "", node.value("CompanyID")) for node in party.all("PartyTaxScheme")
    ]
    vat = [number for kind, number in registrations if number and kind.upper() == "VAT"]
    other = [number for kind, number in registrations if number and kind.upper() != "VAT"]
    ids = [found for node in party.all("PartyIdentification/ID") if (found := identifier(node))]
    return Party(
        name=registered or trading,
        trading_name=trading if registered else None,
        ids=[one for one in ids if one.scheme != "SEPA"],
        legal_id=identifier(party.first("PartyLegalEntity/CompanyID")),
        vat_id=next(iter(vat), None),
        tax_registration=next(iter(other), None),
        legal_form=party.value("PartyLegalEntity/CompanyLegalForm"),
        electronic_address=identifier(party.first("EndpointID")),
        address=_address(party.first("PostalAddress")),
        contact=_contact(party.first("Contact")),
    )


def _creditor(party: Node | None) -> str | None:
    ids: list[Identifier | None] = [identifier(node) for node in party.all("PartyIdentification/ID")] if party else []
    return next((one.value for one in ids if one and one.scheme == "SEPA"), None)


def _address(node: Node | None) -> Address | None:
    return node and Address(
        street=node.value("StreetName"),
        street2=node.value("AdditionalStreetName"),
        street3=node.value("AddressLine/Line"),
        city=node.value("CityName"),
        post_code=node.value("PostalZone"),
        subdivision=node.value("CountrySubentity"),
        country=node.value("Country/IdentificationCode"),
    )


def _contact(node: Node | None) -> Contact | None:
    return node and Contact(name=node.value("Name"), phone=node.value("Telephone"), email=node.value("ElectronicMail"))


def _delivery(node: Node | None) -> Delivery | None:
    return node and Delivery(
        name=node.value("DeliveryParty/PartyName/Name"),
        location=identifier(node.first("DeliveryLocation/ID")),
        address=_address(node.first("DeliveryLocation/Address")),
    )


def _payment(node: Node) -> Payment:
    code = node.first("PaymentMeansCode")
    return Payment(
        code=code.text if code else None,
        text=(code.attribute("name") if code else None) or node.value("InstructionNote"),
        account=node.value("PayeeFinancialAccount/ID"),
        account_name=node.value("PayeeFinancialAccount/Name"),
        bic=node.value("PayeeFinancialAccount/FinancialInstitutionBranch/ID"),
        card=node.value("CardAccount/PrimaryAccountNumberID"),
        card_holder=node.value("CardAccount/HolderName"),
        mandate=node.value("PaymentMandate/ID"),
        debited_account=node.value("PaymentMandate/PayerFinancialAccount/ID"),
    )


def ubl_line_details(line: Node, parent: str | None) -> LineDetails:
    """What one line, or sub-line of `parent`, says beside its amounts."""
    item = line.first("Item") or Node("", "", None)
    quantity = line.first("Price/BaseQuantity")
    classes = [node for node in item.all("CommodityClassification/ItemClassificationCode") if node.text]
    name = item.value("Name")
    return LineDetails(
        parent=parent,
        note="\n".join(text for node in line.all("Note") if (text := node.text)) or None,
        object_id=identifier(_object(line.all("DocumentReference"))),
        order_line=line.value("OrderLineReference/LineID"),
        accounting_reference=line.value("AccountingCost"),
        period_start=detail_day(line.first("InvoicePeriod/StartDate")),
        period_end=detail_day(line.first("InvoicePeriod/EndDate")),
        allowances_charges=[_line_allowance_charge(node) for node in line.all("AllowanceCharge") if node.children],
        price_discount=amount(line.first("Price/AllowanceCharge/Amount")),
        gross_price=amount(line.first("Price/AllowanceCharge/BaseAmount")),
        price_quantity=amount(quantity),
        price_unit=quantity.attribute("unitCode") if quantity else None,
        tax_category=item.value("ClassifiedTaxCategory/ID"),
        item_description=item.value("Description") if name else None,
        seller_item_id=item.value("SellersItemIdentification/ID"),
        buyer_item_id=item.value("BuyersItemIdentification/ID"),
        standard_item_id=identifier(item.first("StandardItemIdentification/ID")),
        classifications=[
            Classification(code=node.text, scheme=node.attribute("listID"), version=node.attribute("listVersionID"))
            for node in classes
        ],
        origin_country=item.value("OriginCountry/IdentificationCode"),
        attributes=[
            Attribute(name=node.value("Name"), value=node.value("Value")) for node in item.all("AdditionalItemProperty")
        ],
    )


def _line_allowance_charge(node: Node) -> LineAllowanceCharge:
    return LineAllowanceCharge(
        charge=is_charge(node),
        amount=amount(node.first("Amount")),
        base=amount(node.first("BaseAmount")),
        percent=amount(node.first("MultiplierFactorNumeric")),
        reason=node.value("AllowanceChargeReason"),
        reason_code=node.value("AllowanceChargeReasonCode"),
    )
