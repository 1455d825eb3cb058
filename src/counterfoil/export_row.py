"""What an export says of one document. Text is made fit for every format: it never holds a lone surrogate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from .document import Finding
from .invoice import Invoice, LineItem

DETAILS = "details"
"""What only e-invoices state, nested: JSON has it, tables do not."""
INVOICE_FIELDS = tuple(Invoice.model_fields)
LINE_FIELDS = tuple(field for field in LineItem.model_fields if field != DETAILS)
MANY = ("duplicates", "corrected")
FACTS = ("file", "status", "reader", "reason", "duplicate_of", *MANY)
"""What leads every record, whatever was read."""
LISTS = ("line_items", "tax_lines", "allowances_charges")
FLAT_FIELDS = tuple(field for field in INVOICE_FIELDS if field not in (*LISTS, DETAILS))


@dataclass(frozen=True, slots=True)
class Row:
    """One document of a manifest. `invoice` and `reader` are None where nothing has been read (yet); `data` is there
    instead of `invoice` where it was read by a schema of the user's own. `duplicate_of` names the
    document with the same invoice that came first, `duplicates` those that came after this one, `corrected` by path the
    fields that say what a person has corrected."""

    file: str
    status: str
    reader: str | None
    invoice: Invoice | None
    findings: tuple[Finding, ...]
    reason: str | None
    data: Mapping[str, Any] | None = None
    duplicate_of: str | None = None
    duplicates: Sequence[str] = ()
    corrected: Sequence[str] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What leads every record (`FACTS`): text or null, and lists of `MANY`."""
        facts = {name: getattr(self, name) for name in FACTS} | {name: list(getattr(self, name)) for name in MANY}
        return cast("dict[str, Any]", sound(facts))

    @property
    def cells(self) -> dict[str, Any]:
        """The facts as cells of a table."""
        facts = self.facts
        return facts | {name: "; ".join(facts[name]) or None for name in MANY}


def values(row: Row) -> dict[str, Any]:
    """The invoice's fields as Python values (`Decimal`, `date`, lists of dicts); None and empty lists without one."""
    if row.invoice is None:
        return {field: [] if field in LISTS else None for field in INVOICE_FIELDS}
    return cast("dict[str, Any]", sound(row.invoice.model_dump()))


def findings(row: Row) -> list[dict[str, Any]]:
    """The findings as dicts of code, severity, message, field."""
    return cast("list[dict[str, Any]]", sound([asdict(finding) for finding in row.findings]))


def findings_told(row: Row) -> str:
    """The findings as one text."""
    return "; ".join(f"{f['severity']} {f['code']}: {f['message']}" for f in findings(row))


def sound(value: object) -> object:
    """The value with every lone surrogate in its text (undecodable bytes of a file name) as `?`."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {key: sound(inner) for key, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list):
        return [sound(inner) for inner in cast("list[object]", value)]
    return value


def printable(text: str) -> str:
    """The text without control characters, but for tab and newline, and without the two that are no characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in lines if (c >= " " or c in "\t\n") and c not in "\ufffe\uffff")
