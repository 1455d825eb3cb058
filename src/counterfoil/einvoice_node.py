"""Untrusted XML, read into a small tree of plain nodes in one pass.

Promises: bytes, depth, elements and the length of every text are bounded while reading, so that a bomb costs no more
than its first bytes. Never reads anything but the bytes it was given: a DOCTYPE is refused where it begins, before any
entity is declared, so that none can be expanded or fetched.

The parser is expat from the standard library: unlike libxml2 it stops at the very event that passes a bound, and it
reads attachments of more than 10 MB, which e-invoices do carry.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from xml.parsers import expat

from .document import Limits
from .errors import InputError

MAX_TEXT = 5_000
"""Characters that are kept of the text of one element; what is longer is an attachment or no field of an invoice."""
MAX_ELEMENTS = 500_000
"""Elements of one file: an invoice of 10,000 lines, and what still fits the memory of a worker."""
MAX_NAMESPACE = 1_000
"""Characters of a namespace: the parser writes it out anew for every element and attribute that is in it."""

_NIL = "http://www.w3.org/2001/XMLSchema-instance nil"
_KEPT_ATTRIBUTES = frozenset(
    {"currencyID", "format", "listID", "listVersionID", "name", "schemeID", "unitCode", "versione", _NIL}
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHARSETS = re.compile(
    r"utf-?(8|16-?[lb]e|32-?[lb]e)|(us-)?ascii|iso[-_]?8859[-_]\d+|latin-?\d+|(windows|cp|ibm)-?\d+|koi8-[ru]|mac\w*"
    r"|gb\w+|big5\w*|shift[-_]jis|euc-\w+|iso-2022-\w+|tis-620",
    re.IGNORECASE | re.ASCII,
)
"""Encodings of documents. Python knows others (escapes, compression, punycode) that have no business here."""
_WIDE = re.compile(r"utf-?(16|32)(-?[lb]e)?|(iso-10646-)?ucs-?[24]", re.IGNORECASE)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']""")


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(step.split("|")) for step in path.split("/"))


class Node:
    """One element: `name` without its prefix, `namespace` ("" for none), and those attributes that invoices use.

    Comments and processing instructions leave no trace. A path is a row of child names, `a/b|c/d`, where `b|c` is
    either; names are compared without namespace, the reader has looked at that of the root.
    """

    __slots__ = ("attributes", "children", "name", "namespace", "pieces", "size")

    def __init__(self, name: str, namespace: str, attributes: dict[str, str] | None) -> None:
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
        self.children: list[Node] | None = None
        self.pieces: list[str] | None = None
        self.size = 0

    def add(self, child: Node) -> None:
        if self.children is None:
            self.children = []
        self.children.append(child)

    def write(self, piece: str) -> None:
        """Adds to the text; past `MAX_TEXT` nothing is kept."""
        room = MAX_TEXT - self.size
        if room <= 0:
            return
        if self.pieces is None:
            self.pieces = []
        self.pieces.append(piece[:room])
        self.size += len(piece)

    @property
    def text(self) -> str | None:
        """The text without white space around it; None where it is empty or `xsi:nil`."""
        if self.pieces is None or self.attribute(_NIL) in ("true", "1"):
            return None
        return "".join(self.pieces).strip() or None

    def attribute(self, name: str) -> str | None:
        """An attribute's value without white space around it; None where it is missing or empty."""
        if self.attributes is None:
            return None
        return (self.attributes.get(name) or "").strip() or None

    def all(self, path: str) -> list[Node]:
        """Every element at `path`, in the order of the document."""
        found: list[Node] = [self]
        for names in _steps(path):
            found = [child for node in found for child in node.children or () if child.name in names]
        return found

    def first(self, path: str) -> Node | None:
        """The first element at `path`; None where there is none."""
        found = self.all(path)
        return found[0] if found else None

    def value(self, path: str) -> str | None:
        """The first text at `path` that says something."""
        return next((node.text for node in self.all(path) if node.text), None)


def read_tree(data: bytes, limits: Limits) -> Node:
    """The root element of the XML in `data`. Raises `InputError` for what is not well-formed, refused or too large."""
    if len(data) > limits.max_xml_bytes:
        raise InputError(f"the XML has {len(data)} bytes, more than the {limits.max_xml_bytes} allowed")
    builder = _Builder(limits.max_xml_depth)
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartNamespaceDeclHandler = _refuse_long_namespace
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    try:
        parser.Parse(as_utf8(data), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code) or "unknown"
        raise InputError(f"not well-formed XML at line {error.lineno}: {reason}") from error
    if builder.root is None:
        raise InputError("not well-formed XML: there is no root element")
    return builder.root


class _Builder:
    """Grows the tree from the parser's events, and stops it at the first element too deep or too many."""

    def __init__(self, max_depth: int) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._max_depth = max_depth
        self._elements = 0
        self._names: dict[str, tuple[str, str]] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) >= self._max_depth:
            raise InputError(f"the XML is nested deeper than the {self._max_depth} levels allowed")
        if self._elements > MAX_ELEMENTS:
            raise InputError(f"the XML has more than the {MAX_ELEMENTS} elements allowed")
        if tag not in self._names:
            namespace, _, name = tag.rpartition(" ")
            self._names[tag] = (name, namespace)
        kept = {key: attributes[key] for key in _KEPT_ATTRIBUTES & attributes.keys()} if attributes else None
        node = Node(*self._names[tag], kept or None)
        if self._open:
            self._open[-1].add(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def characters(self, piece: str) -> None:
        self._open[-1].write(piece)


def _refuse_doctype(*_: object) -> None:
    raise InputError("XML declares a DOCTYPE; entities are refused")


def _refuse_long_namespace(_prefix: str | None, uri: str | None) -> None:
    if uri and len(uri) > MAX_NAMESPACE:
        raise InputError(f"the XML has a namespace of {len(uri)} characters, more than the {MAX_NAMESPACE} allowed")


def as_utf8(data: bytes) -> bytes:
    """`data` by its byte order mark, else its declaration, else UTF-8; without what may not precede a declaration."""
    encoding, skip = _encoding(data)
    if not _CHARSETS.fullmatch(encoding):
        raise InputError(f"the XML declares the encoding {encoding!r}, which is not known")
    try:
        return data[skip:].decode(encoding).lstrip("\ufeff \t\r\n").encode()
    except LookupError as error:
        raise InputError(f"the XML declares the encoding {encoding!r}, which is not known") from error
    except UnicodeError as error:
        raise InputError(f"not well-formed XML: its bytes are not {encoding}") from error


def _encoding(data: bytes) -> tuple[str, int]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    if data.startswith(b"<\x00"):
        return "utf-16-le", 0
    if data.startswith(b"\x00<"):
        return "utf-16-be", 0
    declared = _DECLARED.match(data)
    name = declared[1].decode("ascii") if declared else "utf-8"
    # A declaration that reads as ASCII can't be in UTF-16: a text that was re-encoded and kept its old declaration.
    return ("utf-8" if _WIDE.fullmatch(name) else name), 0
