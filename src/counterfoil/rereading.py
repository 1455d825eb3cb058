"""Scans that the first OCR leaves open: they are read in other ways, and the reading that proves itself is taken.

Runs inside a killable worker process. It never joins two readings: what is taken was read of one picture in one way.
The same bytes give the same choice, whatever the machine's load.
"""

from __future__ import annotations

from .checks import tidy
from .checks_amounts import is_confirmed
from .checks_notation import Notation
from .document import Limits, Ocr, Reading
from .errors import InputError
from .ocr_pages import FIRST, OTHERS, SECOND, Way
from .reader import Rules, read_document

_MOST_PAGES = 4
"""Scanned pages of a document that is read in other ways; more would take minutes."""
_FIELDS = ("gross_total", "net_total", "tax_total", "currency", "invoice_number", "issue_date", "seller_name")


def read_best(reading: Reading, data: bytes, limits: Limits, rules: Rules, ocr: Ocr) -> tuple[Reading, Way]:
    """The first reading whose gross total is confirmed, else the one with a total and the most fields; and the way in
    which it is to be read once more to be sure of it."""
    best, second = reading, SECOND
    if reading.rules_invoice is None or ocr.engine != "tesseract" or len(reading.scanned) > _MOST_PAGES:
        return best, second
    for way in OTHERS:
        if _worth(best)[0]:
            break
        try:
            other = read_document(data, limits, rules=rules, ocr=ocr, way=way)
        except InputError:  # it takes too long this way; the first reading stands
            break
        if other.scanned == reading.scanned and _worth(other) > _worth(best):
            best, second = other, FIRST
    return best, second


def _worth(reading: Reading) -> tuple[bool, bool, int]:
    if reading.rules_invoice is None:
        return False, False, 0
    invoice = tidy(reading.rules_invoice)
    confirmed = bool(invoice.gross_total) and is_confirmed(invoice, Notation(reading.text))
    return confirmed, bool(invoice.gross_total), sum(getattr(invoice, name) is not None for name in _FIELDS)
