"""Parquet: a typed column for each field, lists of structs for lines, tax rows, allowances and findings.

Amounts are decimal(38, 12). One that does not fit is rounded, or null if it is too large, and the row's findings say
so: nothing is lost in silence. Imported by `export` only when it is needed, since it needs pyarrow.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Context, Decimal
from itertools import islice
from typing import Any, BinaryIO, Union, cast, get_args, get_origin

import orjson
import pyarrow  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]
from pydantic import BaseModel

from .export_row import DETAILS, FACTS, MANY, Row, findings, values
from .invoice import Invoice

_pa = cast(Any, pyarrow)  # it comes without types
_BATCH = 1000
_PRECISION, _SCALE = 38, 12
_STEP = Decimal(1).scaleb(-_SCALE)
_EXACT = Context(prec=_PRECISION)


def schema() -> Any:
    """The Arrow schema, derived from `Invoice`."""
    return _schema(_fields(Invoice))


def _schema(fields: list[tuple[str, Any]]) -> Any:
    text = _pa.string()
    finding = _pa.struct([(name, text) for name in ("code", "severity", "message", "field")])
    facts = [(name, _pa.list_(text) if name in MANY else text) for name in FACTS]
    return _pa.schema([*facts, *fields, ("findings", _pa.list_(finding))])


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    return [(name, _arrow_type(field.annotation)) for name, field in model.model_fields.items() if name != DETAILS]


def _arrow_type(annotation: Any) -> Any:
    if get_origin(annotation) is list:
        return _pa.list_(_pa.struct(_fields(get_args(annotation)[0])))
    optional = get_origin(annotation) in (Union, types.UnionType)
    plain = next(a for a in get_args(annotation) if a is not types.NoneType) if optional else annotation
    known = {Decimal: _pa.decimal128(_PRECISION, _SCALE), date: _pa.date32(), bool: _pa.bool_()}
    return known.get(plain, _pa.string())


def write(rows: Iterable[Row], out: BinaryIO) -> int:
    """Writes the rows in groups of a thousand; returns how many."""
    return _write((_cells(row) for row in rows), schema(), out)


def _write(rows: Iterator[dict[str, Any]], columns: Any, out: BinaryIO) -> int:
    count = 0
    writer = cast(Any, pyarrow.parquet).ParquetWriter(out, columns, compression="zstd")
    with writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(_pa.Table.from_pylist(batch, schema=columns))
            count += len(batch)
    return count


def write_columns(kinds: Mapping[str, str], rows: Iterable[tuple[Row, Mapping[str, Any]]], out: BinaryIO) -> int:
    """Writes rows of other columns than those of an invoice, each with its values; returns how many."""
    arrow = {
        "decimal": _pa.decimal128(_PRECISION, _SCALE),
        "number": _pa.float64(),
        "integer": _pa.int64(),
        "boolean": _pa.bool_(),
        "date": _pa.date32(),
    }
    columns = _schema([(name, arrow.get(kind, _pa.string())) for name, kind in kinds.items()])
    return _write((_columned(row, values, kinds) for row, values in rows), columns, out)


def _columned(row: Row, values: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    changed: list[str] = []
    cells = {name: _of_kind(value, name, kinds[name], changed) for name, value in values.items()}
    return {**cells, **row.facts, "findings": findings(row) + _told(changed)}


def _of_kind(value: Any, name: str, kind: str, changed: list[str]) -> Any:
    if value is None:
        return None
    if kind in ("text", "json"):
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    known = {"decimal": Decimal, "number": (float, int), "integer": int, "boolean": bool, "date": date}
    fits = isinstance(value, known[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits or (isinstance(value, int) and abs(value) >= 2**63):
        changed.append(f"{name} {str(value)[:80]!r} is no {kind} that this format can hold and was left out")
        return None
    return _fitting(value, name, changed)


def _cells(row: Row) -> dict[str, Any]:
    changed: list[str] = []
    fields = {name: _fitting(value, name, changed) for name, value in values(row).items() if name != DETAILS}
    return {**row.facts, **fields, "findings": findings(row) + _told(changed)}


def _told(changed: list[str]) -> list[dict[str, Any]]:
    return [{"code": "export.amount", "severity": "info", "message": text, "field": None} for text in changed]


def _fitting(value: object, name: str, changed: list[str]) -> object:
    """The value with every amount as the column can hold it; `changed` gets a sentence for each that it can't."""
    if isinstance(value, list):
        return [_fitting(inner, name, changed) for inner in cast("list[object]", value)]
    if isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        return {key: _fitting(inner, f"{name}.{key}", changed) for key, inner in parts.items() if key != DETAILS}
    if not isinstance(value, Decimal):
        return value
    if value.adjusted() >= _PRECISION - _SCALE:
        changed.append(f"{name} {value:.3g} is too large for this format and was left out")
        return None
    fitting = value.quantize(_STEP, context=_EXACT)
    if fitting != value:
        changed.append(f"{name} {value} was rounded to {_SCALE} decimals for this format")
    return fitting
