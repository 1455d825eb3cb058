"""Corrections of an invoice: which fields a person may correct, how what they type is read, what the invoice says then.

A correction names its field by its path in the JSON of a result: `gross_total`, `line_items.0.net_amount` (the first
line), and `line_items.0` for a whole line, which can only be taken away (None). The number after the last line begins a
new one. Numbers are those of the lines as they were read, whatever is taken away. Pure: what was read stays as it was.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel

from .amounts import DecimalMark, parse_amount
from .checks import tidy
from .dates import parse_date
from .errors import Refused
from .invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from .jsonfile import Json

Kind = Literal["amount", "day", "text", "type", "flag"]
LISTS: Mapping[str, type[BaseModel]] = {
    "line_items": LineItem,
    "tax_lines": TaxLine,
    "allowances_charges": AllowanceCharge,
}
_KINDS: Mapping[Any, Kind] = {Decimal: "amount", date: "day", str: "text", bool: "flag"}
_TYPES = ("invoice", "credit_note")
_FLAGS = {"true": True, "yes": True, "false": False, "no": False}
_LONGEST_TEXT = 2000
_LONGEST_LIST = 2000


@cache
def kinds_of(model: type[BaseModel]) -> Mapping[str, Kind]:
    """The fields of a group that can be corrected, by name; groups within it are none."""
    found: dict[str, Kind] = {}
    for name, info in model.model_fields.items():
        first = (get_args(info.annotation) or (info.annotation,))[0]
        if first in _KINDS:
            found[name] = _KINDS[first]
        elif isinstance(first, str):
            found[name] = "type"
    return found


def value_of(said: Json, path: str) -> Any:
    """What stands at a path of an invoice's JSON; None where there is nothing."""
    name, *rest = path.split(".")
    if not rest:
        return said.get(name)
    rows = cast("list[Json]", said.get(name) or [])
    row = rows[int(rest[0])] if int(rest[0]) < len(rows) else None
    if len(rest) == 1 or row is None:
        return None if row is None else {key: value for key, value in row.items() if value not in (None, [], {})}
    return row.get(rest[1])


def same(one: Any, other: Any, path: str) -> bool:
    """Whether two values of a field say the same: amounts do so whatever their zeros."""
    if one is None or other is None or kind_of(path) != "amount":
        return one == other
    return Decimal(one) == Decimal(other)


def lengths(said: Json, corrections: Iterable[str]) -> dict[str, int]:
    """How many lines each list has, those that were begun by corrections included, and those taken away."""
    found = {name: len(said.get(name) or ()) for name in LISTS}
    for path in corrections:
        name, *rest = path.split(".")
        if len(rest) == 2:
            found[name] = max(found[name], int(rest[0]) + 1)
    return found


def typed(there: Mapping[str, int], path: str, text: str, mark: DecimalMark | None = None) -> Any:
    """What a person typed for a field, as JSON; None if it is empty, since the document says nothing then. `there` are
    the `lengths` of the lists, `mark` is the document's decimal mark where that is known. Raises `Refused` with one
    sentence."""
    kind = kind_of(path)
    name, _, rest = path.partition(".")
    if rest and int(rest.split(".")[0]) >= min(there[name] + (kind is not None), _LONGEST_LIST):
        raise Refused(f"{path}: there is no such line; {name} has {there[name]}, the first is {name}.0")
    text = text.strip()
    if kind is None:
        if text:
            raise Refused(f"{path} is a whole line: it can only be taken away, by an empty value")
        return None
    if not text and kind not in ("type", "flag"):
        return None
    return _READERS[kind](path, text, mark)


def kind_of(path: str) -> Kind | None:
    """The kind of the field at a path, None for a whole line. Raises `Refused` for what is no field."""
    name, *rest = path.split(".")
    if name in LISTS and len(rest) in (1, 2) and re.fullmatch(r"0|[1-9][0-9]{0,3}", rest[0]):
        kinds = kinds_of(LISTS[name])
        if len(rest) == 1 or rest[1] in kinds:
            return kinds[rest[1]] if len(rest) == 2 else None
        raise Refused(f"{path}: a line of {name} has no field {rest[1]}; there are {', '.join(kinds)}")
    kinds = kinds_of(Invoice)
    if rest or name not in kinds:
        raise Refused(f"there is no field {path}; there are {', '.join(kinds)}, and line_items.0.net_amount and so on")
    return kinds[name]


def _amount(path: str, text: str, mark: DecimalMark | None) -> str:
    value = parse_amount(text.removesuffix("%"), decimal_hint=mark)
    if value is None and mark is None and parse_amount(text, decimal_hint=",") is not None:
        raise Refused(f"{path}: {text[:40]} may be a thousand or one; write it with its cents, like 1234.00")
    if value is None:
        raise Refused(f"{path}: {text[:40]!r} is no amount; write it like 1234.50 or 1.234,50")
    return format(value, "f")


def _day(path: str, text: str, _: DecimalMark | None) -> str:
    value = parse_date(text)
    if value is None:
        raise Refused(f"{path}: {text[:40]!r} is no date, or an ambiguous one; write it YYYY-MM-DD")
    return value.isoformat()


def _text(path: str, text: str, _: DecimalMark | None) -> str:
    if len(text) > _LONGEST_TEXT:
        raise Refused(f"{path}: the text has {len(text):,} characters, more than {_LONGEST_TEXT:,}")
    return text


def _type(path: str, text: str, _: DecimalMark | None) -> str:
    if text not in _TYPES:
        raise Refused(f"{path}: {text[:40]!r} is none of {', '.join(_TYPES)}")
    return text


def _flag(path: str, text: str, _: DecimalMark | None) -> bool:
    if text.lower() not in _FLAGS:
        raise Refused(f"{path}: {text[:40]!r} is neither true nor false")
    return _FLAGS[text.lower()]


_READERS = {"amount": _amount, "day": _day, "text": _text, "type": _type, "flag": _flag}


def corrected(said: Json, corrections: Mapping[str, Any]) -> Invoice:
    """The invoice with these corrections in force, its codes in their usual form."""
    return tidy(Invoice.model_validate(_applied(said, corrections)))


def _applied(said: Json, corrections: Mapping[str, Any]) -> Json:
    whole, lists = dict(said), {name: [dict(row) for row in said.get(name) or ()] for name in LISTS}
    gone: dict[str, set[int]] = defaultdict(set)
    for path, value in corrections.items():
        name, *rest = path.split(".")
        if not rest:
            whole[name] = value
        elif len(rest) == 1:
            gone[name].add(int(rest[0]))
        else:
            rows = lists[name]
            rows += [{} for _ in range(int(rest[0]) + 1 - len(rows))]
            rows[int(rest[0])][rest[1]] = value
    kept = {name: [row for n, row in enumerate(rows) if row and n not in gone[name]] for name, rows in lists.items()}
    details = _mirrored(said.get("details"), {path: v for path, v in corrections.items() if "." not in path})
    return {**whole, **kept, "details": details}


def _mirrored(details: Json | None, flat: Mapping[str, Any]) -> Json | None:
    """What only e-invoices state, where it says again what was corrected: an export must not tell both."""
    if not details:
        return details
    found = dict(details)
    for party in ("seller", "buyer"):
        if found.get(party):
            found[party] = {**found[party], **dict(_of_party(party, flat))}
    if "iban" in flat and found.get("payments"):
        first, *others = found["payments"]
        found["payments"] = [{**first, "account": flat["iban"]}, *others]
    if "doc_type" in flat:
        found["type_code"] = None
    return found


def _of_party(party: str, flat: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if f"{party}_name" in flat:
        yield "name", flat[f"{party}_name"]
    if f"{party}_tax_id" in flat:
        value = flat[f"{party}_tax_id"]
        vat = re.match(r"\s*[A-Za-z]{2}", value or "") is not None
        yield from (("vat_id", value if vat else None), ("tax_registration", None if vat else value))
