"""PDF bytes to pages of words with boxes, column-keeping text, and embedded XML.

Runs inside a killable worker process: pdfium is not thread-safe, and hostile content can keep it busy or take memory;
whoever calls bounds time and memory. It reads text only: no page is rendered, no image decoded (`images` does), and no
script run.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from ctypes import byref
from dataclasses import dataclass
from typing import Any, cast

import pypdfium2 as _pdfium  # pyright: ignore[reportMissingTypeStubs]
import pypdfium2.raw as _pdfium_c  # pyright: ignore[reportMissingTypeStubs]

from .document import Limits, Page, Word
from .errors import InputError
from .layout import grid_text, rows_of

pdfium: Any = _pdfium  # neither it nor its C functions have types
pdfium_c: Any = _pdfium_c
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_SECURITY = 5  # FPDF_ERR_SECURITY
_MAX_ATTACHMENTS = 100
_STAMP = 40
"""Letters and figures. A scanner's or a sender's stamp on a scan has fewer, a page of an invoice more."""
_SCANNED = 0.5
"""The part of a page that the picture of a scan covers at least, and a logo does not."""
_FEW_SHAPES = 20
"""Lines and frames on a page that is otherwise empty; text drawn as outlines has more."""
_STRANGE = 0.2
_NONE = ("Co", "Cn", "Cc")
"""Categories of characters that mean nothing by themselves."""
_LEAST_ALNUM = 0.35
_LEAST_WORDS = 8
_LATIN_WORD = re.compile(r"(?<![^\W\d_])[A-Za-zÀ-ÿ]{4,}(?![^\W\d_])")
_VOWEL = re.compile(r"[aeiouyàáâäèéêëìíîïòóôöùúûüæø]", re.IGNORECASE)
_SPACES = frozenset((0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20, 0xA0, 0x2002, 0x2003, 0x2007, 0x2009, 0x202F, 0x3000))
_HYPHENS = frozenset((0x02, 0xAD, 0x2010, 0x2011))  # pdfium says 2 where a line ends in a hyphen
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}


@dataclass(frozen=True, slots=True)
class PdfFile:
    """What was read. `attachments` are the embedded files that look like XML; `textless` are the numbers of the pages
    that show something, yet have no text to speak of."""

    pages: tuple[Page, ...]
    attachments: tuple[tuple[str, bytes], ...]
    textless: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """A word in the page's own space (y upwards), and the quarter turns, counter-clockwise, that it was set with."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    turns: int


def read_pdf(data: bytes, limits: Limits) -> PdfFile:
    """Reads every page's text and the embedded XML.

    Raises `InputError` for a file that is too large, needs a password, is damaged beyond pdfium's repair, has no pages
    or more than `limits.max_pages`, more text than `limits.max_text`, or embedded XML over `limits.max_xml_bytes`.
    """
    if len(data) > limits.max_bytes:
        raise InputError(f"the file has {len(data):,} bytes, more than the limit of {limits.max_bytes:,}")
    document = open_pdf(data)
    try:
        count = len(document)
        if count > limits.max_pages:
            raise InputError(f"the PDF has {count:,} pages, more than the limit of {limits.max_pages:,}")
        attachments = tuple(_xml_attachments(document, limits))
        pages: list[Page] = []
        textless: list[int] = []
        left = limits.max_text
        for index in range(count):
            page, unreadable = _read_page(document, index, left)
            left -= len(page.text)
            textless += [page.number] if unreadable else []
            pages.append(page)
    finally:
        document.close()
    return PdfFile(tuple(pages), attachments, tuple(textless))


def open_pdf(data: bytes) -> Any:
    """The document, for pdfium; close it. Raises `InputError`."""
    start = data.find(b"%PDF-")
    if start < 0:
        raise InputError("the file is no PDF: it has no %PDF header")
    try:
        return pdfium.PdfDocument(data[start:] if start else data)
    except pdfium.PdfiumError as exc:
        if exc.err_code == _PASSWORD:
            raise InputError("the PDF needs a password; save a copy without one") from exc
        if exc.err_code == _SECURITY:
            raise InputError("the PDF is protected in a way that is not supported; save a copy without it") from exc
        raise InputError("the PDF is damaged or has no pages") from exc


def _read_page(document: Any, index: int, max_text: int) -> tuple[Page, bool]:
    try:
        page = document[index]
        try:
            text_page = page.get_textpage()
            try:
                if text_page.count_chars() > max_text:
                    raise InputError(f"the PDF has more text than the limit, on page {index + 1}")
                runs = list(_runs(text_page))
            finally:
                text_page.close()
            read = _page(index + 1, page, runs)
            return read, _is_textless(read, page)
        finally:
            page.close()
    except pdfium.PdfiumError as exc:
        raise InputError(f"page {index + 1} of the PDF is damaged") from exc


def _runs(text_page: Any) -> Iterator[_Run]:
    """Splits the page's characters into words, at white space and wherever the pen jumps. Most of the time that a PDF
    takes is spent here, so nothing is looked up or called for each character that need not be."""
    raw: Any = text_page.raw
    box = pdfium_c.FS_RECTF()
    at = byref(box)
    unicode_of, box_of = pdfium_c.FPDFText_GetUnicode, pdfium_c.FPDFText_GetLooseCharBox
    text = ""
    x0 = y0 = x1 = y1 = 0.0
    turns = 0
    for index in range(text_page.count_chars()):
        code = unicode_of(raw, index)
        char = chr(code) if 0x20 < code < 0x7F else _character(code)
        if char and box_of(raw, index, at):
            left, right, bottom, top = box.left, box.right, box.bottom, box.top
            if right < left:
                left, right = right, left
            if top < bottom:
                bottom, top = top, bottom
            if text and _jumps(turns, (x0, y0, x1, y1), (left, bottom, right, top)):
                yield _Run(text, x0, y0, x1, y1, turns)
                text = ""
            if not text:
                x0, y0, x1, y1 = left, bottom, right, top
                turns = round(-pdfium_c.FPDFText_GetCharAngle(raw, index) / (math.pi / 2)) % 4  # pdfium: clockwise
                text = char
                continue
            text += char
            x0, x1 = left if left < x0 else x0, right if right > x1 else x1
            y0, y1 = bottom if bottom < y0 else y0, top if top > y1 else y1
        elif text and code in _SPACES:
            yield _Run(text, x0, y0, x1, y1, turns)
            text = ""
    if text:
        yield _Run(text, x0, y0, x1, y1, turns)


def _character(code: int) -> str:
    """The character as text; nothing for spaces, controls and what is no character."""
    if code in _HYPHENS:
        return "-"
    if code in _SPACES or code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return ""
    if code in (0x200B, 0xFEFF, 0xFFFE, 0xFFFF):
        return ""
    return _LIGATURES.get(code) or chr(code)


_Box = tuple[float, float, float, float]


def _jumps(turns: int, word: _Box, char: _Box) -> bool:
    """Whether a character can't belong to the word before it: another line, or a gap wider than half its height."""
    axis = turns % 2
    height = word[3 - axis] - word[1 - axis]
    middle = (char[1 - axis] + char[3 - axis]) / 2
    if not word[1 - axis] <= middle <= word[3 - axis]:
        return True
    return char[axis] - word[axis + 2] > 0.5 * height or word[axis] - char[axis + 2] > 0.5 * height


def _page(number: int, page: Any, runs: list[_Run]) -> Page:
    """Turns the page so that most of its text is upright, whatever /Rotate says, and lays it out."""
    left, bottom, right, top = cast("_Box", page.get_bbox())
    weights = Counter[int]()
    for run in runs:
        weights[run.turns] += len(run.text)
    turns = weights.most_common(1)[0][0] if weights else 0
    width, height = (right - left, top - bottom) if turns % 2 == 0 else (top - bottom, right - left)
    upright = [_placed(run, turns, (left, bottom, right, top)) for run in runs if run.turns == turns]
    rows = rows_of(
        _once(word for word in upright if word.x1 > 0 and word.x0 < width and word.y1 > 0 and word.y0 < height)
    )
    aside = " ".join(run.text for run in runs if run.turns != turns)
    text = grid_text(rows) + (f"\n\n{aside}" if aside else "")
    return Page(number, width, height, text, tuple(word for row in rows for word in row))


def _placed(run: _Run, turns: int, page: _Box) -> Word:
    left, bottom, right, top = page
    if turns == 0:
        return Word(run.text, run.x0 - left, top - run.y1, run.x1 - left, top - run.y0)
    if turns == 1:
        return Word(run.text, run.y0 - bottom, run.x0 - left, run.y1 - bottom, run.x1 - left)
    if turns == 2:
        return Word(run.text, right - run.x1, run.y0 - bottom, right - run.x0, run.y1 - bottom)
    return Word(run.text, top - run.y1, right - run.x1, top - run.y0, right - run.x0)


def _once(words: Iterator[Word]) -> Iterator[Word]:
    """Drops a word printed twice on the same spot, which is how some programs make bold."""
    seen: set[tuple[str, int, int]] = set()
    for word in words:
        key = (word.text, round(word.x0 / 2), round(word.y0 / 2))
        if key not in seen:
            seen.add(key)
            yield word


def _is_textless(read: Page, page: Any) -> bool:
    """Whether what the page shows is in pictures, or in shapes that nobody took for letters, rather than in text."""
    letters = sum(map(str.isalnum, read.text))
    if letters >= _STAMP and not is_garbage(read.text):
        return False
    covered = _covered(page)
    if letters:
        return covered > _SCANNED
    return covered > 0 or pdfium_c.FPDFPage_CountObjects(page.raw) > _FEW_SHAPES


def is_garbage(text: str) -> bool:
    """Whether a text layer says nothing: characters without meaning, more signs than letters, or, in Latin letters,
    words without vowels. That is what fonts without a table of their characters, and bad OCR, leave behind."""
    shown = {char: times for char, times in Counter(text).items() if not char.isspace()}
    count = sum(shown.values())
    strange = sum(times for char, times in shown.items() if char == "\ufffd" or unicodedata.category(char) in _NONE)
    letters = sum(times for char, times in shown.items() if char.isalnum())
    if strange > _STRANGE * count or letters < _LEAST_ALNUM * count:
        return True
    words = _LATIN_WORD.findall(text)
    return len(words) >= _LEAST_WORDS and sum(map(bool, map(_VOWEL.search, words))) < 0.5 * len(words)


def _covered(page: Any) -> float:
    """How much of the page is under images, 0 to 1; those that overlap count twice."""
    raw: Any = page.raw
    left, bottom, right, top = (pdfium_c.c_float() for _ in range(4))
    area = 0.0
    for index in range(pdfium_c.FPDFPage_CountObjects(raw)):
        found = pdfium_c.FPDFPage_GetObject(raw, index)
        kind = pdfium_c.FPDFPageObj_GetType(found)
        is_image = kind == pdfium_c.FPDF_PAGEOBJ_IMAGE or (
            kind == pdfium_c.FPDF_PAGEOBJ_FORM and _form_has_image(found, 5)
        )
        if is_image and pdfium_c.FPDFPageObj_GetBounds(found, left, bottom, right, top):
            area += abs((right.value - left.value) * (top.value - bottom.value))
    width, height = page.get_size()
    return min(area / (width * height), 1.0) if area and width and height else 0.0


def _form_has_image(form: Any, depth: int) -> bool:
    for index in range(pdfium_c.FPDFFormObj_CountObjects(form)):
        found = pdfium_c.FPDFFormObj_GetObject(form, index)
        kind = pdfium_c.FPDFPageObj_GetType(found)
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            return True
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth and _form_has_image(found, depth - 1):
            return True
    return False


def _xml_attachments(document: Any, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Embedded files that are XML by name or by their first bytes; one that can't be taken out is not there."""
    for index in range(min(document.count_attachments(), _MAX_ATTACHMENTS)):
        try:
            attachment = document.get_attachment(index)
            name = str(attachment.get_name())
            size = pdfium_c.c_ulong()
            pdfium_c.FPDFAttachment_GetFile(attachment.raw, None, 0, size)
            named = name.lower().endswith(".xml")
            if size.value > limits.max_xml_bytes:
                if named:
                    raise InputError(f"the embedded {name[:80]} has {size.value:,} bytes, more than the limit")
                continue
            body = bytes(attachment.get_data())
        except pdfium.PdfiumError:
            continue
        if named or body.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith((b"<", b"\0<")):
            yield name, body
