"""What the page of a document shows of its fields: each with what it says, said before, where it stands, what is wrong.

Pure functions of a record and its result. Every value is text, as the template will show it and never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from .document import Finding
from .jsonfile import Json
from .rechecking import findings_said, invoice_said
from .transitions_review import corrections_told

_GROUPS: Sequence[tuple[str, str]] = (
    ("Invoice", "doc_type invoice_number issue_date due_date delivery_date currency purchase_order buyer_reference"),
    ("Seller and buyer", "seller_name seller_tax_id buyer_name buyer_tax_id"),
    ("Amounts", "line_total allowance_total charge_total net_total tax_total gross_total prepaid rounding amount_due"),
    ("Payment", "iban payment_reference"),
)
_AMOUNTS = frozenset(
    "line_total allowance_total charge_total net_total tax_total gross_total prepaid rounding amount_due "
    "net_amount unit_price quantity tax_rate rate base amount".split()
)
_COLUMNS: Mapping[str, tuple[str, Sequence[str]]] = {
    "line_items": ("Lines", ("description", "quantity", "unit", "unit_price", "net_amount", "tax_rate")),
    "tax_lines": ("Tax", ("category", "rate", "base", "amount")),
    "allowances_charges": ("Allowances and charges", ("reason", "charge", "amount", "tax_rate")),
}
_SUMS = {"line_items": ("net_amount",), "tax_lines": ("base", "amount"), "allowances_charges": ()}
_LABELS = {"doc_type": "type", "iban": "IBAN", "net_amount": "net", "tax_rate": "tax %", "rate": "rate %"}
_PLAIN = frozenset({"quantity", "tax_rate", "rate"})
"""Figures that are no money."""
MOST_LINES = 300


@dataclass(slots=True)
class Field:
    """One value: `text` as it is shown, `raw` as it is edited. `corrected` says who corrected it and what stood there,
    `where` and `how` where it came from and what confirms it. `typed` is what a reviewer has in hand that is not
    recorded, None where nothing."""

    path: str
    label: str
    text: str
    raw: str
    is_amount: bool = False
    corrected: str = ""
    where: str = ""
    how: str = ""
    place: str = ""
    findings: list[Finding] = field(default_factory=list[Finding])
    typed: str | None = None


@dataclass(slots=True)
class Line:
    """One row of a list by the number that it was read with. `place` is its key on the page; `counts` says whether it
    is part of the sum: not where it is taken away, or only groups or informs."""

    path: str
    cells: list[Field]
    gone: bool
    new: bool
    counts: bool
    place: str


@dataclass(slots=True)
class Table:
    """A list of lines with the sums of its columns, by column; `next` is the path of the line after the last."""

    name: str
    title: str
    columns: list[str]
    labels: list[str]
    lines: list[Line]
    sums: dict[str, str]
    findings: list[Finding]
    next: str
    more: int


@dataclass(slots=True)
class Shown:
    """The whole of it; `others` are findings that are about no field that is shown."""

    groups: list[tuple[str, list[Field], list[Field]]]
    tables: list[Table]
    others: list[Finding]
    currency: str


def shown_fields(record: Mapping[str, Any], result: Json, typed: Mapping[str, str | None]) -> Shown:
    """What is shown of an invoice; `typed` are values in hand, by path."""
    said, told = invoice_said(record, result), corrections_told(record)
    findings = sorted(findings_said(record, result), key=lambda f: ("error", "warning", "info").index(f.severity))
    about: dict[str, list[Finding]] = {}
    for finding in findings:
        about.setdefault(finding.field or "", []).append(finding)
    came: Mapping[str, Any] = result.get("provenance") or {}

    def one(path: str, value: Any) -> Field:
        shown = _field(path, value, told.get(path, ""), came.get(path))
        shown.findings, shown.typed = about.pop(path, []), _in_hand(shown, typed)
        return shown

    groups: list[tuple[str, list[Field], list[Field]]] = []
    for title, names in _GROUPS:
        fields = [one(name, said.get(name)) for name in names.split()]
        empty = [f for f in fields if not (f.text or f.corrected or f.findings or f.typed is not None)]
        groups.append((title, [f for f in fields if f not in empty], empty))
    tables = [_table(name, record, result, told, typed, about.pop(name, [])) for name in _COLUMNS]
    others = [finding for of in about.values() for finding in of]
    return Shown(groups, tables, others, str(said.get("currency") or ""))


def _field(path: str, value: Any, corrected: str, came: Mapping[str, Any] | None) -> Field:
    name = path.rpartition(".")[2]
    shown = Field(path, _LABELS.get(name, name.replace("_", " ")), _text(name, value), _raw(value), name in _AMOUNTS)
    shown.corrected = corrected.strip("()")
    if came and not corrected:
        shown.where, shown.how = _where(came), str(came.get("by", "")) if came.get("confirmed") else ""
    shown.place = path if came else ""
    return shown


def _in_hand(shown: Field, typed: Mapping[str, str | None]) -> str | None:
    """What the input of a field holds; None if it is not open."""
    return (typed[shown.path] or shown.raw) if shown.path in typed else None


def _raw(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _text(name: str, value: Any) -> str:
    """As people read it: money with thousands apart and two decimals at least; other figures as they are."""
    if value is None or name not in _AMOUNTS or name in _PLAIN:
        return "credit note" if value == "credit_note" else _raw(value)
    try:
        text = f"{Decimal(str(value)):,f}"
    except (InvalidOperation, ValueError):
        return str(value)
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"


def _where(came: Mapping[str, Any]) -> str:
    page = f"page {came['page']}" if "page" in came else ""
    source = "" if came.get("source") == "page" and page else str(came.get("source", ""))
    return ", ".join(filter(None, ({"xml": "XML", "ocr": "OCR"}.get(source, source), page)))


def _table(
    name: str,
    record: Mapping[str, Any],
    result: Json,
    told: Mapping[str, str],
    typed: Mapping[str, str | None],
    findings: list[Finding],
) -> Table:
    title, columns = _COLUMNS[name]
    corrections: Mapping[str, Any] = record.get("corrections") or {}
    came: Mapping[str, Any] = result.get("provenance") or {}
    read = cast("list[Json]", result["invoice"].get(name) or [])
    numbers = range(_count(name, len(read), [*corrections, *typed]))
    lines: list[Line] = []
    for number in numbers[:MOST_LINES]:
        path = f"{name}.{number}"
        row = {**(read[number] if number < len(read) else {}), **_of_line(path, corrections)}
        place = path if path in came else ""
        cells = [_field(f"{path}.{c}", row.get(c), told.get(f"{path}.{c}", ""), None) for c in columns]
        for cell in cells:
            cell.typed = _in_hand(cell, typed)
        gone = path in corrections
        counts = not gone and row.get("status") is None
        lines.append(Line(path, cells, gone, number >= len(read), counts, place))
    return Table(
        name,
        title,
        list(columns),
        [_LABELS.get(column, column.replace("_", " ")) for column in columns],
        lines,
        _sums(name, columns, lines),
        findings,
        f"{name}.{len(numbers)}",
        max(0, len(numbers) - MOST_LINES),
    )


def _count(name: str, read: int, paths: Iterable[str]) -> int:
    """How many lines there are, with those that a reviewer has begun."""
    parts = (path.split(".") for path in paths if path.startswith(f"{name}."))
    begun = [int(part[1]) + 1 for part in parts if len(part) == 3 and part[1].isdecimal() and len(part[1]) < 5]
    return max(read, *begun, 0)


def _of_line(path: str, corrections: Mapping[str, Any]) -> dict[str, Any]:
    before = f"{path}."
    return {key.removeprefix(before): value for key, value in corrections.items() if key.startswith(before)}


def _sums(name: str, columns: Sequence[str], lines: Sequence[Line]) -> dict[str, str]:
    """What the lines come to, by column."""
    sums: dict[str, str] = {}
    for column in _SUMS[name]:
        at = columns.index(column)
        values = [line.cells[at].raw for line in lines if line.counts and line.cells[at].raw]
        try:
            sums[column] = _text(column, str(sum(map(Decimal, values), Decimal(0)))) if values else ""
        except InvalidOperation:
            continue
    return sums
