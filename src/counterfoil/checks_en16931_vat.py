"""EN 16931: what each tax category asks for (BR-S, BR-Z, BR-E, BR-AE, BR-IC, BR-G, BR-O, BR-AF, BR-AG, BR-B).

The taxable amount of a category that is off by 1 or more, and tax in a category that has none, are errors; all else is
a warning. IGIC and IPSI have the ids that the validators use (BR-AF, BR-AG), which the text of the norm calls BR-IG and
BR-IP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from .checks_en16931_sums import cents, known
from .checks_en16931_terms import warning
from .document import Finding
from .invoice import Invoice, TaxLine
from .invoice_details import InvoiceDetails, Party

_RULES = {"S": "S", "Z": "Z", "E": "E", "AE": "AE", "K": "IC", "G": "G", "O": "O", "L": "AF", "M": "AG"}
_WITH_RATES = ("S", "L", "M")
_WITH_REASON = ("E", "AE", "K", "G", "O")
_KINDS = ("line", "allowance", "charge")

_Use = tuple[str, str | None, Decimal | None, Decimal | None]
"""Where a category is used: kind (line, allowance, charge), category, rate, amount with its sign in the sum."""


def check_vat(invoice: Invoice, details: InvoiceDetails) -> Iterator[Finding]:
    """The rules of every category that is used or broken down."""
    uses = list(_uses(invoice))
    for category, letters in _RULES.items():
        ours = [use for use in uses if use[1] == category]
        rows = [row for row in invoice.tax_lines if row.category == category]
        if not ours and not rows:
            continue
        yield from _present(letters, category, ours, rows)
        yield from _identified(letters, category, ours, details)
        yield from _rates(letters, category, ours)
        for row in rows:
            yield from _row(letters, category, row, ours)
    yield from _intra_community(invoice, details)
    yield from _not_mixed(invoice, uses)


def _uses(invoice: Invoice) -> Iterator[_Use]:
    for line in invoice.line_items:
        if line.status is None:
            yield "line", line.details and line.details.tax_category, line.tax_rate, line.net_amount
    for part in invoice.allowances_charges:
        kind, amount = ("charge", part.amount) if part.charge else ("allowance", part.amount and -part.amount)
        yield kind, part.tax_category, part.tax_rate, amount


def _present(letters: str, category: str, uses: list[_Use], rows: list[TaxLine]) -> Iterator[Finding]:
    if not rows:
        message = f"tax category {category} is used, but is not in the tax breakdown"
    elif not uses:
        message = f"tax category {category} is in the tax breakdown, but nothing has it"
    elif len(rows) > 1 and category not in _WITH_RATES:
        message = f"tax category {category} is in the tax breakdown more than once"
    else:
        return
    yield warning(f"BR-{letters}-01", message, "tax_lines")


def _identified(letters: str, category: str, uses: list[_Use], details: InvoiceDetails) -> Iterator[Finding]:
    """BR-x-02 to -04: whose tax numbers the category asks for, or forbids."""
    seller, buyer, agent = details.seller or Party(), details.buyer or Party(), details.tax_representative or Party()
    vat = seller.vat_id or agent.vat_id
    if category == "O":
        problem = "there may be no VAT id of seller or buyer" if vat or buyer.vat_id else None
    elif category in ("K", "G"):
        problem = None if vat else "the seller's VAT id (BT-31) is missing"
    else:
        problem = (
            None if vat or seller.tax_registration else "the seller's VAT id or tax number (BT-31, BT-32) is missing"
        )
    if problem is None and category == "K" and not buyer.vat_id:
        problem = "the buyer's VAT id (BT-48) is missing"
    if problem is None and category == "AE" and not (buyer.vat_id or buyer.legal_id):
        problem = "the buyer's VAT id or register number (BT-48, BT-47) is missing"
    if problem:
        used = {kind for kind, *_ in uses}
        for number, kind in enumerate(_KINDS, 2):
            if kind in used:
                yield warning(f"BR-{letters}-{number:02}", f"for a {kind} of tax category {category} {problem}")


def _rates(letters: str, category: str, uses: list[_Use]) -> Iterator[Finding]:
    """BR-x-05 to -07: the rate that goes with the category."""
    for number, kind in enumerate(_KINDS, 5):
        odd = [rate for found, _, rate, _ in uses if found == kind and not _fits(category, rate)]
        if odd:
            shown = "no rate" if odd[0] is None else f"a rate of {odd[0]:f} %"
            yield warning(f"BR-{letters}-{number:02}", f"a {kind} of tax category {category} has {shown}")


def _fits(category: str, rate: Decimal | None) -> bool:
    if category == "O":
        return rate is None
    if rate is None:
        return False
    return rate > 0 if category == "S" else rate >= 0 if category in _WITH_RATES else rate == 0


def _row(letters: str, category: str, row: TaxLine, uses: list[_Use]) -> Iterator[Finding]:
    """BR-x-08 to -10 of one row of the breakdown."""
    same = [amount for _, _, rate, amount in uses if category not in _WITH_RATES or rate == row.rate]
    expected = cents(known(same))
    if uses and row.base is not None and row.base != expected:
        severity = "error" if abs(row.base - expected) >= 1 else "warning"
        of = f"tax category {category}" + (f" at {row.rate:f} %" if row.rate is not None else "")
        message = f"what has {of} adds up to {expected}, but the taxable amount is {row.base:f}"
        yield Finding(f"BR-{letters}-08", severity, message, "tax_lines")
    if category not in _WITH_RATES and row.amount:
        message = f"tax category {category} has no tax, but the tax amount is {row.amount:f}"
        yield Finding(f"BR-{letters}-09", "error", message, "tax_lines")
    if category in _WITH_RATES and row.amount is not None and row.base is not None and row.rate is not None:
        tax = cents(abs(row.base) * row.rate / 100)
        if abs(abs(row.amount) - tax) >= 1:
            message = f"{row.rate:f} % of {row.base:f} is {tax}, but the tax amount is {row.amount:f}"
            yield Finding(f"BR-{letters}-09", "error", message, "tax_lines")
    reason = row.exemption_reason or row.exemption_code
    if category in _WITH_REASON and not reason:
        yield warning(f"BR-{letters}-10", f"tax category {category} has no reason for the exemption (BT-120, BT-121)")
    if category not in _WITH_REASON and reason:
        yield warning(f"BR-{letters}-10", f"tax category {category} has a reason for an exemption: {reason[:60]}")


def _intra_community(invoice: Invoice, details: InvoiceDetails) -> Iterator[Finding]:
    if not any(row.category == "K" for row in invoice.tax_lines):
        return
    if not (invoice.delivery_date or details.period_start or details.period_end):
        yield warning("BR-IC-11", "an intra-community supply has no delivery date (BT-72) and no period (BG-14)")
    address = details.delivery and details.delivery.address
    if not (address and address.country):
        yield warning("BR-IC-12", "an intra-community supply has no country of delivery (BT-80)")


def _not_mixed(invoice: Invoice, uses: Iterable[_Use]) -> Iterator[Finding]:
    """What is not subject to tax stands alone (BR-O-11 to -14), and split payment beside no standard rate (BR-B-02)."""
    rows = {row.category for row in invoice.tax_lines if row.category}
    used = {(kind, category) for kind, category, *_ in uses if category}
    if "O" in rows:
        if rows != {"O"}:
            yield warning("BR-O-11", "tax category O is in the tax breakdown beside others", "tax_lines")
        for number, kind in enumerate(_KINDS, 12):
            if any(found == kind and category != "O" for found, category in used):
                yield warning(f"BR-O-{number}", f"a {kind} has a tax category other than O, which is in the breakdown")
    everything = rows | {category for _, category in used}
    if {"B", "S"} <= everything:
        yield warning("BR-B-02", "split payment (tax category B) stands beside the standard rate (S)", "tax_lines")
