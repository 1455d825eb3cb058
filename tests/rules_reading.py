"""Reads pages drawn in a test with the offline reader, and compares what it says with what is printed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from counterfoil.document import Limits
from counterfoil.invoice import Invoice
from counterfoil.pdf import read_pdf
from counterfoil.rules import read_rules
from pdfmaker import drawn, make_pdf


def read(*pictures: str) -> Invoice:
    """The invoice that the offline reader sees on these pages."""
    return read_rules(read_pdf(make_pdf([drawn(picture) for picture in pictures]), Limits()).pages)


def plain(value: Any) -> Any:
    """A value as it would be exported."""
    return format(value, "f") if isinstance(value, Decimal) else None if value is None else str(value)


def check(invoice: Invoice, items: list[tuple[str | None, ...]], **fields: str | None) -> None:
    """Fields and lines are what is printed; each item is the start of a description, quantity, price, net amount."""
    assert {name: plain(getattr(invoice, name)) for name in fields} == fields
    rows = [(item.quantity, item.unit_price, item.net_amount) for item in invoice.line_items]
    assert [tuple(map(plain, row)) for row in rows] == [item[1:] for item in items]
    for read_item, (start, *_) in zip(invoice.line_items, items, strict=True):
        assert (read_item.description or "").startswith(start or "")
