"""What an invoice says, in the terms of EN 16931 (the BT and BG numbers), money as `Decimal`.

This is data only: it never checks arithmetic (see `checks`), never guesses. None means "the document does not say".
Amounts keep the sign and the scale they were read with. What is marked `SkipJsonSchema` only e-invoices state: it is no
part of the schema that a model is given.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from .invoice_details import InvoiceDetails, LineDetails
from .invoice_values import Amount, Day, Part, Text

DocType = Literal["invoice", "credit_note"]


class LineItem(Part):
    """One invoice line (BG-25)."""

    line_id: Text = Field(default=None, description="line number or position as printed (BT-126)")
    description: Text = Field(default=None, description="name of the goods or service (BT-153)")
    quantity: Amount = Field(default=None, description="invoiced quantity (BT-129)")
    unit: Text = Field(default=None, description="unit of the quantity, as written (BT-130)")
    unit_price: Amount = Field(default=None, description="net price of one unit (BT-146)")
    net_amount: Amount = Field(default=None, description="line amount without tax (BT-131)")
    tax_rate: Amount = Field(default=None, description="tax rate of the line in percent, 19 for 19 % (BT-152)")
    status: Text = Field(
        default=None, description="GROUP or INFORMATION for a row that only groups or informs; null otherwise"
    )
    details: SkipJsonSchema[LineDetails | None] = Field(default=None, description="what only e-invoices state")


class AllowanceCharge(Part):
    """An allowance (deducted) or a charge (added) on the whole document (BG-20, BG-21); `amount` is positive."""

    charge: bool = Field(default=False, description="true for a charge that adds, false for an allowance that deducts")
    amount: Amount = Field(default=None, description="amount without tax (BT-92, BT-99)")
    reason: Text = Field(default=None, description="reason in words (BT-97, BT-104)")
    tax_rate: Amount = Field(default=None, description="tax rate in percent (BT-96, BT-103)")
    tax_category: SkipJsonSchema[Text] = Field(default=None, description="tax category code (BT-95, BT-102)")
    reason_code: SkipJsonSchema[Text] = Field(default=None, description="reason as a code (BT-98, BT-105)")
    base: SkipJsonSchema[Amount] = Field(default=None, description="what the percentage is of (BT-93, BT-100)")
    percent: SkipJsonSchema[Amount] = Field(default=None, description="percentage (BT-94, BT-101)")


class TaxLine(Part):
    """One row of the tax breakdown (BG-23)."""

    category: Text = Field(default=None, description="tax category code, e.g. S, Z, E, AE, K, G, O (BT-118)")
    rate: Amount = Field(default=None, description="rate in percent (BT-119)")
    base: Amount = Field(default=None, description="taxable amount (BT-116)")
    amount: Amount = Field(default=None, description="tax amount (BT-117)")
    exemption_reason: SkipJsonSchema[Text] = Field(default=None, description="why there is no tax (BT-120)")
    exemption_code: SkipJsonSchema[Text] = Field(default=None, description="the same as a code (BT-121)")


class Invoice(Part):
    """One invoice or credit note. Field names are those of the exported records."""

    doc_type: DocType = Field(default="invoice", description="credit_note if the document credits, else invoice (BT-3)")
    invoice_number: Text = Field(default=None, description="the seller's number of this document (BT-1)")
    issue_date: Day = Field(default=None, description="date of issue, YYYY-MM-DD (BT-2)")
    due_date: Day = Field(default=None, description="date by which to pay, YYYY-MM-DD, only if it is stated (BT-9)")
    delivery_date: Day = Field(default=None, description="date of delivery or service, YYYY-MM-DD (BT-72)")
    currency: Text = Field(default=None, description="ISO 4217 code of the invoice's currency (BT-5)")
    seller_name: Text = Field(default=None, description="name of the seller, who issues and is paid (BT-27)")
    seller_tax_id: Text = Field(
        default=None, description="VAT identifier of the seller, else its tax number (BT-31, BT-32)"
    )
    buyer_name: Text = Field(default=None, description="name of the buyer, who is billed (BT-44)")
    buyer_tax_id: Text = Field(default=None, description="VAT identifier of the buyer (BT-48)")
    purchase_order: Text = Field(default=None, description="purchase order reference (BT-13)")
    buyer_reference: Text = Field(default=None, description="buyer reference (BT-10)")
    line_total: Amount = Field(default=None, description="sum of line net amounts (BT-106)")
    allowance_total: Amount = Field(default=None, description="sum of document allowances, positive (BT-107)")
    charge_total: Amount = Field(default=None, description="sum of document charges (BT-108)")
    net_total: Amount = Field(default=None, description="total without tax (BT-109)")
    tax_total: Amount = Field(default=None, description="total tax (BT-110)")
    gross_total: Amount = Field(default=None, description="total with tax (BT-112)")
    prepaid: Amount = Field(default=None, description="already paid, positive (BT-113)")
    rounding: Amount = Field(default=None, description="rounding added to the amount due (BT-114)")
    amount_due: Amount = Field(default=None, description="left to pay (BT-115)")
    iban: Text = Field(default=None, description="account to pay to (BT-84)")
    payment_reference: Text = Field(default=None, description="reference to give with the payment (BT-83)")
    line_items: list[LineItem] = Field(default_factory=list[LineItem], description="every invoice line, in order")
    tax_lines: list[TaxLine] = Field(default_factory=list[TaxLine], description="tax breakdown by rate")
    allowances_charges: list[AllowanceCharge] = Field(
        default_factory=list[AllowanceCharge], description="allowances and charges on the whole document"
    )
    details: SkipJsonSchema[InvoiceDetails | None] = Field(default=None, description="what only e-invoices state")
