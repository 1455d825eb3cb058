"""Whether an invoice is ours to pay: `--buyer-tax-id` says who we are.

Two tax ids are one if their letters and figures are the same, or one has the country in front and the other has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .checks_notation import Notation
from .document import Finding
from .invoice import Invoice

_COUNTRY = re.compile(r"[A-Z]{2,3}(?=[A-Z]?\d)")


def bare_tax_id(value: str) -> str:
    """A tax id in capitals, without spaces and punctuation."""
    return re.sub(r"[\W_]+", "", value).upper()


def same_tax_id(one: str, other: str) -> bool:
    """Whether two tax ids are one, however they are written."""
    a, b = bare_tax_id(one), bare_tax_id(other)
    return bool(a and b) and (a == b or _COUNTRY.sub("", a) == b or a == _COUNTRY.sub("", b))


def check_addressed(invoice: Invoice, ours: Sequence[str], page: Notation | None) -> Iterator[Finding]:
    """An error for an invoice of ours to somebody, and for one to somebody else. Nothing where `ours` is empty."""
    if not ours:
        return
    seller, buyer = invoice.seller_tax_id, invoice.buyer_tax_id
    if seller and any(same_tax_id(seller, our) for our in ours):
        message = f"the seller's tax id {seller[:60]} is our own: this is an invoice that we sent"
        yield Finding("party.seller_is_us", "error", message, "seller_tax_id")
    if buyer and not any(same_tax_id(buyer, our) for our in ours):
        message = f"it is addressed to tax id {buyer[:60]}, which is none of ours"
        yield Finding("party.not_to_us", "error", message, "buyer_tax_id")
    if not buyer and not (page and any(page.shows_text(our) for our in ours)):
        message = "it names no tax id of the buyer: whether it is addressed to us is not proven"
        yield Finding("party.unproven", "warning", message, "buyer_tax_id")
