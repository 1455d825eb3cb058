"""Whether the amounts of an invoice agree with each other, and whether anything confirms its gross total.

Pure arithmetic on what was read; nothing is corrected. A sum is allowed to differ by one smallest unit (0.01, or 1 in
currencies without cents) for itself and one for each rounded part of it. Tax is allowed half a unit for each line on
top, since sellers may round it line by line. A credit note may state its amounts with either sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import cast

from pydantic import BaseModel

from .checks_notation import Notation
from .currencies import smallest_unit
from .document import Finding, Severity
from .invoice import Invoice, LineItem

_ZERO = Decimal(0)
_MANY = 20
_MAX_EXPONENT = 15
# Generous, since programs write out the whole of a binary fraction.
_MAX_DECIMALS = 40
_CASH_ROUNDING = Decimal("0.05")
# An item's price may be for so many pieces; the invoice has no field for that (BT-149).
_PRICE_BASES = (1, 10, 100, 1000)


def absurd_amounts(invoice: Invoice) -> Iterator[Finding]:
    """An error for each amount that can be none on an invoice. Nothing can be calculated with such an amount."""
    for name, value in _all_amounts(invoice):
        if value.adjusted() > _MAX_EXPONENT or int(value.as_tuple().exponent) < -_MAX_DECIMALS:
            yield Finding("amounts.absurd", "error", f"{name} is {value:.3g}, which can be no amount", name)


def _all_amounts(invoice: Invoice) -> Iterator[tuple[str, Decimal]]:
    for name, value in invoice:
        for part in cast("list[BaseModel]", value) if isinstance(value, list) else ():
            yield from ((name, inner) for _, inner in part if isinstance(inner, Decimal))
        if isinstance(value, Decimal):
            yield name, value


def check_amounts(invoice: Invoice, reader: str) -> Iterator[Finding]:
    """Every disagreement among the amounts. Nothing is said of amounts that are not stated."""
    sums = _Sums(_upright(invoice))
    yield from _signs(invoice, "warning" if reader == "xml" else "error")
    yield from _line_prices(invoice.line_items)
    yield from sums.lines(include_tax_allowed=reader != "xml")
    yield from sums.gross()
    yield from sums.tax()
    yield from sums.due()


def check_confirmed(invoice: Invoice, notation: Notation | None, reader: str) -> Iterator[Finding]:
    """An error unless the gross total follows from other figures of the document.

    `notation` is the page, where there is one: what confirms must be printed there.
    """
    confirms = stands_in_xml if reader == "xml" else is_confirmed
    if not confirms(invoice, notation):
        what = "amount due" if invoice.gross_total is None else "gross total"
        amount = invoice.amount_due if invoice.gross_total is None else invoice.gross_total
        if amount is not None:
            message = f"nothing else on the document confirms the {what} {amount}: compare it with the document"
            yield Finding("amounts.unconfirmed", "error", message, "gross_total")


def is_confirmed(invoice: Invoice, notation: Notation | None) -> bool:
    """Whether the gross total follows from figures that were read independently of it."""
    return _Sums(_upright(invoice)).confirmed(notation)


def adding_up(invoice: Invoice) -> frozenset[str]:
    """The totals that other figures of the invoice make: net, tax and gross, and what is left to pay of it."""
    if any(absurd_amounts(invoice)):
        return frozenset()
    return frozenset(_Sums(_upright(invoice)).adding_up())


def stands_in_xml(invoice: Invoice, notation: Notation | None) -> bool:
    """Whether the total of e-invoice XML is confirmed: by its other figures, or by the page that it came with.

    XML can't be misread, so that figures of 0 confirm too: no tax on a net total that is the gross total.
    """
    total = invoice.gross_total if invoice.gross_total is not None else invoice.amount_due
    if not total or (notation is not None and notation.shows(total)):
        return True
    return _Sums(_upright(invoice)).stated()


def _upright(invoice: Invoice) -> Invoice:
    """A credit note with positive totals, whichever sign its seller gave them; an invoice as it is."""
    if invoice.doc_type != "credit_note":
        return invoice
    fields = ("line_total", "allowance_total", "charge_total", "net_total", "tax_total", "gross_total", "prepaid")
    stated = {field: getattr(invoice, field) for field in fields}
    lines = _counted(invoice.line_items)
    flip_lines = (_total(line.net_amount for line in lines) or _ZERO) < 0
    flip_tax = (_total(row.amount for row in invoice.tax_lines) or _ZERO) < 0
    flip_due = (invoice.gross_total or _ZERO) < 0
    return invoice.model_copy(
        update={field: None if value is None else abs(value) for field, value in stated.items()}
        | {
            "amount_due": _flipped(invoice.amount_due, flip_due),
            "line_items": [
                line.model_copy(update={"net_amount": _flipped(line.net_amount, flip_lines)}) for line in lines
            ],
            "tax_lines": [
                row.model_copy(update={"base": _flipped(row.base, flip_tax), "amount": _flipped(row.amount, flip_tax)})
                for row in invoice.tax_lines
            ],
        }
    )


def _flipped(value: Decimal | None, flip: bool) -> Decimal | None:
    return -value if flip and value is not None else value


def _counted(lines: Iterable[LineItem]) -> list[LineItem]:
    """The lines that count: a GROUP or INFORMATION row repeats what others say."""
    return [line for line in lines if line.status is None or line.status.upper() not in ("GROUP", "INFORMATION")]


def _total(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; None if a part is not stated, or there is none."""
    known = list(values)
    return sum((v for v in known if v is not None), _ZERO) if known and None not in known else None


class _Sums:
    """The sums of one upright invoice, each with the tolerance that fits it."""

    def __init__(self, invoice: Invoice) -> None:
        self.invoice = invoice
        self.unit = smallest_unit(invoice.currency)
        self.counted = _counted(invoice.line_items)
        self.line_sum = _total(line.net_amount for line in self.counted)
        self.row_tax = _total(row.amount for row in invoice.tax_lines)
        self.row_base = _total(row.base for row in invoice.tax_lines)

    def _near(self, a: Decimal | None, b: Decimal | None, parts: int = 1) -> bool:
        return a is not None and b is not None and abs(a - b) <= self.unit * (1 + parts)

    def _adjustment(self) -> Decimal:
        """Charges less allowances: their totals where these are stated, else their rows, else nothing."""
        invoice = self.invoice
        if invoice.charge_total is not None or invoice.allowance_total is not None:
            return (invoice.charge_total or _ZERO) - (invoice.allowance_total or _ZERO)
        rows = invoice.allowances_charges
        return sum((row.amount if row.charge else -row.amount for row in rows if row.amount is not None), _ZERO)

    def lines(self, *, include_tax_allowed: bool) -> Iterator[Finding]:
        """Lines to their total, and that, less allowances and plus charges, to the net total."""
        invoice, parts, more = self.invoice, len(self.counted), self._adjustment()
        lines, net = invoice.line_total, invoice.net_total
        if lines is not None and net is not None and not self._near(lines + more, net, 2):
            message = f"the line total {lines} with charges and allowances ({more:+f}) is not the net total {net}"
            yield Finding("amounts.net", "error", message, "net_total")
        target = lines if lines is not None else net
        if self.line_sum is None or target is None or self._near(self.line_sum, target, parts):
            return
        if invoice.line_total is None and self._near(self.line_sum + more, target, parts + 2):
            return
        if include_tax_allowed and self._near(self.line_sum, invoice.gross_total, parts):
            message = f"the line amounts add up to {self.line_sum}, the gross total: they seem to include tax"
            yield Finding("lines.include_tax", "info", message, "line_items")
            return
        name = "line total" if invoice.line_total is not None else "net total"
        message = f"the {parts} lines add up to {self.line_sum}, but the {name} is {target}"
        yield Finding("lines.sum", "error", message, "line_items")

    def gross(self) -> Iterator[Finding]:
        """Net + tax = gross. Some formats round, or grant allowances on, the gross total itself."""
        invoice = self.invoice
        if invoice.net_total is None or invoice.tax_total is None or invoice.gross_total is None:
            return
        total = invoice.net_total + invoice.tax_total
        ways = {_ZERO, invoice.rounding or _ZERO}
        if invoice.line_total is None:
            ways.add(self._adjustment())
        if not any(self._near(total + more, invoice.gross_total) for more in ways):
            message = (
                f"net {invoice.net_total} + tax {invoice.tax_total} is {total}, "
                f"but the gross total is {invoice.gross_total}"
            )
            yield Finding("amounts.gross", "error", message, "gross_total")

    def tax(self) -> Iterator[Finding]:
        """Base x rate = tax in each row of the breakdown, and the rows against the totals."""
        invoice, rows = self.invoice, self.invoice.tax_lines
        allowed = self.unit * 2 + self.unit / 2 * len(self.counted)
        for row in rows:
            if row.base is not None and row.rate is not None and row.amount is not None:
                expected = row.base * row.rate / 100
                if abs(expected - row.amount) > allowed:
                    message = f"{row.rate:f} % tax on {row.base} is {expected:.2f}, but the breakdown says {row.amount}"
                    yield Finding("tax.row", "error", message, "tax_lines")
        tax, net, base = invoice.tax_total, invoice.net_total, self.row_base
        if self.row_tax is not None and tax is not None and not self._near(self.row_tax, tax, len(rows)):
            message = f"the tax breakdown adds up to {self.row_tax}, but the total tax is {tax}"
            yield Finding("tax.sum", "error", message, "tax_total")
        if base is not None and net is not None and abs(base) > abs(net) + self.unit * (1 + len(rows)):
            message = f"tax is charged on {base} in all, more than the net total {net}"
            yield Finding("tax.base", "warning", message, "tax_lines")

    def due(self) -> Iterator[Finding]:
        """Gross - prepaid + rounding = due. A difference that nothing explains can be a prepayment left unsaid."""
        invoice = self.invoice
        if invoice.gross_total is None or invoice.amount_due is None:
            return
        left = invoice.gross_total - (invoice.prepaid or _ZERO)
        if any(self._near(left + more, invoice.amount_due) for more in (_ZERO, invoice.rounding or _ZERO)):
            return
        if invoice.prepaid:
            severity = "warning" if abs(left - invoice.amount_due) <= _CASH_ROUNDING else "error"
            message = (
                f"gross {invoice.gross_total} less prepaid {invoice.prepaid} is {left}, "
                f"but the amount due is {invoice.amount_due}"
            )
            yield Finding("amounts.due", severity, message, "amount_due")
        else:
            message = (
                f"the amount due {invoice.amount_due} is not the gross total {invoice.gross_total}, "
                "and no payment made before is stated"
            )
            yield Finding("amounts.due_unexplained", "warning", message, "amount_due")

    def confirmed(self, page: Notation | None) -> bool:
        """Whether the gross total follows from figures that were read independently of it."""
        invoice, gross, tax, due = (
            self.invoice,
            self.invoice.gross_total,
            self.invoice.tax_total,
            self.invoice.amount_due,
        )
        if gross is None or (page and not page.shows(gross)):
            return False
        if invoice.prepaid and due is not None and self._near(due + invoice.prepaid, gross):
            return page is None or (page.shows(invoice.prepaid) and page.shows(due))
        parts = len(self.counted)
        for net, more, sums in (
            (invoice.net_total, tax, 1),
            (self.row_base, self.row_tax, 2),
            (self._net(), tax, parts),
        ):
            if net is not None and more and self._near(net + more, gross, sums):
                printed = [net, more, *(row.amount for row in invoice.tax_lines)]
                return page is None or any(value is not None and page.shows(value) for value in printed)
        return page is not None and self._confirmed_without_tax(gross, page)

    def adding_up(self) -> Iterator[str]:
        """The totals that follow from others."""
        invoice = self.invoice
        gross, net, tax, due = invoice.gross_total, invoice.net_total, invoice.tax_total, invoice.amount_due
        sums = gross is not None and self.confirmed(None)
        if net is not None and tax is not None and self._near(net + tax, gross, 2):
            yield from ("net_total", "tax_total")
        if sums:
            yield "gross_total"
        if sums and gross is not None and self._near(gross - (invoice.prepaid or _ZERO), due):
            yield "amount_due"
            if invoice.prepaid:
                yield "prepaid"
        if self._near(self.line_sum, invoice.line_total, len(self.counted)):
            yield "line_total"

    def stated(self) -> bool:
        """Whether net and tax make the gross total, or, where no net total is stated, lines and tax do."""
        gross = self.invoice.gross_total if self.invoice.gross_total is not None else self.invoice.amount_due
        tax = self.row_tax if self.invoice.tax_total is None else self.invoice.tax_total
        sums = ((self.invoice.net_total, 2), (self._net(), len(self.counted)), (self.row_base, len(self.counted)))
        return self.confirmed(None) or any(
            net is not None and self._near(net + (tax or _ZERO), gross, parts) for net, parts in sums
        )

    def _net(self) -> Decimal | None:
        """The lines with charges and allowances."""
        return None if self.line_sum is None else self.line_sum + self._adjustment()

    def _confirmed_without_tax(self, gross: Decimal, page: Notation) -> bool:
        """Lines that add up to the total. A reader that overlooked the tax has taken the net total for it; so the page
        may print nothing larger, no other total, and no rate of a tax that was not read."""
        net, tax = self.invoice.net_total, self.invoice.tax_total
        if tax or (net is not None and not self._near(net, gross)):
            return False
        if not self._near(self._net(), gross, len(self.counted)):
            return False
        only_total = page.largest <= abs(gross) and page.total in (None, abs(gross))
        return only_total and (tax is not None or not page.has_rates)


def _signs(invoice: Invoice, severity: Severity) -> Iterator[Finding]:
    total = invoice.gross_total if invoice.gross_total is not None else invoice.amount_due
    if total is not None and total < 0 and invoice.doc_type == "invoice":
        message = f"the total of this invoice is negative ({total}): is it a credit note?"
        yield Finding("amounts.negative", severity, message, "gross_total")
    if total is not None and total == 0:
        yield Finding("amounts.zero", severity, "the total is zero", "gross_total")


def _line_prices(lines: Iterable[LineItem]) -> Iterator[Finding]:
    """Quantity x price against the line's amount, for each line. A discount on the line explains a difference too."""
    odd = [
        (number, line)
        for number, line in enumerate(lines, 1)
        if line.quantity is not None and line.unit_price is not None and line.net_amount is not None
        if not _price_fits(line.quantity, line.unit_price, line.net_amount)
    ]
    for number, line in odd[:_MANY]:
        message = f"line {line.line_id or number}: {line.quantity} x {line.unit_price} is not {line.net_amount}"
        yield Finding("lines.price", "warning", message, "line_items")
    if len(odd) > _MANY:
        message = f"in {len(odd) - _MANY} more lines quantity x price is not the line's amount"
        yield Finding("lines.price", "warning", message, "line_items")


def _price_fits(quantity: Decimal, price: Decimal, net: Decimal) -> bool:
    """Allows for a price that was rounded to the decimals it is printed with."""
    exponent = price.as_tuple().exponent
    half = Decimal(5).scaleb((exponent if isinstance(exponent, int) else 0) - 1)
    # A whole price ("20") may be exact as well as rounded: it is taken as having two decimals.
    allowed = Decimal("0.01") + abs(quantity) * min(half, Decimal("0.005"))
    found = abs(quantity * price)
    return any(abs(found / base - abs(net)) <= allowed for base in _PRICE_BASES)
