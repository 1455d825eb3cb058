"""The values in an e-invoice's elements: amounts, days, codes, accounts; each exactly as written, or an `InputError`.

Promises: a number or a date that can't be read for certain ends the document, by an error that names the element and
the value; nothing is repaired ("1.000,00" could be one or a thousand). What is missing or empty is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, localcontext

from .einvoice_node import Node
from .errors import InputError
from .invoice import DocType
from .invoice_details import Identifier

_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?1?\d)?", re.ASCII)
_ISO_DAY = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII
)
_COMPACT_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{4}|\d{6})?", re.ASCII)
_NO_DAY = frozenset({"609", "610", "616"})
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{8,30}", re.ASCII | re.IGNORECASE)

# UNTDID 1001, as EN 16931 lists it, with the additions of the French reform.
CREDIT_NOTES = frozenset({"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "502", "503", "532"})
_CORRECTIONS = frozenset({"384", "471", "472", "473"})


def amount(node: Node | None) -> Decimal | None:
    """A number with the sign and the scale it is written with."""
    text = node.text if node else None
    if node is None or text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise InputError(f"{node.name} is not a number: {_shown(text)}")
    return Decimal(text)


def amount_in(nodes: Iterable[Node], currency: str | None) -> Decimal | None:
    """The amount among `nodes` that is in the invoice's `currency`, or that names none.

    Totals may be stated a second time in the currency of the accounts. One that is there only in another currency is
    refused: it would be taken for what it is not.
    """
    stated = [node for node in nodes if node.text]
    for node in stated:
        if is_in(node, currency):
            return amount(node)
    if not stated:
        return None
    other = stated[0]
    raise InputError(f"{other.name} is in {other.attribute('currencyID')}, but the invoice is in {currency}")


def is_in(node: Node, currency: str | None) -> bool:
    """Whether an amount is in `currency`, as far as both say."""
    return currency is None or (node.attribute("currencyID") or currency).upper() == currency.upper()


def total(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what is stated, to the last digit; None, not zero, of nothing."""
    found = [value for value in values if value is not None]
    with localcontext(prec=120):  # holds the sum of any numbers that `amount` reads
        return sum(found[1:], found[0]) if found else None


def day(node: Node | None) -> date | None:
    """A date: YYYY-MM-DD with or without a time, or YYYYMMDD with or without one (formats 102, 203 and 204).

    CII has the text one element further in, with its format. A week or a month (formats 609, 610, 616) is no day: None.
    """
    inner = (node.first("DateTimeString|DateTime|DateString|Date") or node) if node else None
    text = inner.text if inner else None
    if node is None or inner is None or text is None or inner.attribute("format") in _NO_DAY:
        return None
    match = _ISO_DAY.fullmatch(text) or _COMPACT_DAY.fullmatch(text)
    if match:
        try:
            return date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            pass
    raise InputError(f"{node.name} is not a date: {_shown(text)}")


def detail_day(node: Node | None) -> date | None:
    """A date on which no amount and no due date hangs: one that can't be read is left out, and ends no document."""
    try:
        return day(node)
    except InputError:
        return None


def first_day(nodes: Iterable[Node]) -> date | None:
    """The earliest of several due dates: for partial payments EN 16931 (BT-9) asks for the first one."""
    return min((found for node in nodes if (found := day(node))), default=None)


def only_day(nodes: Iterable[Node]) -> date | None:
    """The date that all of `nodes` state; None where they differ."""
    days = {found for node in nodes if (found := day(node))}
    return days.pop() if len(days) == 1 else None


def is_charge(node: Node) -> bool:
    """Whether `node` adds (or deducts, an allowance). The total hangs on it, so one that does not say is an error."""
    text = node.value("ChargeIndicator/Indicator") or node.value("ChargeIndicator")
    if text is None:
        raise InputError(f"{node.name} has no ChargeIndicator: it could be an allowance or a charge")
    if text.lower() not in ("true", "1", "false", "0"):
        raise InputError(f"ChargeIndicator is neither true nor false: {_shown(text)}")
    return text.lower() in ("true", "1")


def iban(texts: Iterable[str | None]) -> str | None:
    """The first that is shaped like an IBAN, without spaces. Its checksum is a matter of the checks."""
    accounts = ("".join(text.split()) for text in texts if text)
    return next((account for account in accounts if _IBAN.fullmatch(account)), None)


def identifier(node: Node | None) -> Identifier | None:
    """A number with the scheme it belongs to; None where it is missing or empty."""
    return Identifier(value=node.text, scheme=node.attribute("schemeID")) if node and node.text else None


def doc_type(code: str | None, gross: Decimal | None) -> DocType:
    """By type code (BT-3). A correction goes either way: it credits if its total is negative."""
    credits = code in CREDIT_NOTES or (code in _CORRECTIONS and gross is not None and gross < 0)
    return "credit_note" if credits else "invoice"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
