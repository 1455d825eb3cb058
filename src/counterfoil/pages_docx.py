"""Word files (.docx) to a page of words: paragraphs, tables, text boxes, headers and footers.

Runs inside a killable worker process. The archive is held against the limits of archives before anything is unpacked,
and its XML is read in one pass that stops at a limit; a DOCTYPE is refused. No link is followed, no macro or object
opened; text that was deleted or hidden is left out.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from .containers_zip import open_zip, unpack
from .document import Limits, Page
from .errors import InputError
from .pages_flow import Flow

_BODY = "word/document.xml"
_HEADERS, _FOOTERS = re.compile(r"word/header\d*\.xml"), re.compile(r"word/footer\d*\.xml")
_SKIPPED = frozenset(("del", "moveFrom", "Fallback", "instrText", "delText"))
_OFF = frozenset(("0", "false", "off"))


def read_docx(data: bytes, limits: Limits) -> tuple[tuple[Page, ...], int]:
    """The page, and how many pictures are on it. Raises `InputError`."""
    archive = open_zip(data, limits, "Word file")
    flow = Flow(limits, "Word file")
    pictures = 0
    for body in _bodies(archive, limits):
        reader = _Reader(flow, limits)
        reader.read(body)
        flow.end_line()
        pictures += reader.pictures
    return (flow.page(1),), pictures


def _bodies(archive: zipfile.ZipFile, limits: Limits) -> Iterator[bytes]:
    """Headers, body and footers; those that say the same are taken once."""
    names = [entry.filename for entry in archive.infolist()]
    if _BODY not in names:
        raise InputError("the Word file has no document in it")
    wanted = [*filter(_HEADERS.fullmatch, names), _BODY, *filter(_FOOTERS.fullmatch, names)]
    seen: set[bytes] = set()
    for name in wanted:
        entry = archive.getinfo(name)
        if entry.file_size > limits.max_xml_bytes:
            raise InputError(
                f"the XML in the Word file has {entry.file_size:,} bytes, more than the limit of "
                f"{limits.max_xml_bytes:,}"
            )
        body = unpack(archive, entry, limits)
        if body not in seen:
            seen.add(body)
            yield body


class _Reader:
    """Tells a `Flow` what the parser meets."""

    def __init__(self, flow: Flow, limits: Limits) -> None:
        self._flow, self._limits = flow, limits
        self._depth = self._skipped_at = 0
        self._in_text = self._vanished = False
        self.pictures = 0

    def read(self, body: bytes) -> None:
        parser: Any = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_doctype
        try:
            parser.Parse(body, True)
        except expat.ExpatError as exc:
            raise InputError(f"the XML in the Word file is not well-formed: {exc}") from exc

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > self._limits.max_xml_depth:
            limit = self._limits.max_xml_depth
            raise InputError(f"the XML in the Word file is nested deeper than the {limit} levels allowed")
        name = tag.rpartition(" ")[2]
        if self._skipped_at:
            return
        if name in _SKIPPED:
            self._skipped_at = self._depth
            return
        self._enter(name, attributes)

    def _enter(self, name: str, attributes: dict[str, str]) -> None:
        flow = self._flow
        if name == "t":
            self._in_text = True
        elif name == "r":
            self._vanished = False
        elif name == "vanish":
            self._vanished = _value(attributes) not in _OFF
        elif name == "tab" and not attributes:  # else it is a stop that is being set
            flow.text("\t")
        elif name in ("p", "br", "cr"):
            flow.end_line()
        elif name == "tbl":
            flow.open_table()
        elif name == "tr":
            flow.open_row()
        elif name == "tc":
            flow.open_cell()
        elif name == "gridSpan" and (value := _value(attributes)).isdecimal():
            flow.set_span(int(value[:5]))
        elif name == "blip":
            self.pictures += 1

    def _end(self, tag: str) -> None:
        depth, self._depth = self._depth, self._depth - 1
        if self._skipped_at:
            self._skipped_at = 0 if depth == self._skipped_at else self._skipped_at
            return
        name = tag.rpartition(" ")[2]
        if name == "t":
            self._in_text = False
        elif name == "p":
            self._flow.end_line()
        elif name == "tc":
            self._flow.close_cell()
        elif name == "tbl":
            self._flow.close_table()

    def _characters(self, text: str) -> None:
        if self._in_text and not self._vanished and not self._skipped_at:
            self._flow.text(text)


def _value(attributes: dict[str, str]) -> str:
    return next((value for name, value in attributes.items() if name.rpartition(" ")[2] == "val"), "")


def _refuse_doctype(*_: object) -> None:
    raise InputError("the XML in the Word file declares a DOCTYPE; entities are refused")
