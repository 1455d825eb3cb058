"""What OCR may have misread: key fields that rest on words in doubt, or that a second reading of the page does not bear
out. Either puts the document in review: one wrong figure is not to be told from a right one by its looks."""

from __future__ import annotations

from collections.abc import Iterator

from .checks_notation import Notation
from .document import Finding
from .invoice import Invoice

_NAMES = {"invoice_number": "invoice number", "issue_date": "issue date", "gross_total": "gross total"}


def in_doubt(invoice: Invoice, sure: str) -> Iterator[Finding]:
    """An error for each key field that is not printed in `sure`, the words that OCR was sure of."""
    for field in _unseen(invoice, sure):
        message = f"OCR is not sure of the {_NAMES[field]} {getattr(invoice, field)}: compare it with the page"
        yield Finding("ocr.uncertain", "error", message, field)


def unlike(invoice: Invoice, second: Invoice, text: str) -> Iterator[Finding]:
    """An error for each key field that the second reading, `second` and its `text`, has otherwise."""
    unseen = [field for field in _unseen(invoice, text) if getattr(second, field) != getattr(invoice, field)]
    for field in unseen:
        read, other = getattr(invoice, field), getattr(second, field)
        instead = f"and then {other}" if other is not None else "and then not again"
        message = f"OCR read the {_NAMES[field]} as {read}, {instead}: compare it with the page"
        yield Finding("ocr.uncertain", "error", message, field)
    if invoice.currency and second.currency != invoice.currency and invoice.currency not in text:
        message = f"OCR read the currency as {invoice.currency}, and then not again: compare it with the page"
        yield Finding("ocr.uncertain", "error", message, "currency")


def _unseen(invoice: Invoice, text: str) -> Iterator[str]:
    page = Notation(text)
    if invoice.invoice_number and not page.shows_text(invoice.invoice_number):
        yield "invoice_number"
    if invoice.issue_date and not page.shows_date(invoice.issue_date):
        yield "issue_date"
    if invoice.gross_total is not None and not page.shows(invoice.gross_total):
        yield "gross_total"
