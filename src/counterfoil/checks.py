"""What an accountant would find in an invoice: each thing as a `Finding` with a stable code and one plain sentence.

An error is a real contradiction, a missing must-have, or a total of a reader that can misread and that nothing
confirms; it puts the document in review. All else is a warning or an info. Checks never change an amount, and never
raise because of what an invoice says.

docs/checks.md lists every code with its severity and its meaning. E-invoices that follow EN 16931 have its rules as
well (`BR-*`, see `checks_en16931`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from .checks_amounts import absurd_amounts, check_amounts, check_confirmed
from .checks_currency import check_currency
from .checks_en16931 import check_en16931
from .checks_ids import check_dates, check_ids, check_must_haves
from .checks_notation import Notation
from .checks_ours import check_addressed
from .checks_page import against_page, invented
from .document import Finding
from .invoice import Invoice


def check_invoice(
    invoice: Invoice,
    *,
    reader: str,
    page_text: str | None = None,
    today: date | None = None,
    ours: Sequence[str] = (),
) -> list[Finding]:
    """All findings on a tidy invoice that `reader` (xml, model or rules) read. `page_text` is the document's text;
    `ours` are the tax ids of whoever these invoices are for, where that is known."""
    notation = Notation(page_text) if page_text else None
    findings = [*check_must_haves(invoice), *check_dates(invoice, reader, today), *check_ids(invoice)]
    findings += check_addressed(invoice, ours, notation)
    if absurd := list(absurd_amounts(invoice)):
        return findings + absurd
    contradictions = list(check_amounts(invoice, reader))
    findings += contradictions
    # Of XML, an amount that another contradicts needs no second finding; whoever can misread may have two troubles.
    if reader != "xml" or not any(finding.severity == "error" for finding in contradictions):
        findings += check_confirmed(invoice, notation, reader)
    if reader == "xml":
        findings += check_en16931(invoice)
    elif page_text:
        findings += check_currency(invoice, page_text)
    if reader == "model" and notation:
        findings += invented(invoice, notation)
    return findings


def contradicts_page(invoice: Invoice, page_text: str) -> list[Finding]:
    """Where embedded XML says other than the page of the same document; empty if the page can't be read for certain."""
    return [] if any(absurd_amounts(invoice)) else list(against_page(invoice, Notation(page_text)))


def tidy(invoice: Invoice) -> Invoice:
    """The invoice with its codes in their usual form: currency in capitals, IBAN and VAT ids without spaces."""
    return invoice.model_copy(
        update={
            "currency": invoice.currency.upper() if invoice.currency else None,
            "iban": re.sub(r"\s", "", invoice.iban).upper() if invoice.iban else None,
            "seller_tax_id": _tidy_tax_id(invoice.seller_tax_id),
            "buyer_tax_id": _tidy_tax_id(invoice.buyer_tax_id),
        }
    )


def _tidy_tax_id(value: str | None) -> str | None:
    """A VAT id closed up; any other tax number as it is written."""
    closed = re.sub(r"\s", "", value or "")
    return closed.upper() if re.fullmatch(r"[A-Za-z]{2}[A-Za-z]?\d[\w.\-]{5,16}", closed, re.ASCII) else value
