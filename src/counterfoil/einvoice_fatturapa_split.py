"""A FatturaPA file with several invoices, as files with one invoice each.

Each part is the file itself but for the other invoices, so whoever reads a part reads what its sender wrote. A
signature over the whole file is not valid for a part. Never reads anything but the bytes it is given, and refuses what
`einvoice_node` refuses.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from .document import Limits
from .einvoice_fatturapa import is_fatturapa
from .einvoice_node import as_utf8, read_tree

_BODY = "FatturaElettronicaBody"
_DECLARATION = re.compile(rb"\s*<\?xml[^>]*\?>")


def split_fatturapa(data: bytes, limits: Limits) -> list[tuple[str, bytes]]:
    """The invoices of a file as (number of the invoice, XML) in order; empty if it is no FatturaPA with more than one.

    A number that is missing is "". Numbers need not differ. Raises `InputError` for XML that is refused or broken.
    """
    root = read_tree(data, limits)
    bodies = root.all(_BODY)
    if not is_fatturapa(root) or len(bodies) < 2:
        return []
    text = as_utf8(data)
    places = _places(text)
    head, tail = _DECLARATION.sub(b"", text[: places[0][0]], count=1), text[places[-1][1] :]
    start = b'<?xml version="1.0" encoding="UTF-8"?>'
    numbers = [body.value("DatiGenerali/DatiGeneraliDocumento/Numero") or "" for body in bodies]
    return [
        (number, start + head + text[begin:end] + tail) for number, (begin, end) in zip(numbers, places, strict=True)
    ]


def _places(text: bytes) -> list[tuple[int, int]]:
    """Where each body begins and ends in `text`, in bytes; bodies are the children of the root of that name."""
    places: list[tuple[int, int]] = []
    path: list[str] = []
    begun = 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal begun
        path.append(name.rpartition(":")[2])
        if len(path) == 2 and path[1] == _BODY:
            begun = parser.CurrentByteIndex

    def end(_name: str) -> None:
        if len(path) == 2 and path[1] == _BODY:
            places.append((begun, text.index(b">", parser.CurrentByteIndex) + 1))
        path.pop()

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.Parse(text, True)
    return places
