"""The form of a model's answer, made from `Invoice` alone: the JSON Schema asked for, and the check of what came.

It promises that amounts keep every digit, and that what does not fit is a `MisfitError` whose message can be sent back.
It never fills in, rounds or guesses a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NoReturn, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from .form import Form, MisfitError, UnreadableError
from .invoice import Invoice
from .prompt import INSTRUCTIONS
from .schema_strict import strict_schema

EXPECTED = ("invoice_number", "issue_date", "currency", "seller_name", "gross_total")
"""Keys that an answer has even where they are null. One without them is no reading of a document, such as `{}`."""
WIDEST_NUMBER = 40
"""Characters, and powers of ten. No amount is wider, and one like 1e999999 would be a megabyte of digits."""
ERRORS_TOLD = 8

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@cache
def invoice_schema() -> Mapping[str, Any]:
    """`Invoice` as a strict-mode JSON Schema."""
    return strict_schema(Invoice.model_json_schema())


@cache
def invoice_form() -> Form:
    """What a model is asked for where nobody brings a schema of their own."""
    return Form("invoice", invoice_schema(), INSTRUCTIONS, parse_invoice)


def parse_invoice(text: str, *, cut_off: bool = False) -> Invoice:
    """The invoice in an answer. A fence or words around the JSON object are forgiven; else `MisfitError`."""
    data = answer_object(text, cut_off)
    missing = [name for name in EXPECTED if name not in data]
    if missing:
        raise MisfitError(f"keys are missing: {', '.join(missing)} (null where the document does not say)")
    _check_dates(data)
    try:
        invoice = Invoice.model_validate({name: value for name, value in _asked(data).items() if value is not None})
        invoice.model_dump_json()  # half a surrogate pair passes as text, and would break whoever stores it
    except ValidationError as exc:
        raise MisfitError(_told(exc)) from exc
    except PydanticSerializationError as exc:
        raise MisfitError("a text has an escape that is no character, such as half a surrogate pair") from exc
    return invoice


def _asked(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for of an answer: of an invoice's terms, a model is not asked for all (see `invoice`)."""
    return _kept_part(data, invoice_schema())


def _kept_part(part: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    asked = cast("Mapping[str, Any]", schema["properties"])
    return {name: _kept(value, asked[name]) for name, value in part.items() if name in asked}


def _kept(value: Any, schema: Mapping[str, Any]) -> object:
    if isinstance(value, dict) and "properties" in schema:
        return _kept_part(cast("dict[str, Any]", value), schema)
    if isinstance(value, list) and "items" in schema:
        return [_kept(part, schema["items"]) for part in cast("list[Any]", value)]
    return cast(object, value)


def answer_object(text: str, cut_off: bool) -> Mapping[str, Any]:
    """The JSON object in an answer, every number of it a `Decimal`; a fence or words around it are forgiven."""
    try:
        data = _json(text)
    except (ValueError, RecursionError):
        data = _inner_object(text, cut_off)
    if not isinstance(data, dict):
        raise UnreadableError("the answer is not a JSON object")
    return cast("Mapping[str, Any]", data)


def _inner_object(text: str, cut_off: bool) -> Any:
    """What stands between the outermost braces: models wrap an object in a markdown fence or a sentence."""
    try:
        return _json(text[text.find("{") : text.rfind("}") + 1])
    except (ValueError, RecursionError) as exc:
        why = "it was cut off, so answer more briefly" if cut_off else str(exc)[:200]
        raise UnreadableError(f"the answer is not valid JSON: {why}") from exc


def _json(text: str) -> Any:
    return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_no_number)


def _number(digits: str) -> Decimal:
    try:
        number = Decimal(digits)
    except InvalidOperation:
        _no_number(digits)
    if len(digits) > WIDEST_NUMBER or abs(number.adjusted()) > WIDEST_NUMBER:
        _no_number(digits)
    return number


def _no_number(digits: str) -> NoReturn:
    raise ValueError(f"{digits[:WIDEST_NUMBER]} is not an amount")


@cache
def _date_fields() -> tuple[str, ...]:
    fields = cast("Mapping[str, Mapping[str, Any]]", Invoice.model_json_schema()["properties"])
    return tuple(n for n, f in fields.items() if any(o.get("format") == "date" for o in f.get("anyOf", ())))


def _check_dates(data: Mapping[str, Any]) -> None:
    # pydantic would read a bare number as seconds since 1970, and make a date of 20240105 that no page ever said.
    for name in _date_fields():
        value = data.get(name)
        if value not in (None, "") and not (isinstance(value, str) and _ISO_DAY.fullmatch(value)):
            raise MisfitError(f"{name}: must be a string YYYY-MM-DD or null")


def _told(exc: ValidationError) -> str:
    errors = exc.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in errors[:ERRORS_TOLD])
