"""An answer, held to a schema of the user's: a Pydantic model, or a JSON Schema.

It promises that no amount passes through a float on its way to a `Decimal`, and that an answer which the schema refuses
is sent back with the schema's own words. Numbers of a JSON Schema are kept as decimal text. It never makes a value up:
a null where the schema wants a value is a misfit, unless the field may be left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from .document import Data, Finding
from .errors import SetupError
from .form import MisfitError
from .model_answer import ERRORS_TOLD, answer_object
from .schema_strict import Node, is_decimal, options, resolved, type_of, types

_ANY: Node = {}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Check = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Takes an answer that has been fitted to the schema; returns it as it is stored. Raises `Refusal`."""


class Refusal(ValueError):
    """The schema's words on an answer, as (place, words)."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place}: {words}" if place else words for place, words in errors[:ERRORS_TOLD]))
        self.errors = errors


def parse_as(name: str, schema: Node, check: Check, text: str, *, cut_off: bool = False) -> Data:
    """What an answer says, by the schema of this name. One that `check` refuses is a `MisfitError` whose `rest` has the
    values as the model gave them, with a finding for each refusal."""
    answer = answer_object(text, cut_off)
    fit = _Fit(schema)
    fitted = fit.value(answer, schema, "")
    missing = [key for part in fit.parts(schema) for key in part.get("properties", {}) if key not in answer]
    try:
        if missing:
            raise Refusal([("", f"keys are missing: {', '.join(missing)} (null where the document does not say)")])
        if fit.errors:
            raise Refusal(fit.errors)
        values = check(fitted)
        json.dumps(values).encode()
    except UnicodeEncodeError as exc:
        raise MisfitError("a text has an escape that is no character, such as half a surrogate pair") from exc
    except Refusal as exc:
        findings = [Finding("schema.refused", "error", words, place or None) for place, words in exc.errors]
        raise MisfitError(str(exc), Data(name, _stored(fitted), tuple(findings))) from exc
    empty = Finding("schema.empty", "error", "nothing that the schema asks for was found in this document")
    return Data(name, values, () if any(_leaves(values)) else (empty,))


def pydantic_check(model: type[BaseModel]) -> Check:
    """The check of a Pydantic model: its types, and its validators."""

    def check(answer: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            # As JSON: there, a strict model takes a text for a date, and a decimal's text keeps all its digits.
            said = model.model_validate_json(json.dumps(answer, default=_as_float))
            return said.model_dump(mode="json", by_alias=True, warnings=False)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False, include_context=False)
            raise Refusal([(".".join(map(str, e["loc"])), _words(e["msg"])) for e in errors]) from exc
        except Exception as exc:  # the user's own code: its fault may lie in this one answer
            raise Refusal([("", f"{type(exc).__name__} in the schema's own code: {exc}")]) from exc

    return check


def json_schema_check(schema: Node) -> Check:
    """The check of a JSON Schema, formats included. Raises `SetupError` for one that is none."""
    try:
        import jsonschema_rs
    except ImportError as exc:
        raise SetupError(
            "a JSON Schema needs the package jsonschema-rs: pip install 'counterfoil[jsonschema]'"
        ) from exc

    def refuse(uri: str) -> Any:
        raise ValueError(f"{uri}: nothing is fetched")

    try:
        validator = jsonschema_rs.validator_for(dict(schema), validate_formats=True, retriever=refuse)
    except ValueError as exc:
        raise SetupError(f"it is no JSON Schema: {_words(str(exc))}") from exc

    def check(answer: Mapping[str, Any]) -> Mapping[str, Any]:
        errors = [(".".join(map(str, e.instance_path)), _words(e.message)) for e in validator.iter_errors(answer)]
        if errors:
            raise Refusal(errors)
        return _stored(answer)

    return check


def _words(message: str) -> str:
    """The first line of a validator's message, without what only Pydantic knows."""
    return re.sub(r"^(Value error|Assertion failed), ", "", message.strip().partition("\n")[0])[:500]


def _as_float(value: object) -> float:
    assert isinstance(value, Decimal), "all else is JSON"
    return float(value)  # where the model itself wants a float


def _stored(value: Any) -> Any:
    """The value as JSON that is exact: a decimal as its text."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {key: _stored(inner) for key, inner in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_stored(inner) for inner in cast("list[Any]", value)]
    return value


def _leaves(value: Any) -> list[bool]:
    """For every value that is no object or list, whether it says something."""
    if isinstance(value, Mapping):
        return [said for inner in cast("Mapping[str, Any]", value).values() for said in _leaves(inner)]
    if isinstance(value, list):
        return [said for inner in cast("list[Any]", value) for said in _leaves(inner)]
    return [value not in (None, "")]


class _Fit:
    """Makes of an answer JSON of the schema's types: no null where a field may be left out, digits for a number in the
    place of a text. That is what models get wrong, and what can be put right without a guess."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self.errors: list[tuple[str, str]] = []

    def parts(self, node: Node) -> list[Node]:
        """What a value may be: the schemas of a union, or the one."""
        node = resolved(node, self._root)
        return [resolved(part, self._root) for part in options(node)] or [node]

    def value(self, value: Any, node: Node, place: str) -> Any:
        parts = self.parts(node)
        part = next((part for part in parts if type_of(value) in types(part)), _ANY)
        if isinstance(value, list):
            items = enumerate(cast("list[Any]", value))
            return [self.value(item, part.get("items", {}), f"{place}.{number}") for number, item in items]
        if isinstance(value, Mapping):
            return self._object(cast("Mapping[str, Any]", value), part, place)
        if isinstance(value, (str, Decimal)) and any(p.get("format") in ("date", "date-time") for p in parts):
            return self._day(value, parts, place)
        return _number(value, parts) if isinstance(value, Decimal) else value

    def _object(self, value: Mapping[str, Any], node: Node, place: str) -> dict[str, Any]:
        fields, required = node.get("properties", {}), node.get("required", ())
        kept = [k for k, v in value.items() if v is not None or k in required or self._may_be_null(fields.get(k, {}))]
        return {key: self.value(value[key], fields.get(key, {}), f"{place}.{key}".lstrip(".")) for key in kept}

    def _may_be_null(self, node: Node) -> bool:
        return any("null" in types(part) for part in self.parts(node))

    def _day(self, value: str | Decimal, parts: Sequence[Node], place: str) -> Any:
        # Pydantic would read a number, as text too, as seconds since 1970, and make a date that no page ever said.
        text = str(value)
        if all(part.get("format") or "string" not in types(part) for part in parts) and not _DAY.match(text):
            self.errors.append((place, "must be a string YYYY-MM-DD"))
        return text


def _number(value: Decimal, parts: Sequence[Node]) -> Any:
    """A number as what the schema wants in its place."""
    kinds = {kind for part in parts for kind in types(part)}
    if is_decimal(parts):
        return format(value, "f")
    if "integer" in kinds and value == value.to_integral_value():
        return int(value)
    return format(value, "f") if "string" in kinds and not kinds & {"number", "integer"} else value
