"""EN 16931: the terms that must be there, on the document and on its lines. Each breach is a warning.

What is missing here is the sender's formal defect. The terms without which nothing can be booked are errors of
`checks_ids` already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from .countries import VAT_PREFIXES
from .document import Finding
from .invoice import AllowanceCharge, Invoice, LineItem
from .invoice_details import InvoiceDetails, LineAllowanceCharge, Party, Payment

_SHOWN = 5
_CREDIT_TRANSFERS = ("30", "58")
_MAX_CARD_DIGITS = 10


def warning(rule: str, message: str, field: str | None = None) -> Finding:
    return Finding(rule, "warning", message, field)


def check_terms(invoice: Invoice, details: InvoiceDetails) -> Iterator[Finding]:
    """The document's own terms, its parties, its payments and its tax breakdown."""
    for rule, name, stated, field in _header(invoice, details):
        if stated is None:
            yield warning(rule, f"the {name} is missing", field)
    yield from _parties(details)
    yield from _payments(details.payments)
    yield from _breakdown(invoice)
    yield from _allowances_charges(invoice.allowances_charges)
    if details.tax_currency not in (None, invoice.currency) and details.tax_total_accounting is None:
        yield warning("BR-53", f"there is no total tax (BT-111) in the accounting currency {details.tax_currency}")
    if details.period_start and details.period_end and details.period_end < details.period_start:
        message = f"the invoicing period ends on {details.period_end}, before it begins on {details.period_start}"
        yield warning("BR-29", message)
    if details.tax_point_date and details.tax_point_code:
        yield warning("BR-CO-03", "the tax point is given as a date (BT-7) and as a code (BT-8)")
    if any(reference.number is None for reference in details.preceding_invoices):
        yield warning("BR-55", "a reference to a preceding invoice has no number (BT-25)")
    if any(document.number is None for document in details.documents):
        yield warning("BR-52", "a supporting document has no reference (BT-122)")


def _header(invoice: Invoice, details: InvoiceDetails) -> Iterable[tuple[str, str, object, str | None]]:
    seller, buyer = details.seller or Party(), details.buyer or Party()
    yield "BR-02", "invoice number (BT-1)", invoice.invoice_number, "invoice_number"
    yield "BR-03", "issue date (BT-2)", invoice.issue_date, "issue_date"
    yield "BR-04", "type code (BT-3)", details.type_code, "doc_type"
    yield "BR-05", "currency (BT-5)", invoice.currency, "currency"
    yield "BR-06", "seller's name (BT-27)", seller.name, "seller_name"
    yield "BR-07", "buyer's name (BT-44)", buyer.name, "buyer_name"
    yield "BR-08", "seller's postal address (BG-5)", seller.address, None
    yield "BR-10", "buyer's postal address (BG-8)", buyer.address, None
    yield "BR-12", "sum of line net amounts (BT-106)", invoice.line_total, "line_total"
    yield "BR-13", "total without tax (BT-109)", invoice.net_total, "net_total"
    yield "BR-14", "total with tax (BT-112)", invoice.gross_total, "gross_total"
    yield "BR-15", "amount due (BT-115)", invoice.amount_due, "amount_due"
    yield "BR-CO-18", "tax breakdown (BG-23)", invoice.tax_lines or None, "tax_lines"
    known = seller.ids or seller.legal_id or seller.vat_id
    yield "BR-CO-26", "seller's identifier, register number or VAT id (BT-29, BT-30, BT-31)", known or None, None


def _parties(details: InvoiceDetails) -> Iterator[Finding]:
    seller, buyer, agent, payee = details.seller, details.buyer, details.tax_representative, details.payee
    for rule, party, whose in (("BR-09", seller, "seller's"), ("BR-11", buyer, "buyer's")):
        if party and party.address and party.address.country is None:
            yield warning(rule, f"the {whose} address has no country code ({'BT-40' if party is seller else 'BT-55'})")
    for rule, party, whose in (("BR-62", seller, "seller's"), ("BR-63", buyer, "buyer's")):
        if party and party.electronic_address and party.electronic_address.scheme is None:
            yield warning(rule, f"the {whose} electronic address has no scheme")
    if payee and payee.name is None:
        yield warning("BR-17", "the payee has no name (BT-59)")
    if agent:
        yield from _tax_representative(agent)
    address = details.delivery and details.delivery.address
    if address and address.country is None:
        yield warning("BR-57", "the delivery address has no country code (BT-80)")
    for party, term in ((seller, "BT-31"), (buyer, "BT-48"), (agent, "BT-63")):
        if party and party.vat_id and party.vat_id[:2].upper() not in VAT_PREFIXES:
            yield warning("BR-CO-09", f"the VAT id {party.vat_id[:40]} ({term}) does not begin with a country code")


def _tax_representative(agent: Party) -> Iterator[Finding]:
    if agent.name is None:
        yield warning("BR-18", "the tax representative has no name (BT-62)")
    if agent.address is None:
        yield warning("BR-19", "the tax representative has no address (BG-12)")
    elif agent.address.country is None:
        yield warning("BR-20", "the tax representative's address has no country code (BT-69)")
    if agent.vat_id is None:
        yield warning("BR-56", "the tax representative has no VAT id (BT-63)")


def _payments(payments: Iterable[Payment]) -> Iterator[Finding]:
    for number, payment in enumerate(payments, 1):
        if payment.code is None:
            yield warning("BR-49", f"payment {number} has no payment means code (BT-81)")
        if payment.code in _CREDIT_TRANSFERS and payment.account is None:
            yield warning("BR-61", f"payment {number} is a credit transfer, but has no account (BT-84)", "iban")
        if payment.card and len(payment.card) > _MAX_CARD_DIGITS:
            yield warning("BR-51", "a card number (BT-87) shows more than its first six and last four digits")


def _breakdown(invoice: Invoice) -> Iterator[Finding]:
    for number, row in enumerate(invoice.tax_lines, 1):
        if row.base is None:
            yield warning("BR-45", f"row {number} of the tax breakdown has no taxable amount (BT-116)", "tax_lines")
        if row.amount is None:
            yield warning("BR-46", f"row {number} of the tax breakdown has no tax amount (BT-117)", "tax_lines")
        if row.category is None:
            yield warning("BR-47", f"row {number} of the tax breakdown has no category (BT-118)", "tax_lines")
        if row.rate is None and row.category != "O":
            yield warning("BR-48", f"row {number} of the tax breakdown has no rate (BT-119)", "tax_lines")


def _allowances_charges(parts: Iterable[AllowanceCharge]) -> Iterator[Finding]:
    for number, part in enumerate(parts, 1):
        kind, rules = (
            ("charge", ("BR-36", "BR-37", "BR-38")) if part.charge else ("allowance", ("BR-31", "BR-32", "BR-33"))
        )
        what = f"{kind} {number} on the document"
        if part.amount is None:
            yield warning(rules[0], f"{what} has no amount", "allowances_charges")
        if part.tax_category is None:
            yield warning(rules[1], f"{what} has no tax category", "allowances_charges")
        if part.reason is None and part.reason_code is None:
            yield warning(rules[2], f"{what} has no reason", "allowances_charges")


_Rule = tuple[str, str, Callable[[LineItem], bool]]
_LINE_RULES: tuple[_Rule, ...] = (
    ("BR-21", "no identifier (BT-126)", lambda line: line.line_id is None),
    ("BR-22", "no quantity (BT-129)", lambda line: line.quantity is None),
    ("BR-23", "no unit (BT-130)", lambda line: line.quantity is not None and line.unit is None),
    ("BR-24", "no net amount (BT-131)", lambda line: line.net_amount is None),
    ("BR-25", "no item name (BT-153)", lambda line: line.description is None),
    ("BR-26", "no net price (BT-146)", lambda line: line.unit_price is None),
    ("BR-27", "a negative price (BT-146)", lambda line: _negative(line.unit_price)),
    ("BR-28", "a negative gross price (BT-148)", lambda line: _negative(line.details and line.details.gross_price)),
    ("BR-30", "a period that ends before it begins", lambda line: _ends_early(line)),
    ("BR-41", "an allowance without an amount", lambda line: _bare(line, False, lambda part: part.amount is None)),
    ("BR-42", "an allowance without a reason", lambda line: _bare(line, False, _no_reason)),
    ("BR-43", "a charge without an amount", lambda line: _bare(line, True, lambda part: part.amount is None)),
    ("BR-44", "a charge without a reason", lambda line: _bare(line, True, _no_reason)),
    ("BR-54", "an attribute without a name or a value", lambda line: _half_attribute(line)),
    ("BR-64", "a standard item identifier without its scheme", lambda line: _no_scheme(line)),
    ("BR-65", "an item classification without its scheme", lambda line: _no_class_scheme(line)),
    ("BR-CO-04", "no tax category (BT-151)", lambda line: line.details is None or line.details.tax_category is None),
)


def check_lines(invoice: Invoice) -> Iterator[Finding]:
    """One finding for each rule that lines break, with the first of those lines."""
    if not invoice.line_items:
        yield warning("BR-16", "there is no invoice line (BG-25)", "line_items")
    for rule, what, broken in _LINE_RULES:
        lines = [
            line.line_id or f"no. {number}"
            for number, line in enumerate(invoice.line_items, 1)
            if line.status is None and broken(line)
        ]
        if lines:
            shown = ", ".join(lines[:_SHOWN]) + (f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")
            yield warning(rule, f"{'line' if len(lines) == 1 else 'lines'} {shown}: {what}", "line_items")


def _negative(value: Decimal | None) -> bool:
    return value is not None and value < 0


def _ends_early(line: LineItem) -> bool:
    period = line.details
    return bool(period and period.period_start and period.period_end and period.period_end < period.period_start)


def _bare(line: LineItem, charge: bool, broken: Callable[[LineAllowanceCharge], bool]) -> bool:
    parts = line.details.allowances_charges if line.details else []
    return any(part.charge == charge and broken(part) for part in parts)


def _no_reason(part: LineAllowanceCharge) -> bool:
    return part.reason is None and part.reason_code is None


def _half_attribute(line: LineItem) -> bool:
    return any(a.name is None or a.value is None for a in (line.details.attributes if line.details else ()))


def _no_scheme(line: LineItem) -> bool:
    number = line.details and line.details.standard_item_id
    return number is not None and number.scheme is None


def _no_class_scheme(line: LineItem) -> bool:
    return any(found.scheme is None for found in (line.details.classifications if line.details else ()))
