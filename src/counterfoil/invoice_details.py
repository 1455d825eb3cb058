"""The terms of EN 16931 that only e-invoices state in full: parties, references, payment, periods, line details.

No model is ever asked for them; they are there where the XML has them, and what is silent is left out when written.
Numbers in brackets are those of EN 16931 (BT: a term, BG: a group).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from .invoice_values import Amount, Day, Part, Text


class Details(Part):
    """A group that is written without its empty terms: an invoice may have thousands of lines."""

    @model_serializer(mode="wrap")
    def _stated(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value not in (None, [])}


class Identifier(Details):
    """A number in the register that `scheme` names (ISO 6523 for most)."""

    value: Text = None
    scheme: Text = None


class Address(Details):
    """A postal address (BG-5, BG-8, BG-12, BG-15)."""

    street: Text = Field(default=None, description="line 1 (BT-35)")
    street2: Text = Field(default=None, description="line 2 (BT-36)")
    street3: Text = Field(default=None, description="line 3 (BT-162)")
    city: Text = Field(default=None, description="BT-37")
    post_code: Text = Field(default=None, description="BT-38")
    subdivision: Text = Field(default=None, description="region or state (BT-39)")
    country: Text = Field(default=None, description="ISO 3166-1 alpha-2 (BT-40)")


class Contact(Details):
    """Whom to ask (BG-6, BG-9)."""

    name: Text = None
    phone: Text = None
    email: Text = None


class Party(Details):
    """Seller (BG-4), buyer (BG-7), payee (BG-10), or the seller's tax representative (BG-11)."""

    name: Text = Field(default=None, description="registered name (BT-27)")
    trading_name: Text = Field(default=None, description="BT-28")
    ids: list[Identifier] = Field(default_factory=list[Identifier], description="BT-29")
    legal_id: Identifier | None = Field(default=None, description="number in the register of companies (BT-30)")
    vat_id: Text = Field(default=None, description="BT-31")
    tax_registration: Text = Field(default=None, description="a tax number that is no VAT id (BT-32)")
    legal_form: Text = Field(default=None, description="additional legal information (BT-33)")
    electronic_address: Identifier | None = Field(default=None, description="BT-34")
    address: Address | None = None
    contact: Contact | None = None


class Delivery(Details):
    """Where it was delivered (BG-13)."""

    name: Text = Field(default=None, description="who received it (BT-70)")
    location: Identifier | None = Field(default=None, description="BT-71")
    address: Address | None = Field(default=None, description="BG-15")


class Payment(Details):
    """One way to pay (BG-16 to BG-19)."""

    code: Text = Field(default=None, description="payment means, UNTDID 4461 (BT-81)")
    text: Text = Field(default=None, description="payment means in words (BT-82)")
    account: Text = Field(default=None, description="IBAN, or another account number (BT-84)")
    account_name: Text = Field(default=None, description="BT-85")
    bic: Text = Field(default=None, description="BT-86")
    card: Text = Field(default=None, description="last digits of the card (BT-87)")
    card_holder: Text = Field(default=None, description="BT-88")
    mandate: Text = Field(default=None, description="direct debit mandate (BT-89)")
    debited_account: Text = Field(default=None, description="BT-91")


class Note(Details):
    text: Text = Field(default=None, description="BT-22")
    subject: Text = Field(default=None, description="UNTDID 4451 (BT-21)")


class Reference(Details):
    """Another document: a preceding invoice (BG-3), or a supporting document (BG-24)."""

    number: Text = Field(default=None, description="BT-25, BT-122")
    issued: Day = Field(default=None, description="BT-26")
    description: Text = Field(default=None, description="BT-123")
    location: Text = Field(default=None, description="address of the document (BT-124)")


class Withholding(Details):
    """A tax that the buyer withholds (FatturaPA DatiRitenuta)."""

    kind: Text = None
    rate: Amount = None
    amount: Amount = None
    reason: Text = None


class LineAllowanceCharge(Details):
    """An allowance or a charge that is part of a line's net amount (BG-27, BG-28)."""

    charge: bool = False
    amount: Amount = Field(default=None, description="BT-136, BT-141")
    base: Amount = Field(default=None, description="BT-137, BT-142")
    percent: Amount = Field(default=None, description="BT-138, BT-143")
    reason: Text = Field(default=None, description="BT-139, BT-144")
    reason_code: Text = Field(default=None, description="BT-140, BT-145")


class Attribute(Details):
    """A property of the item (BG-32)."""

    name: Text = None
    value: Text = None


class Classification(Details):
    """A code for the kind of item (BT-158)."""

    code: Text = None
    scheme: Text = None
    version: Text = None


class LineDetails(Details):
    """What an e-invoice says of a line beside its amounts."""

    parent: Text = Field(default=None, description="the line that this is a part of")
    note: Text = Field(default=None, description="BT-127")
    object_id: Identifier | None = Field(default=None, description="BT-128")
    order_line: Text = Field(default=None, description="BT-132")
    accounting_reference: Text = Field(default=None, description="BT-133")
    period_start: Day = Field(default=None, description="BT-134")
    period_end: Day = Field(default=None, description="BT-135")
    allowances_charges: list[LineAllowanceCharge] = Field(default_factory=list[LineAllowanceCharge])
    price_discount: Amount = Field(default=None, description="BT-147")
    gross_price: Amount = Field(default=None, description="BT-148")
    price_quantity: Amount = Field(default=None, description="quantity that the price is for (BT-149)")
    price_unit: Text = Field(default=None, description="BT-150")
    tax_category: Text = Field(default=None, description="BT-151")
    item_description: Text = Field(default=None, description="BT-154")
    seller_item_id: Text = Field(default=None, description="BT-155")
    buyer_item_id: Text = Field(default=None, description="BT-156")
    standard_item_id: Identifier | None = Field(default=None, description="BT-157")
    classifications: list[Classification] = Field(default_factory=list[Classification])
    origin_country: Text = Field(default=None, description="BT-159")
    attributes: list[Attribute] = Field(default_factory=list[Attribute])


class InvoiceDetails(Details):
    """What an e-invoice says as a whole beside its totals."""

    syntax: Text = Field(default=None, description="ubl, cii or fatturapa")
    specification: Text = Field(default=None, description="BT-24")
    process: Text = Field(default=None, description="BT-23")
    type_code: Text = Field(default=None, description="UNTDID 1001 (BT-3)")
    tax_point_date: Day = Field(default=None, description="BT-7")
    tax_point_code: Text = Field(default=None, description="BT-8")
    tax_currency: Text = Field(default=None, description="BT-6")
    tax_total_accounting: Amount = Field(default=None, description="BT-111")
    notes: list[Note] = Field(default_factory=list[Note])
    project: Text = Field(default=None, description="BT-11")
    contract: Text = Field(default=None, description="BT-12")
    sales_order: Text = Field(default=None, description="BT-14")
    receiving_advice: Text = Field(default=None, description="BT-15")
    despatch_advice: Text = Field(default=None, description="BT-16")
    tender: Text = Field(default=None, description="BT-17")
    object_id: Identifier | None = Field(default=None, description="BT-18")
    accounting_reference: Text = Field(default=None, description="BT-19")
    payment_terms: Text = Field(default=None, description="BT-20")
    preceding_invoices: list[Reference] = Field(default_factory=list[Reference])
    documents: list[Reference] = Field(default_factory=list[Reference])
    seller: Party | None = None
    buyer: Party | None = None
    payee: Party | None = None
    tax_representative: Party | None = None
    delivery: Delivery | None = None
    period_start: Day = Field(default=None, description="BT-73")
    period_end: Day = Field(default=None, description="BT-74")
    payments: list[Payment] = Field(default_factory=list[Payment])
    creditor_id: Text = Field(default=None, description="bank assigned creditor identifier (BT-90)")
    withholdings: list[Withholding] = Field(default_factory=list[Withholding])
    stamp_duty: Amount = Field(default=None, description="FatturaPA DatiBollo")
