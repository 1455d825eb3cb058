"""How right an extraction is: each field of a document beside its truth, and what that comes to over many. Pure.

It promises that a value counts as right only where it says the same, whatever its spelling, and that what the truth
does not say is not scored. The rules, by kind of field:

- amount: equal within 0.005; in a credit note the sign is ignored, since sources differ in it.
- day, code: the same text, whatever its case.
- id: the same letters and digits; case, spaces and punctuation are ignored.
- name: the same, or one contains the other and is at least 60 % as long, or they are at least 85 % alike.
- A truth may list further values that are right as `FIELDs` (`seller_names`, `ibans`), and fields that only the XML
  of a document knows in `not_visible`: those are scored only where the XML was read.
- Lists of lines: their count, exactly; each column as F1 over its values, the order ignored. A column with a value
  that the truth does not say is not scored. Texts of lines are right from 80 % alike.
- Fields that a truth names in `corrected` were read wrong, or a person would not have corrected them.
- A document without a result has everything wrong.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast

from .schema_columns import value_at

Kind = Literal["amount", "day", "code", "id", "name", "text", ""]
"""Of a field; with "" the truth's value tells: a number is an amount, YYYY-MM-DD a day, all else an id."""

_CENT = Decimal("0.005")
_OF_COLUMN: Mapping[str, Kind] = {
    "decimal": "amount",
    "number": "amount",
    "integer": "amount",
    "date": "day",
    "boolean": "code",
    "text": "id",
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Layout:
    """What is compared: fields by name, columns of lists of lines by name. `keys` decide whether what is done is
    right."""

    fields: Mapping[str, Kind]
    lists: Mapping[str, Mapping[str, Kind]]
    keys: frozenset[str]


INVOICE = Layout(
    {
        "invoice_number": "id",
        "issue_date": "day",
        "due_date": "day",
        "currency": "code",
        "seller_name": "name",
        "seller_tax_id": "id",
        "buyer_name": "name",
        "net_total": "amount",
        "tax_total": "amount",
        "gross_total": "amount",
        "amount_due": "amount",
        "iban": "id",
    },
    {"line_items": {"net_amount": "amount", "quantity": "amount", "unit_price": "amount", "description": "text"}},
    frozenset({"gross_total", "currency", "invoice_number", "issue_date"}),
)


def layout_of(columns: Mapping[str, Any]) -> Layout:
    """What is compared of documents with these columns (see `schema_columns`): all of them, and all are keys."""
    fields = _known(columns)
    lists = {name: _known(cast("Mapping[str, Any]", of)) for name, of in columns.items() if isinstance(of, Mapping)}
    return Layout(fields, lists, frozenset(fields))


def _known(columns: Mapping[str, Any]) -> dict[str, Kind]:
    return {name: _OF_COLUMN[kind] for name, kind in columns.items() if isinstance(kind, str) and kind in _OF_COLUMN}


def chosen(layout: Layout, names: Sequence[str]) -> Layout:
    """These fields and lists only; one that the layout does not have gets its kind from the truth."""
    fields: dict[str, Kind] = {name: layout.fields.get(name, "") for name in names if name not in layout.lists}
    return Layout(fields, {name: of for name, of in layout.lists.items() if name in names}, layout.keys & fields.keys())


@dataclass(frozen=True, slots=True)
class Got:
    """What an OUT has of a document; `fields` is None where nothing was read, `reader` then, too."""

    status: str
    reader: str | None
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A field that is not (all) right, with both values; of a column of lines, the values that the other lacks."""

    field: str
    truth: Any
    got: Any


@dataclass(slots=True)
class Judged:
    """One document: the score of each field that was scored (0 to 1), and what is wrong."""

    document: str
    kind: str | None
    seller: str | None
    got: Got | None
    scores: dict[str, float] = field(default_factory=dict[str, float])
    wrong: list[Mismatch] = field(default_factory=list[Mismatch])
    spurious: list[str] = field(default_factory=list[str])

    @property
    def accuracy(self) -> float:
        return sum(self.scores.values()) / len(self.scores) if self.scores else 1.0

    def right(self, names: frozenset[str]) -> bool:
        """Whether each of these fields is right, as far as it is scored."""
        return all(score == 1.0 for name, score in self.scores.items() if name in names)


def judge(document: str, truth: Mapping[str, Any], got: Got | None, layout: Layout) -> Judged:
    """Compares one document, None without a record, with its truth."""
    said = (got.fields if got else None) or {}
    kind_of_document, seller = (cast("str | None", truth.get(name)) for name in ("kind", "seller_name"))
    judged = Judged(document, kind_of_document, seller, got)
    hidden = set(truth.get("not_visible") or ()) if not (got and got.reader == "xml") else set[str]()
    unsigned = truth.get("doc_type") == "credit_note"
    corrected = set[str](truth.get("corrected") or ())
    for name, kind in layout.fields.items():
        expected, value = value_at(truth, name), value_at(said, name)
        if name in corrected:
            _note(judged, name, 0.0, expected, value)
        elif expected is None:
            if truth.get("kind") == "xml" and value not in (None, ""):
                judged.spurious.append(name)
        elif name not in hidden:
            accepted = [expected, *(truth.get(f"{name}s") or ())]
            right = any(same(one, value, kind, unsigned=unsigned) for one in accepted)
            _note(judged, name, float(right), expected, value)
    for name, columns in layout.lists.items():
        lines = _objects(value_at(truth, name))
        said_of = any(path.startswith(f"{name}.") for path in corrected)
        if (lines or said_of) and name not in hidden:
            _judge_lines(judged, name, columns, lines, _objects(value_at(said, name)), unsigned)
    return judged


def _objects(value: Any) -> list[Mapping[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]


def _judge_lines(
    judged: Judged,
    name: str,
    columns: Mapping[str, Kind],
    lines: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    unsigned: bool,
) -> None:
    _note(judged, f"{name}.count", float(len(lines) == len(found)), len(lines), len(found))
    for column, kind in columns.items():
        expected = [value_at(line, column) for line in lines]
        if any(value is None for value in expected):
            continue
        values = [value for line in found if (value := value_at(line, column)) is not None]
        if not expected and not values:
            continue

        def equal(one: Any, other: Any, kind: Kind = kind) -> bool:
            return same(one, other, kind, unsigned=unsigned)

        missing, extra = unpaired(expected, values, equal)
        f1 = 2 * (len(expected) - len(missing)) / (len(expected) + len(values))
        _note(judged, f"{name}.{column}", f1, missing, extra)


def _note(judged: Judged, name: str, score: float, expected: Any, value: Any) -> None:
    judged.scores[name] = score
    if score < 1.0:
        judged.wrong.append(Mismatch(name, expected, value))


def unpaired(
    expected: Sequence[Any], found: Sequence[Any], equal: Callable[[Any, Any], bool]
) -> tuple[list[Any], list[Any]]:
    """What is left of two bags of values, once each value of the one was paired with an equal one of the other."""
    missing: list[Any] = []
    extra = list(found)
    for value in expected:
        index = next((n for n, other in enumerate(extra) if equal(value, other)), None)
        if index is None:
            missing.append(value)
        else:
            del extra[index]
    return missing, extra


def same(truth: Any, value: Any, kind: Kind, *, unsigned: bool = False) -> bool:
    """Whether a value says what the truth says, by the rules of its kind."""
    if value is None or value == "":
        return False
    kind = kind or _kind_of(truth)
    if kind == "amount":
        one, other = number(truth), number(value)
        if one is None or other is None:
            return False
        return abs(abs(one) - abs(other) if unsigned else one - other) < _CENT
    if kind in ("day", "code"):
        return str(truth).strip().upper() == str(value).strip().upper()
    one, other = _bare(truth), _bare(value)
    return one == other if kind == "id" else _alike(one, other, kind)


def number(value: Any) -> Decimal | None:
    """A number, or the text of one, exactly; None for what is none."""
    try:
        found = None if value is None or isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def _kind_of(truth: Any) -> Kind:
    if isinstance(truth, (int, float, Decimal)) and not isinstance(truth, bool):
        return "amount"
    return "day" if isinstance(truth, str) and _DAY.fullmatch(truth) else "id"


def _bare(value: Any) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", str(value)).casefold())


def _alike(one: str, other: str, kind: Kind) -> bool:
    """Names and descriptions: contained in each other, or nearly the same."""
    short, long = sorted((one, other), key=len)
    if not short:
        return False
    contained = short in long and (len(short) >= 0.6 * len(long) if kind == "name" else len(short) >= 4)
    likeness = 0.85 if kind == "name" else 0.8
    return one == other or contained or difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= likeness
