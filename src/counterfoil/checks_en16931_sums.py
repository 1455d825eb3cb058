"""EN 16931: the totals follow from the parts (BR-CO-10 to BR-CO-17).

A difference is an error where rounding can't explain it (a cent for the sum, and one for each of its parts), else a
warning: the rule is broken to the letter, but the amounts are what they seem.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal

from .document import Finding
from .invoice import Invoice

_CENT = Decimal("0.01")
_ZERO = Decimal(0)


def cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


def known(values: Iterable[Decimal | None]) -> Decimal:
    """The sum of those that are stated."""
    return sum((value for value in values if value is not None), _ZERO)


def check_sums(invoice: Invoice, *, has_lines: bool, is_minimum: bool) -> Iterator[Finding]:
    """Every total that is not what the rules make it; a total that is not stated breaks none."""
    lines = [line for line in invoice.line_items if line.status is None]
    rows, parts = invoice.tax_lines, invoice.allowances_charges
    allowances = [part.amount for part in parts if not part.charge]
    charges = [part.amount for part in parts if part.charge]
    if has_lines:
        total = known(line.net_amount for line in lines)
        yield from _unequal("BR-CO-10", invoice, "line_total", "the lines add up to", total, len(lines))
    if not is_minimum:
        for rule, field, amounts in (
            ("BR-CO-11", "allowance_total", allowances),
            ("BR-CO-12", "charge_total", charges),
        ):
            stated = getattr(invoice, field)
            if amounts or stated:
                of = field.removesuffix("_total")
                yield from _unequal(rule, invoice, field, f"the {of}s add up to", known(amounts), len(amounts))
        if invoice.line_total is not None:
            net = invoice.line_total - (invoice.allowance_total or _ZERO) + (invoice.charge_total or _ZERO)
            yield from _unequal("BR-CO-13", invoice, "net_total", "lines less allowances plus charges are", net, 1)
    if rows:
        tax = known(row.amount for row in rows)
        yield from _unequal("BR-CO-14", invoice, "tax_total", "the tax breakdown adds up to", tax, len(rows))
    if invoice.net_total is not None and (invoice.tax_total is not None or not is_minimum):
        gross = invoice.net_total + (invoice.tax_total or _ZERO)
        yield from _unequal("BR-CO-15", invoice, "gross_total", "total without tax and tax are", gross, 1)
    if invoice.gross_total is not None and not is_minimum:
        due = invoice.gross_total - (invoice.prepaid or _ZERO) + (invoice.rounding or _ZERO)
        yield from _unequal("BR-CO-16", invoice, "amount_due", "the total less what is paid, rounded, is", due, 1)
    yield from _rows(invoice)


def _unequal(rule: str, invoice: Invoice, field: str, says: str, computed: Decimal, parts: int) -> Iterator[Finding]:
    stated: Decimal | None = getattr(invoice, field)
    if stated is None and field in ("allowance_total", "charge_total"):
        stated = _ZERO
    if stated is None or stated == cents(computed):
        return
    severity = "error" if abs(stated - computed) > _CENT * (1 + parts) else "warning"
    name = field.replace("_", " ")
    yield Finding(rule, severity, f"{says} {cents(computed)}, but the {name} is {stated:f}", field)


def _rows(invoice: Invoice) -> Iterator[Finding]:
    """Tax is base x rate, within 1 as in the norm's own validators: some round by lines."""
    for row in invoice.tax_lines:
        if row.base is None or row.amount is None:
            continue
        expected = cents(abs(row.base) * (row.rate or _ZERO) / 100)
        if abs(abs(row.amount) - expected) >= 1:
            message = f"{row.rate or _ZERO:f} % of {row.base:f} is {expected}, but the tax amount is {row.amount:f}"
            yield Finding("BR-CO-17", "error", message, "tax_lines")
