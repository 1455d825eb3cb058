"""EN 16931: codes that are in no list, and amounts with more than two decimals. Each breach is a warning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from .checks_en16931_terms import warning
from .countries import EN16931
from .currencies import CURRENCIES, HISTORIC
from .document import Finding
from .invoice import Invoice
from .invoice_details import InvoiceDetails, Party

_INVOICE_TYPES = frozenset(
    """71 80 82 84 102 130 202 203 204 211 218 219 295 325 326 331 380 382 383 384 385 386 387 388 389 390 393 394 395
    456 457 471 472 473 500 501 527 553 575 623 633 751 780 817 870 875 876 877 935""".split()
)
_CREDIT_NOTE_TYPES = frozenset("81 83 261 262 296 308 381 396 420 458 502 503 532".split())
_PAYMENT_MEANS = frozenset([*(str(n) for n in (*range(1, 71), *range(74, 79), *range(91, 99))), "ZZZ"])
_ALLOWANCES = frozenset("41 42 60 62 63 64 65 66 67 68 70 71 88 95 100 102 103 104 105".split())
_CATEGORIES = frozenset("AE L M E S Z G O K B".split())
_TAX_POINTS = frozenset("3 35 432".split())
_TOTALS = {
    "line_total": "BR-DEC-09",
    "allowance_total": "BR-DEC-10",
    "charge_total": "BR-DEC-11",
    "net_total": "BR-DEC-12",
    "tax_total": "BR-DEC-13",
    "gross_total": "BR-DEC-14",
    "prepaid": "BR-DEC-16",
    "rounding": "BR-DEC-17",
    "amount_due": "BR-DEC-18",
}


def check_codes(invoice: Invoice, details: InvoiceDetails) -> Iterator[Finding]:
    """One finding for each code list, with the codes that are not in it."""
    lines = [line.details for line in invoice.line_items if line.details]
    allowances = [part.reason_code for part in invoice.allowances_charges if not part.charge]
    allowances += [part.reason_code for line in lines for part in line.allowances_charges if not part.charge]
    categories = [row.category for row in invoice.tax_lines]
    categories += [part.tax_category for part in invoice.allowances_charges]
    currencies = CURRENCIES | HISTORIC
    yield from _unknown("BR-CL-01", "type code", [details.type_code], _INVOICE_TYPES | _CREDIT_NOTE_TYPES)
    yield from _unknown("BR-CL-04", "currency", [invoice.currency], currencies)
    yield from _unknown("BR-CL-05", "accounting currency", [details.tax_currency], currencies)
    yield from _unknown("BR-CL-06", "tax point code", [details.tax_point_code], _TAX_POINTS)
    yield from _unknown("BR-CL-14", "country code", _countries(details), EN16931)
    yield from _unknown("BR-CL-15", "country of origin", [line.origin_country for line in lines], EN16931)
    yield from _unknown("BR-CL-16", "payment means code", [pay.code for pay in details.payments], _PAYMENT_MEANS)
    yield from _unknown("BR-CL-17", "tax category", categories, _CATEGORIES)
    yield from _unknown("BR-CL-18", "tax category of a line", [line.tax_category for line in lines], _CATEGORIES)
    yield from _unknown("BR-CL-19", "allowance reason code", allowances, _ALLOWANCES)


def _countries(details: InvoiceDetails) -> list[str | None]:
    parties: list[Party | None] = [details.seller, details.buyer, details.tax_representative]
    addresses = [party.address for party in parties if party]
    addresses.append(details.delivery.address if details.delivery else None)
    return [address.country for address in addresses if address]


def _unknown(rule: str, what: str, codes: Iterable[str | None], known: frozenset[str]) -> Iterator[Finding]:
    odd = sorted({code for code in codes if code is not None and code not in known})
    if odd:
        shown = ", ".join(code[:20] for code in odd[:5])
        yield warning(rule, f"the {what} {shown} is not in the list that EN 16931 has for it")


def check_decimals(invoice: Invoice) -> Iterator[Finding]:
    """One finding for each term whose amount has more than two decimals."""
    for field, rule in _TOTALS.items():
        value = getattr(invoice, field)
        yield from _decimals(rule, field.replace("_", " "), [value], field)
    allowances = [part for part in invoice.allowances_charges if not part.charge]
    charges = [part for part in invoice.allowances_charges if part.charge]
    parts = [part for line in invoice.line_items if line.details for part in line.details.allowances_charges]
    for rule, what, values in (
        ("BR-DEC-01", "allowance", [part.amount for part in allowances]),
        ("BR-DEC-02", "base of an allowance", [part.base for part in allowances]),
        ("BR-DEC-05", "charge", [part.amount for part in charges]),
        ("BR-DEC-06", "base of a charge", [part.base for part in charges]),
        (
            "BR-DEC-15",
            "total tax in the accounting currency",
            [invoice.details and invoice.details.tax_total_accounting],
        ),
        ("BR-DEC-19", "taxable amount", [row.base for row in invoice.tax_lines]),
        ("BR-DEC-20", "tax amount", [row.amount for row in invoice.tax_lines]),
        ("BR-DEC-23", "line net amount", [line.net_amount for line in invoice.line_items]),
        ("BR-DEC-24", "allowance of a line", [part.amount for part in parts if not part.charge]),
        ("BR-DEC-25", "base of a line's allowance", [part.base for part in parts if not part.charge]),
        ("BR-DEC-27", "charge of a line", [part.amount for part in parts if part.charge]),
        ("BR-DEC-28", "base of a line's charge", [part.base for part in parts if part.charge]),
    ):
        yield from _decimals(rule, what, values, None)


def _decimals(rule: str, what: str, values: Iterable[Decimal | None], field: str | None) -> Iterator[Finding]:
    odd = [value for value in values if value is not None and int(value.as_tuple().exponent) < -2]
    if odd:
        yield warning(rule, f"the {what} {odd[0]:f} has more than two decimals", field)
