"""HTML to a page of words: what a browser would show of text and tables, without styles.

Runs inside a killable worker process. Reads the bytes it is given in one pass, with the standard library's parser, so
that depth costs nothing; it fetches nothing that the file refers to, runs no script, and leaves out what is hidden.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from .document import Limits, Page
from .errors import InputError
from .pages_flow import Flow

_BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr legend li main nav ol p pre section summary ul br caption".split()
)
_UNSEEN = frozenset(
    "script style template head title noscript svg math object iframe video audio canvas select".split()
)
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![\d.])", re.IGNORECASE)
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z][A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_HEAD = 4096
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CHARSETS = re.compile(r"utf-?(8|16)(-?[lb]e)?|(us-)?ascii|iso[-_]?8859[-_]\d+|latin-?\d+|(windows|cp)-?\d+|koi8-[ru]|"
                       r"gb\w+|big5|shift[-_]jis|euc-\w+|mac\w*", re.IGNORECASE)  # fmt: skip


def read_html(data: bytes, limits: Limits) -> tuple[tuple[Page, ...], int]:
    """The page, and how many pictures it would show. Raises `InputError` past a limit of text, cells or tables."""
    reader = _Reader(Flow(limits, "HTML"))
    try:
        reader.feed(_decoded(data))
        reader.close()
    except AssertionError as exc:  # what the parser says to a declaration that is none
        raise InputError("the HTML is damaged") from exc
    return (reader.flow.page(1),), reader.pictures


def _decoded(data: bytes) -> str:
    """By the mark at its beginning, else by what it says of itself, else UTF-8, else the usual one of Windows."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    declared = _CHARSET.search(data[:_HEAD])
    if declared and _CHARSETS.fullmatch(name := declared[1].decode("ascii")) and "16" not in name:
        try:
            return data.decode(name, "replace")
        except LookupError:
            pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _hides(attributes: list[tuple[str, str | None]]) -> bool:
    return any(name == "hidden" or (name == "style" and value and _HIDDEN.search(value)) for name, value in attributes)


def _number(attributes: list[tuple[str, str | None]], name: str) -> int:
    value = dict(attributes).get(name) or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 1


class _Reader(HTMLParser):
    """Tells a `Flow` what it meets. Tags that were left open or closed twice do no harm."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(convert_charrefs=True)
        self.flow, self.pictures = flow, 0
        self._hidden, self._depth = "", 0
        """The element that is not shown, and how many of its name are open within it."""
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden:
            self._depth += tag == self._hidden
        elif tag not in _VOID and (tag in _UNSEEN or _hides(attrs)):
            self._hidden, self._depth = tag, 1
        elif tag == "table":
            self.flow.open_table()
        elif tag == "tr":
            self.flow.open_row()
        elif tag in ("td", "th"):
            self.flow.open_cell(_number(attrs, "colspan"), _number(attrs, "rowspan"))
        elif tag in _BLOCKS:
            self._end_line()
            self._pre += tag == "pre"
        self.pictures += tag == "img" and not self._hidden

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            self._depth -= tag == self._hidden
            self._hidden = self._hidden if self._depth else ""
        elif tag == "table":
            self.flow.close_table()
        elif tag in ("td", "th", "tr"):
            self.flow.close_cell()
        elif tag in _BLOCKS:
            self._end_line()
            self._pre = max(0, self._pre - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if not self._pre:
            self.flow.text(data.replace("\t", " "))
            return
        for number, line in enumerate(data.splitlines()):
            if number:
                self._end_line()
            self.flow.text(line)
        if data.endswith("\n"):
            self._end_line()

    def _end_line(self) -> None:
        self.flow.end_line(spaced=self._pre > 0)
