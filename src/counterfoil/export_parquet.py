"""Parquet: a typed column for each field, lists of structs for lines, tax rows, allowances and findings.

Amounts are decimal(38, 12). One that does not fit is rounded, or null if it is too large, and the row's findings say
so: nothing is lost in silence. Imported by `export` only when it is needed, since it needs pyarrow.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from datetime import date
from decimal import Context, Decimal
from itertools import islice
from typing import Any, BinaryIO, Union, cast, get_args, get_origin

import pyarrow  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]
from pydantic import BaseModel

from .export_row import DETAILS, Row, findings, values
from .invoice import Invoice

_pa = cast(Any, pyarrow)  # it comes without types
_BATCH = 1000
_PRECISION, _SCALE = 38, 12
_STEP = Decimal(1).scaleb(-_SCALE)
_EXACT = Context(prec=_PRECISION)


def schema() -> Any:
    """The Arrow schema, derived from `Invoice`."""
    text = _pa.string()
    finding = _pa.struct([(name, text) for name in ("code", "severity", "message", "field")])
    facts = [(name, text) for name in ("file", "status", "reader", "reason")]
    return _pa.schema([*facts, *_fields(Invoice), ("findings", _pa.list_(finding))])


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
    columns, count, remaining = schema(), 0, iter(rows)
    writer = cast(Any, pyarrow.parquet).ParquetWriter(out, columns, compression="zstd")
    with writer:
        while batch := [_cells(row) for row in islice(remaining, _BATCH)]:
            writer.write_table(_pa.Table.from_pylist(batch, schema=columns))
            count += len(batch)
    return count


def _cells(row: Row) -> dict[str, Any]:
    changed: list[str] = []
    fields = {name: _fitting(value, name, changed) for name, value in values(row).items() if name != DETAILS}
    told = [{"code": "export.amount", "severity": "info", "message": text, "field": None} for text in changed]
    return {**row.facts, **fields, "findings": findings(row) + told}


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
