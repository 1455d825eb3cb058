"""Where each field of a result came from, and what confirms it: an XML element, a box on a page, the sum it is part of.

What has no confirmation says so. A value that was found on the page is located there, which confirms a value of XML (an
independent source), but not one that was read off that very page.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from .checks_amounts import adding_up
from .checks_ids import valid_iban, valid_vat
from .dates import fold
from .document import Reading
from .invoice import Invoice, LineItem
from .places import Place, Places
from .rules_figures import kind_of

_FIELDS = (
    *("invoice_number", "issue_date", "due_date", "delivery_date", "currency", "seller_name", "seller_tax_id"),
    *("buyer_name", "buyer_tax_id", "purchase_order", "line_total", "net_total", "tax_total", "gross_total"),
    *("prepaid", "amount_due", "iban", "payment_reference"),
)
_LABELS = {
    "line_total": ("subtotal", "net"),
    "net_total": ("net", "subtotal"),
    "tax_total": ("tax",),
    "gross_total": ("gross", "total", "due"),
    "prepaid": ("prepaid",),
    "amount_due": ("due", "gross", "total"),
}
_MOST_LINES = 200

Provenance = dict[str, dict[str, Any]]
"""By field, and by `line_items.0` and so on: source, page, box or path, confirmed, by."""


def provenance(invoice: Invoice, reader: str, reading: Reading, agreed: Collection[str] = ()) -> Provenance:
    """Of every field that says something. `agreed` are those that a second reader read alike."""
    places = Places(reading.words)
    found: Provenance = {}
    sums = adding_up(invoice)
    for field in _FIELDS:
        value = getattr(invoice, field)
        if value is None:
            continue
        place = _best(field, list(_places(places, value)))
        entry = _origin(reader, reading, place, reading.xml_paths.get(field) if reader == "xml" else None)
        by = _confirmed_by(field, value, sums, agreed) or ("page" if reader == "xml" and place else None)
        found[field] = entry | ({"confirmed": True, "by": by} if by else {"confirmed": False})
    found.update(_lines(invoice.line_items, reader, reading, places))
    return found


def _origin(reader: str, reading: Reading, place: Place | None, path: str | None) -> dict[str, Any]:
    scanned = place is not None and place.page in reading.scanned
    source = {"rules": "ocr" if scanned else "page"}.get(reader, reader)
    at: dict[str, Any] = {"path": path} if path else {}
    if place:
        at |= {"page": place.page, "box": [round(edge, 1) for edge in place.box]}
    return {"source": source, **at}


def _confirmed_by(field: str, value: object, sums: Collection[str], agreed: Collection[str]) -> str | None:
    if field in sums:
        return "arithmetic"
    if field in agreed:
        return "second reader"
    sound = (field == "iban" and valid_iban(str(value))) or (field.endswith("tax_id") and valid_vat(str(value)))
    return "checksum" if sound else None


def _places(places: Places, value: str | Decimal | date) -> Iterator[Place]:
    if isinstance(value, Decimal):
        return places.amount(value)
    if isinstance(value, date):
        return places.day(value)
    return places.text(value)


def _best(field: str, found: list[Place]) -> Place | None:
    """The place whose line is labelled so; else the last one of an amount, the first one of anything else."""
    labels = _LABELS.get(field)
    if not found or not labels:
        return found[0] if found else None
    for label in labels:
        for place in found:
            if any(kind_of(fold(cell)) == label for cell in _cells(place.line)):
                return place
    return found[-1]


def _cells(line: str) -> Iterator[str]:
    for cell in line.split("   "):
        yield cell.rstrip("0123456789.,-€$£ ")


def _lines(items: list[LineItem], reader: str, reading: Reading, places: Places) -> Mapping[str, dict[str, Any]]:
    """The place of each line by its amount, on a line of the page that begins as its description does."""
    found: Provenance = {}
    for number, item in enumerate(items[:_MOST_LINES]):
        amount = item.net_amount
        candidates = list(places.amount(amount)) if amount else []
        words = (item.description or "").split()[:2]
        place = next((one for one in candidates if words and words[0].casefold() in one.line.casefold()), None)
        if place is None and item.description:
            place = next(places.text(item.description[:40]), None)
        if place:
            found[f"line_items.{number}"] = _origin(reader, reading, place, None)
    return found
