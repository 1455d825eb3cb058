"""XML elements for e-invoices: what says nothing is not there, and amounts keep every digit.

Promises: well-formed XML in UTF-8 whatever the texts hold.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from .export_row import printable, sound

Child = ET.Element | str | Decimal | None
Content = Child | list[ET.Element | None]


def element(tag: str, *content: Content, **attributes: str | None) -> ET.Element | None:
    """An element of a text, an amount, or others in their order; None if there is nothing in it.

    Attributes alone say nothing; those that are None are left out.
    """
    node = ET.Element(tag, {name: _clean(value) for name, value in attributes.items() if value is not None})
    for part in content:
        for child in part if isinstance(part, list) else [part]:
            if isinstance(child, ET.Element):
                node.append(child)
            elif child is not None:
                node.text = format(child, "f") if isinstance(child, Decimal) else _clean(child)
    return node if len(node) or node.text else None


def each(nodes: Iterable[ET.Element | None]) -> list[ET.Element | None]:
    return list(nodes)


def iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def document(root: ET.Element, namespaces: Mapping[str, str]) -> bytes:
    """The bytes of a document whose tags have these prefixes ("" for the default namespace)."""
    for prefix, uri in namespaces.items():
        root.set(f"xmlns:{prefix}" if prefix else "xmlns", uri)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _clean(text: str) -> str:
    return printable(str(sound(text)))
