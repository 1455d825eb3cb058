"""What a person sees of a document's file: its pages as pictures, or its text. Runs inside a killable worker process.

It promises JPEGs no longer than `LONGEST_SIDE` that carry nothing else of the file, and text that is cut off at
`MOST_TEXT`. Whatever is in the file, nothing of it is passed on as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from itertools import islice

from .document import Limits
from .errors import InputError
from .kinds import kind_of

LONGEST_SIDE = 1600
"""Pixels: an A4 page is legible at the width of a screen."""
MOST_PAGES = 40
MOST_TEXT = 200_000
MOST_ELEMENTS = 5_000
OCR_HEIGHT = 842.0
"""Points: the longest side of a page as OCR counts."""
_QUALITY = 80
_LONGEST_VALUE = 1_000


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an XML file: how deep it stands, its path, its name, and its text."""

    depth: int
    path: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """What there is to see: `sizes` of the first pages in points (width, height) of `pages` in all, the `elements` of
    an XML file, or `text`. `note` says how much of it is there, where that is not all."""

    sizes: tuple[tuple[float, float], ...] = ()
    pages: int = 0
    elements: tuple[Element, ...] = ()
    text: str = ""
    note: str = ""


def look(data: bytes, limits: Limits) -> View:
    """How a file can be shown. Raises `InputError` for one that can't be opened."""
    data = _unsigned(data)
    kind = kind_of(data)
    if kind == "pdf":
        return _of_pdf(data)
    if kind == "image":
        return _of_image(data, limits)
    if kind == "xml":
        return _of_xml(data, limits)
    text = _laid_out(data, limits)
    cut = f"the first {MOST_TEXT:,} of {len(text):,} characters" if len(text) > MOST_TEXT else ""
    return View(text=text[:MOST_TEXT], note=cut)


def draw(data: bytes, number: int, limits: Limits) -> bytes:
    """One page, from 1, as a JPEG. Raises `InputError` if there is no such page, or it can't be drawn."""
    from .images import pictures_of

    data = _unsigned(data)
    kind = kind_of(data)
    if kind not in ("pdf", "image"):
        raise InputError("the file has no pages to draw")
    for _, picture in pictures_of(data, kind, [number], limits, LONGEST_SIDE):
        body = BytesIO()
        picture.save(body, "JPEG", quality=_QUALITY)
        return body.getvalue()
    raise InputError(f"there is no page {number}")


def _unsigned(data: bytes) -> bytes:
    """The document in a signed envelope."""
    from .envelope import signed_content

    for _ in range(2):
        if kind_of(data) == "p7m":
            data = signed_content(data)
    return data


def _of_pdf(data: bytes) -> View:
    from .pdf import open_pdf

    document = open_pdf(data)
    try:
        pages = len(document)
        sizes = tuple(document.get_page_size(number) for number in range(min(pages, MOST_PAGES)))
    finally:
        document.close()
    return View(sizes, pages, note=_cut(pages))


def _of_image(data: bytes, limits: Limits) -> View:
    from .images import count_pages, pictures_of

    pages = count_pages(data, limits)
    shown = range(1, min(pages, MOST_PAGES) + 1)
    pictures = [picture.size for _, picture in pictures_of(data, "image", shown, limits, LONGEST_SIDE)]
    sizes = tuple((w * OCR_HEIGHT / max(w, h), h * OCR_HEIGHT / max(w, h)) for w, h in pictures)
    return View(sizes, pages, note=_cut(pages))


def _cut(pages: int) -> str:
    return f"the first {MOST_PAGES} of {pages:,} pages" if pages > MOST_PAGES else ""


def _of_xml(data: bytes, limits: Limits) -> View:
    """The XML as it was read, an element a line; what is long in it is an attachment."""
    from .einvoice_node import read_tree
    from .einvoice_paths import elements

    found = list(islice(elements(read_tree(data, limits)), MOST_ELEMENTS + 1))
    cut = f"the first {MOST_ELEMENTS:,} elements" if len(found) > MOST_ELEMENTS else ""
    told = (Element(depth, path, node.name, (node.text or "")[:_LONGEST_VALUE]) for depth, path, node in found)
    return View(elements=tuple(told)[:MOST_ELEMENTS], note=cut)


def _laid_out(data: bytes, limits: Limits) -> str:
    from .reader import read_document

    return read_document(data, limits, rules="never").text
