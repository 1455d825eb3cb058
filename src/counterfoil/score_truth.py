"""Truth files: a folder of NAME.json, one for each document, or a CSV with a column `file`.

It promises one sentence for each that can't be used, with what to mend; the others count all the same. It never guesses
what an amount says.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from .amounts import DecimalMark, parse_amount
from .errors import SetupError
from .schema_columns import value_at
from .score import Layout, number

_DELIMITERS = ",;\t|"
_MARK = re.compile(r"([.,])\d{1,2}\D*$")
_OTHERS = frozenset({"file", "document"})


@dataclass(slots=True)
class Truths:
    """What is right, by the name of the document, and a sentence for each file or row that can't be used."""

    said: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    bad: list[str] = field(default_factory=list[str])


def read_truths(where: str, layout: Layout) -> Truths:
    """The truths of a folder or a CSV file, as far as the layout's fields go. Raises `SetupError` if there are none."""
    path = Path(where)
    if not path.exists():
        raise SetupError(f"{where}: there is no such folder or file of truths")
    truths = Truths()
    for name, place, said in _of_folder(path, truths) if path.is_dir() else _of_csv(path, layout, truths):
        problem = _problem(said, layout) if name else "it names no document"
        if problem or name in truths.said:
            truths.bad.append(f"{place}: {problem or f'{name} has a truth already'}")
        else:
            truths.said[name] = said
    if not truths.said:
        reasons = "; ".join(truths.bad[:3]) or "a truth is NAME.json for a document NAME"
        raise SetupError(f"{where} has no truth that can be used: {reasons}")
    return truths


def _of_folder(path: Path, truths: Truths) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for file in sorted(path.glob("*.json")):
        try:
            said = json.loads(file.read_bytes(), parse_float=Decimal)
        except (OSError, ValueError, RecursionError) as exc:
            truths.bad.append(f"{file.name}: it is not JSON: {exc}")
            continue
        if isinstance(said, dict):
            named = cast("dict[str, Any]", said)
            yield str(named.get("file") or file.name.removesuffix(".json")), file.name, named
        else:
            truths.bad.append(f"{file.name}: it does not hold a JSON object")


def _of_csv(path: Path, layout: Layout, truths: Truths) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise SetupError(f"{path}: it is not a CSV file in UTF-8: {exc}") from exc
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(_DELIMITERS, key=first.count))
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as exc:
        raise SetupError(f"{path}: line {reader.line_num} can't be read: {exc}") from exc
    header = [name.strip() for name in rows.pop(0)] if rows else []
    at = next((n for n, name in enumerate(header) if name in _OTHERS), None)
    if at is None:
        raise SetupError(
            f"{path}: its first line must name the columns, and one of them file; it has {first.strip()!r}"
        )
    mark = _decimal_mark(rows, [n for n, name in enumerate(header) if layout.fields.get(name) == "amount"])
    for place, row in enumerate(rows, 2):
        if len(row) != len(header):
            truths.bad.append(f"row {place}: it has {len(row)} cells, the first line has {len(header)}")
            continue
        cells = {name: cell.strip() for name, cell in zip(header, row, strict=True) if cell.strip()}
        name = cells.get(header[at], "")
        yield name, f"row {place} ({name})", {k: _cell(v, layout.fields.get(k), mark) for k, v in cells.items()}


def _decimal_mark(rows: Sequence[Sequence[str]], amounts: Sequence[int]) -> DecimalMark | None:
    """What the amounts of a file have before their cents, if they agree: it tells what 1.000 is."""
    found = {m[1] for row in rows for n in amounts if n < len(row) and (m := _MARK.search(row[n].strip()))}
    return cast("DecimalMark", found.pop()) if len(found) == 1 else None


def _cell(text: str, kind: str | None, mark: DecimalMark | None) -> Any:
    """A cell as JSON has it; an amount that can't be told stays as it is written, for `_problem` to find."""
    if kind != "amount":
        return text
    value = parse_amount(text, decimal_hint=mark)
    return text if value is None else value


def _problem(said: Mapping[str, Any], layout: Layout) -> str:
    """What is wrong with a truth in one sentence; empty if nothing is."""
    names = [name for name in (*layout.fields, *layout.lists) if value_at(said, name) is not None]
    if not names:
        return f"it has none of the fields {', '.join((*layout.fields, *layout.lists))}"
    for name in names:
        value, kind = value_at(said, name), layout.fields.get(name)
        if kind == "amount" and number(value) is None:
            return f"{name} {value!r} is no amount, or an ambiguous one; write it like 1234.50"
        if kind == "day" and not _is_day(value):
            return f"{name} {value!r} is no date; write it YYYY-MM-DD"
        if name in layout.lists and not isinstance(value, list):
            return f"{name} is no list"
    return ""


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value)) and len(value) == len("YYYY-MM-DD")
    except ValueError:
        return False
