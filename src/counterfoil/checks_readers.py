"""Two readers of one document against each other: where they agree they confirm each other, else a person decides.

Each reader may misread, but hardly ever in the same way: one goes by labels and arithmetic, the other by language.
A name is compared loosely, since readers cut it differently, and a difference in it is a warning only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from difflib import SequenceMatcher

from .checks_ours import same_tax_id
from .document import Finding
from .invoice import Invoice

_COMPARED = {
    "doc_type": "kind of document",
    "invoice_number": "invoice number",
    "issue_date": "issue date",
    "due_date": "due date",
    "currency": "currency",
    "seller_tax_id": "seller's tax id",
    "buyer_tax_id": "buyer's tax id",
    "net_total": "net total",
    "tax_total": "total tax",
    "gross_total": "gross total",
    "amount_due": "amount due",
    "iban": "IBAN",
}
_NAMES = {"seller_name": "seller's name", "buyer_name": "buyer's name"}
_ALIKE = 0.85


def agreed(one: Invoice, other: Invoice) -> frozenset[str]:
    """The fields that both read, and read alike."""
    pairs = ((field, getattr(one, field), getattr(other, field)) for field in (*_COMPARED, *_NAMES))
    return frozenset(field for field, a, b in pairs if a is not None and b is not None and _same(field, a, b))


def disagreements(base: Invoice, reader: str, other: Invoice, second: str) -> Iterator[Finding]:
    """A finding for each field that `reader` and the `second` reader read differently, with both values."""
    for field, name in (_COMPARED | _NAMES).items():
        a, b = getattr(base, field), getattr(other, field)
        if a is not None and b is not None and not _same(field, a, b):
            message = f"the {name} is {str(a)[:80]} to the {reader} and {str(b)[:80]} to the {second}"
            yield Finding("readers.disagree", "warning" if field in _NAMES else "error", message, field)


def _same(field: str, a: str | Decimal | date, b: str | Decimal | date) -> bool:
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return a == b
    if field in ("seller_tax_id", "buyer_tax_id"):
        return same_tax_id(str(a), str(b))
    if field in _NAMES:
        return same_name(str(a), str(b))
    return a == b or _bare(str(a)) == _bare(str(b))


def same_name(a: str, b: str) -> bool:
    """Whether two names are of one company, give or take punctuation, a legal form and a letter."""
    one, two = sorted((_bare(a), _bare(b)), key=len)
    if not one:
        return False
    return (one in two and len(one) >= 0.5 * len(two)) or SequenceMatcher(None, one, two).ratio() >= _ALIKE


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())
