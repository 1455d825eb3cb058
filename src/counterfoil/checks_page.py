"""An invoice against the page it stands on: e-invoice XML that says other than people read, and models that invent.

It promises to stay silent where the page can't speak: no text, a garbled text, or hardly an amount. The one error
against XML is a total that is nowhere on a page full of amounts; all else is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from .checks_ids import valid_iban
from .checks_notation import Notation
from .document import Finding
from .invoice import Invoice

_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}", re.ASCII)
_MAX_IBANS = 100
_DATE = re.compile(
    r"(?<![\d.])(?:\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|\d{4}-\d{2}-\d{2}|\d{1,2}\.? [^\W\d]{3,10}\.? \d{4})(?!\d)"
)
_NUMBER = re.compile(
    r"\b(?:invoice|rechnungs?|facture|fattura|factuur|factura|credit note|gutschrift)[ -]?"
    r"(?:no|nr|nummer|number|n°|numéro|numero|num)?\b[.:# ]{1,20}([A-Z0-9][\w/.-]*\d[\w/.-]*)",
    re.IGNORECASE,
)
_SHOWN = 3


def against_page(invoice: Invoice, page: Notation) -> Iterator[Finding]:
    """Where the embedded XML of a document and its page disagree."""
    if not page.has_amounts:
        return
    yield from _totals(invoice, page)
    if invoice.invoice_number and not page.shows_text(invoice.invoice_number):
        message = (
            f"the XML has invoice number {invoice.invoice_number}, which is not on the page{_printed(_NUMBER, page)}"
        )
        yield Finding("page.invoice_number", "warning", message, "invoice_number")
    if invoice.issue_date and not page.shows_date(invoice.issue_date):
        message = f"the XML has issue date {invoice.issue_date}, which is not on the page{_printed(_DATE, page)}"
        yield Finding("page.issue_date", "warning", message, "issue_date")
    yield from _account(invoice, page)


def _totals(invoice: Invoice, page: Notation) -> Iterator[Finding]:
    gross, due = invoice.gross_total, invoice.amount_due
    total = gross if gross is not None else due
    name, field = ("gross total", "gross_total") if gross is not None else ("amount due", "amount_due")
    if total and not page.shows(total):
        # A page may print only what is left to pay; then it does speak for the XML.
        backed = due and due != total and page.shows(due)
        message = f"the XML has {name} {total}, which is not on the page{_instead(page, total)}"
        yield Finding(f"page.{field}", "warning" if backed else "error", message, field)
    if gross is not None and due and due != gross and not page.shows(due):
        message = f"the XML has amount due {due}, which is not on the page{_instead(page, due)}"
        yield Finding("page.amount_due", "warning", message, "amount_due")


def _instead(page: Notation, total: Decimal) -> str:
    """The page's own total, where it can be told."""
    return f"; the page seems to have {page.total}" if page.total not in (None, abs(total)) else ""


def _printed(pattern: re.Pattern[str], page: Notation) -> str:
    """What the page has in the value's place, as it is printed: the first few that look like it."""
    found = list(dict.fromkeys(pattern.findall(page.text)))[:_SHOWN]
    return f"; the page has {', '.join(value[:40] for value in found)}" if found else ""


def _account(invoice: Invoice, page: Notation) -> Iterator[Finding]:
    """An account on the page and another in the XML: a mistake, or a fraud."""
    if not invoice.iban or page.shows_text(invoice.iban):
        return
    printed = {found for text in _IBAN.findall(page.text)[:_MAX_IBANS] if (found := _iban_at_start(text))}
    if printed:
        message = f"the XML has IBAN {invoice.iban[:60]}, but the page has {', '.join(sorted(printed)[:3])}"
        yield Finding("page.iban", "warning", message, "iban")


def _iban_at_start(text: str) -> str | None:
    """The valid IBAN that a run of figures and capitals begins with."""
    number = text.replace(" ", "")
    return next((number[:n] for n in range(len(number), 14, -1) if valid_iban(number[:n])), None)


def invented(invoice: Invoice, page: Notation) -> Iterator[Finding]:
    """What a model gave and the page does not show. An invoice is known by these three, so all are errors."""
    total = invoice.gross_total if invoice.gross_total is not None else invoice.amount_due
    if total is not None and not page.shows(total):
        message = f"the model read the total {total}, which is not on the page"
        yield Finding("model.not_on_page", "error", message, "gross_total")
    if invoice.invoice_number and not page.shows_text(invoice.invoice_number):
        message = f"the model read the invoice number {invoice.invoice_number}, which is not on the page"
        yield Finding("model.not_on_page", "error", message, "invoice_number")
    if invoice.issue_date and not page.shows_date(invoice.issue_date):
        message = f"the model read the issue date {invoice.issue_date}, which is not on the page"
        yield Finding("model.not_on_page", "error", message, "issue_date")
