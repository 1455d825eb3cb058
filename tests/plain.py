"""Invoices without what only e-invoices state of them, for tests of the terms that every reader knows."""

from __future__ import annotations

from counterfoil.invoice import Invoice


def plain(invoice: Invoice) -> Invoice:
    """The invoice without its details and those of its lines."""
    lines = [line.model_copy(update={"details": None}) for line in invoice.line_items]
    return invoice.model_copy(update={"details": None, "line_items": lines})
