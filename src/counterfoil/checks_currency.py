"""Whether a currency was read or assumed: the page must name it, or have a sign that only it has there.

A bare $ is a US dollar only where an American address says so: half a dozen countries write theirs alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from .document import Finding
from .invoice import Invoice
from .rules_evidence import names_currency


def check_currency(invoice: Invoice, page_text: str) -> Iterator[Finding]:
    """An error for a currency that nothing on the page speaks for."""
    if invoice.currency and not names_currency(page_text, invoice.currency):
        message = f"the currency {invoice.currency[:40]} is assumed: the page does not name it"
        yield Finding("currency.assumed", "error", message, "currency")
