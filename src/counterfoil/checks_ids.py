"""What an invoice must have, and whether its dates, its currency, its account and its tax identifiers can be right.

A wrong checksum is a warning: samples and forms are full of made-up numbers, and a mistyped VAT id does not make the
amounts wrong. A tax number that is no VAT id (a German Steuernummer, a US EIN) is never judged. Never asks a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from types import ModuleType
from typing import Any, cast

from stdnum import iban as stdnum_iban
from stdnum.ch import vat as ch_vat
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidLength, ValidationError
from stdnum.gb import vat as gb_vat
from stdnum.no import mva as no_mva

from .currencies import CURRENCIES, HISTORIC
from .document import Finding, Severity
from .invoice import Invoice

_MUST_HAVE = {
    "invoice_number": "invoice number",
    "issue_date": "issue date",
    "currency": "currency",
    "seller_name": "seller's name",
}
_YEAR = timedelta(days=366)
_TOLERANCE = timedelta(days=1)  # it may be tomorrow already where the seller is
_EARLIEST = date(1990, 1, 1)


def check_must_haves(invoice: Invoice) -> Iterator[Finding]:
    """An error for each thing without which an invoice can't be booked."""
    for field, name in _MUST_HAVE.items():
        if getattr(invoice, field) is None:
            yield Finding(f"missing.{field}", "error", f"the {name} is missing", field)
    if invoice.gross_total is None and invoice.amount_due is None:
        yield Finding("missing.gross_total", "error", "there is no gross total and no amount due", "gross_total")
    if invoice.currency is not None and invoice.currency not in CURRENCIES | HISTORIC:
        message = f"{invoice.currency[:40]} is not a currency code of ISO 4217"
        yield Finding("currency.unknown", "error", message, "currency")


def check_dates(invoice: Invoice, reader: str, today: date | None) -> Iterator[Finding]:
    """Dates in order. What is odd in an e-invoice is a sign of misreading elsewhere, and an error there."""
    issued, due, delivered = invoice.issue_date, invoice.due_date, invoice.delivery_date
    odd: Severity = "warning" if reader == "xml" else "error"
    if issued is None:
        return
    if due is not None and due < issued:
        yield Finding("dates.due", odd, f"it is due on {due}, before it was issued on {issued}", "due_date")
    if due is not None and due > issued + 2 * _YEAR:
        message = f"it is due on {due}, more than two years after it was issued on {issued}"
        yield Finding("dates.due_late", odd, message, "due_date")
    if today is not None and issued > today + _TOLERANCE:
        message = f"the issue date {issued} is in the future (today is {today})"
        yield Finding("dates.future", odd, message, "issue_date")
    if issued < _EARLIEST:
        yield Finding("dates.old", odd, f"the issue date {issued} is very long ago", "issue_date")
    if delivered is not None and abs(delivered - issued) > _YEAR:
        message = f"the delivery on {delivered} is more than a year from the issue on {issued}"
        yield Finding("dates.delivery", "warning", message, "delivery_date")


def check_ids(invoice: Invoice) -> Iterator[Finding]:
    """The IBAN and the VAT ids, by length and checksum."""
    if invoice.iban and (problem := _problem(_validate_iban, invoice.iban)):
        yield Finding("iban.invalid", "warning", f"the IBAN {invoice.iban[:60]} {problem}", "iban")
    for field, whose in (("seller_tax_id", "seller's"), ("buyer_tax_id", "buyer's")):
        value = cast("str | None", getattr(invoice, field))
        module = vat_module(value) if value else None
        if value and module and (problem := _problem(cast(Any, module).validate, value)):
            yield Finding("vat.invalid", "warning", f"the {whose} VAT id {value[:60]} {problem}", field)


def valid_iban(number: str) -> bool:
    """Whether the country is known, and length and checksum are right."""
    return _problem(_validate_iban, number) is None


def valid_vat(number: str) -> bool:
    """Whether it is a VAT id whose format and check digits are right."""
    module = vat_module(number)
    return module is not None and _problem(cast(Any, module).validate, number) is None


def _validate_iban(number: str) -> object:
    return stdnum_iban.validate(number, check_country=False)


def _problem(validate: Any, number: str) -> str | None:
    """What is wrong with a number, as the end of a sentence."""
    try:
        validate(number)
    except InvalidChecksum:
        return "has a wrong checksum"
    except InvalidLength:
        return "has a wrong length"
    except InvalidComponent:
        return "has an unknown part"
    except ValidationError:
        return "has a wrong format"
    return None


def vat_module(value: str) -> ModuleType | None:
    """What validates this number, None if it isn't a VAT id by its looks: country, then a figure (ATU..., CHE-...)."""
    number = re.sub(r"[\s.\-]", "", value).upper()
    if number.startswith("CHE"):
        return ch_vat if re.fullmatch(r"CHE\d{9}(MWST|TVA|IVA|TPV)", number) else None
    if number.endswith("MVA"):
        return no_mva
    if not re.fullmatch(r"[A-Z]{2}[A-Z]?\d[A-Z0-9+*]{5,13}", number):
        return None
    if number.startswith("GB"):
        return gb_vat
    country = "gr" if number.startswith("EL") else number[:2].lower()
    # A third letter is part of few countries' ids; elsewhere it is a register's name, such as HRB 12345.
    if number[2].isalpha() and country not in ("at", "cy", "es", "fr", "ie"):
        return None
    return eu_vat if country in eu_vat.MEMBER_STATES else None
