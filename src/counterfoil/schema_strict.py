"""A JSON Schema as providers can hold a model to it: every property required, no others, references written out.

It promises that what can't be asked for so is refused with one sentence that names the place, and that a schema stays
within what providers take. Keywords that strict modes don't know are told in words, in the description: whoever checks
the answer still holds it to them. It never reads a file, and never fetches a reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .errors import SetupError

Node = Mapping[str, Any]

MOST_NODES, DEEPEST = 2_000, 10
"""Schemas within a schema once references are written out, and objects or lists within each other."""
MOST_CHARACTERS = 100_000
"""Of the strict form as JSON, names and descriptions included; it goes with every call."""

_SCALARS = ("string", "number", "integer", "boolean")
_TOLD = (
    *("format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "examples"),
)
"""Keywords that strict modes don't take, and that a model should know of."""


def strict_schema(schema: Node, *, lenient: bool = False) -> dict[str, Any]:
    """The strict form of an object schema. `lenient`: a scalar may be null wherever it stands, so that a model need not
    make a value up, and what the form has no keyword for is told in the descriptions.

    Raises `SetupError` with the place and what to do.
    """
    return _Strict(schema, lenient).form(schema, "", ())


def resolved(node: Node, root: Node) -> Node:
    """A schema with its reference and a lone `allOf` written out, one level; what it says of itself goes first."""
    return _written_out(node, root)[0]


def _written_out(node: Node, root: Node) -> tuple[Node, tuple[str, ...]]:
    """`resolved`, and the references that it took."""
    taken: list[str] = []
    while "$ref" in node or len(node.get("allOf", ())) == 1:
        word = "$ref" if "$ref" in node else "allOf"
        rest = {key: value for key, value in node.items() if key != word}
        if word == "allOf":
            node = {**node["allOf"][0], **rest}
            continue
        pointer = str(node["$ref"])
        if pointer in taken:
            raise SetupError(f"{pointer} refers to itself and nothing else")
        node = {**pointed(root, pointer), **rest}
        taken.append(pointer)
    return node, tuple(taken)


def pointed(root: Node, pointer: str) -> Node:
    """What a `#/...` reference points to."""
    found: Any = root
    if not pointer.startswith("#"):
        raise SetupError(f"it refers to {pointer}: put that under $defs, nothing is fetched")
    for part in pointer.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = cast("Mapping[str, Any]", found).get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        raise SetupError(f"it refers to {pointer}, which is not there")
    return cast("Node", found)


def options(node: Node) -> Sequence[Node]:
    """The schemas that a union offers; empty for what is no union."""
    return node.get("anyOf") or node.get("oneOf") or ()


def types(node: Node) -> tuple[str, ...]:
    """The JSON types that a schema that is no union allows, inferred where it does not say; empty where it can't be."""
    said = node.get("type")
    if said is not None:
        return (said,) if isinstance(said, str) else tuple(said)
    if "properties" in node:
        return ("object",)
    if "items" in node:
        return ("array",)
    values = [node["const"]] if "const" in node else node.get("enum", ())
    return tuple(dict.fromkeys(type_of(value) for value in values))


def type_of(value: object) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list):
        return "array"
    return "integer" if isinstance(value, int) else "number"


class _Strict:
    """Writes one schema out, and counts what that comes to."""

    def __init__(self, root: Node, lenient: bool) -> None:
        self._root, self._lenient, self._nodes = root, lenient, 0

    def form(self, node: Node, place: str, within: tuple[str, ...]) -> dict[str, Any]:
        self._nodes += 1
        if self._nodes > MOST_NODES or place.count(".") > DEEPEST:
            raise SetupError(
                f"the schema is too large: over {MOST_NODES} parts with references written out, or {DEEPEST} levels"
            )
        node, taken = _written_out(node, self._root)
        if again := set(taken) & set(within):
            raise SetupError(f"{place} refers back to {again.pop()}: providers take no schema that contains itself")
        within = (*within, *taken)
        if "allOf" in node:
            raise SetupError(f"{place or 'the schema'} combines schemas by allOf: write them as one")
        described = self._described(node)
        described = {"description": described} if described else {}
        strict = self._union(node, place, within) if options(node) else self._plain(node, place, within)
        return {**described, **strict, **described}

    def _described(self, node: Node) -> str:
        words = str(node.get("description", ""))
        if not self._lenient:
            return words
        parts = [node, *(resolved(option, self._root) for option in options(node) if "$ref" not in option)]
        told = [f"{key}: {part[key]}" for part in parts for key in _TOLD if key in part and not is_number_text(part)]
        return f"{words} ({'; '.join(told)})".strip() if told else words

    def _union(self, node: Node, place: str, within: tuple[str, ...]) -> dict[str, Any]:
        offered = _without_number_texts(options(node))
        if all(_is_scalar(part) for part in offered):
            return {"type": self._nullable(list(dict.fromkeys(t for part in offered for t in types(part))), union=True)}
        forms = [self.form(part, place, within) for part in offered]
        rest = [form for form in forms if form.get("type") != "null"]
        if len(rest) == 1 and "type" in rest[0]:
            kinds = rest[0]["type"]
            kinds = [kinds] if isinstance(kinds, str) else kinds
            null = ["null"] if len(forms) > 1 and "null" not in kinds else []
            return {**rest[0], "type": [*kinds, *null]}
        return {"anyOf": forms}

    def _plain(self, node: Node, place: str, within: tuple[str, ...]) -> dict[str, Any]:
        kinds = list(types(node))
        if not kinds:
            raise SetupError(f"{place or 'the schema'} has no type")
        strict: dict[str, Any] = {"type": self._nullable(kinds)}
        values = [node["const"]] if "const" in node else node.get("enum")
        if values is not None:
            strict["enum"] = [*values, *([None] if "null" in strict["type"] and None not in values else [])]
        if "array" in kinds:
            strict["items"] = self._items(node, place, within)
        if "object" in kinds:
            strict |= self._object(node, place, within)
        return strict

    def _nullable(self, kinds: list[str], *, union: bool = False) -> str | list[str]:
        if self._lenient and "null" not in kinds and any(kind in _SCALARS for kind in kinds):
            kinds = [*kinds, "null"]
        return kinds if union or len(kinds) > 1 else kinds[0]

    def _items(self, node: Node, place: str, within: tuple[str, ...]) -> dict[str, Any]:
        items = node.get("items")
        if not isinstance(items, Mapping) or "prefixItems" in node:
            raise SetupError(f"{place or 'the schema'} is a list without one schema for its items: give it items")
        return self.form(cast("Node", items), f"{place}[]", within)

    def _object(self, node: Node, place: str, within: tuple[str, ...]) -> dict[str, Any]:
        properties = cast("Mapping[str, object]", node.get("properties", {}))
        if not properties or isinstance(node.get("additionalProperties"), Mapping) or "patternProperties" in node:
            raise SetupError(
                f"{place or 'the schema'} is an object of any keys, which can't be asked for: name its properties"
            )
        return {
            "properties": {
                name: self._property(part, f"{place}.{name}".lstrip("."), within) for name, part in properties.items()
            },
            "required": list(properties),
            "additionalProperties": False,
        }

    def _property(self, node: object, place: str, within: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(node, Mapping):
            raise SetupError(f"{place} may be anything: give it a type")
        return self.form(cast("Node", node), place, within)


def _is_scalar(part: Node) -> bool:
    return not part.keys() & {"$ref", "allOf", "enum", "const"} and {*types(part), "null"} <= {*_SCALARS, "null"}


def _without_number_texts(offered: Sequence[Node]) -> Sequence[Node]:
    """A union without the text that pydantic allows in place of a decimal: models give numbers."""
    return [part for part in offered if not is_number_text(part)] if is_decimal(offered) else offered


def is_decimal(offered: Sequence[Node]) -> bool:
    """Whether a union is what pydantic makes of `Decimal`: a number, or else a text, at most with its pattern."""
    return len(offered) > 1 and "number" in types(offered[0]) and is_number_text(offered[1])


def is_number_text(part: Node) -> bool:
    """Whether this part of a `Decimal` is its text."""
    return part.get("type") == "string" and part.keys() <= {"type", "pattern"}
