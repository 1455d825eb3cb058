"""Which fields a schema has, as columns: what exports need to know of it, kept in the header of the manifest.

A field is a kind (`text`, `decimal`, `number`, `integer`, `boolean`, `date`), objects are flattened with dots
(`supplier.name`), a list of objects is a mapping of its own columns, and whatever else is `json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .schema_strict import Node, is_decimal, options, resolved, types

_KINDS = {"string": "text", "number": "number", "integer": "integer", "boolean": "boolean"}


def columns_of(schema: Node, *, decimals: bool) -> dict[str, Any]:
    """The columns of an object schema. `decimals`: its plain numbers are kept as decimal text."""
    return _columns(resolved(schema, schema), schema, "", decimals)


def value_at(data: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path, None where there is nothing; a name with a dot of its own is found, too."""
    if path in data:
        return data[path]
    found: Any = data
    for name in path.split("."):
        found = cast("Mapping[str, Any]", found).get(name) if isinstance(found, Mapping) else None
    return found


def _columns(node: Node, root: Node, before: str, decimals: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, whole in node.get("properties", {}).items():
        part = _only(whole, root)
        items = _only(part.get("items", {}), root)
        if types(part) == ("object",):
            found |= _columns(part, root, f"{before}{name}.", decimals)
        elif types(part) == ("array",) and types(items) == ("object",):
            found[f"{before}{name}"] = _columns(items, root, "", decimals)
        else:
            found[f"{before}{name}"] = _kind(part, decimals)
    return found


def _only(node: Node, root: Node) -> Node:
    """A schema without the null that it may be: what is left if that is one schema, else one of no type."""
    node = resolved(node, root)
    parts = [resolved(part, root) for part in options(node)]
    if is_decimal(parts):
        return {"type": "decimal"}
    parts = [part for part in parts or [node] if types(part) != ("null",)]
    return parts[0] if len(parts) == 1 else {}


def _kind(node: Node, decimals: bool) -> str:
    kinds = [kind for kind in types(node) if kind != "null"]
    if kinds == ["decimal"] or (decimals and kinds == ["number"]):
        return "decimal"
    if kinds == ["string"] and node.get("format") == "date":
        return "date"
    return _KINDS.get(kinds[0], "json") if len(kinds) == 1 else "text"
