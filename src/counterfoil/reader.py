"""One file's bytes in, a `Reading` out: what the bytes are decides, never the name.

Runs inside a killable worker process (`offload`): it may be slow, and with hostile bytes it may hang or die. It never
writes, and never opens anything but the bytes it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from .document import Finding, Limits, Ocr, Page, Reading
from .errors import InputError
from .kinds import image_format, kind_of
from .pdf import PdfFile, read_pdf
from .places import pack

if TYPE_CHECKING:
    from .ocr_pages import Way
    from .ocr_words import Recognised

Rules = Literal["never", "fallback", "always"]
_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "an old Office file (save it in the format of today)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{\\rtf", "an RTF text"),
)
NEEDS_OCR = "no text layer, needs OCR"
_NO_WORDS = "OCR found no text in it"
_LEAST_LETTERS = 20
"""Letters and figures. An invoice has more; with fewer, what there is to read is in pictures."""


def read_document(
    data: bytes, limits: Limits, *, rules: Rules, ocr: Ocr | None = None, way: Way | None = None
) -> Reading:
    """Reads a PDF, an e-invoice XML, also a signed one (.p7m), an HTML, Word or Excel file; without `ocr` it says of
    images and scanned pages only what they are. `way` is the way of OCR, the first if None.

    `rules`: whether the offline reader reads the pages too (`fallback`: only where there is no e-invoice XML).

    Raises `InputError` in one sentence for whatever can't be read.
    """
    if not data:
        raise InputError("the file is empty")
    kind = kind_of(data)
    if kind == "pdf":
        return _read_pdf(data, limits, rules, ocr, way)
    if kind == "xml":
        from .einvoice import parse_einvoice, paths_in

        invoice, profile = parse_einvoice(data, limits)
        return Reading(kind="xml", xml_invoice=invoice, profile=profile, xml_paths=paths_in(data, invoice, limits))
    if kind == "image":
        reading = Reading(kind="image", pages=1, no_text=f"{NEEDS_OCR}: the file is a {image_format(data)} image")
        return _read_image(reading, data, limits, rules, ocr, way) if ocr else reading
    if kind == "p7m":
        return _read_signed(data, limits, rules, ocr, way)
    if kind in ("html", "docx", "xlsx"):
        return _read_office(kind, data, limits, rules)
    for magic, name in _OTHERS:
        if data.startswith(magic):
            raise InputError(f"neither a PDF nor an e-invoice XML: the file is {name}")
    raise InputError(
        "neither a PDF nor an e-invoice XML; leave such files out with --include '*.pdf' --include '*.xml'"
    )


def _read_signed(data: bytes, limits: Limits, rules: Rules, ocr: Ocr | None, way: Way | None) -> Reading:
    from .envelope import signed_content  # few documents are signed

    content = signed_content(data)
    if kind_of(content) == "p7m":
        content = signed_content(content)  # signed by two
    if kind_of(content) == "p7m":
        raise InputError("the document is in more than two signed envelopes (.p7m) within each other")
    reading = read_document(content, limits, rules=rules, ocr=ocr, way=way)
    told = Finding(
        "signature.unchecked", "info", "read out of its signed envelope (.p7m); the signature is not checked"
    )
    return replace(reading, findings=(*reading.findings, told))


def _read_office(kind: Literal["html", "docx", "xlsx"], data: bytes, limits: Limits, rules: Rules) -> Reading:
    """A file without pages of its own, laid out on virtual ones."""
    pages, pictures = _laid_out(kind, data, limits)
    text = "\f".join(page.text for page in pages)
    name = {"html": "HTML file", "docx": "Word file", "xlsx": "Excel file"}[kind]
    if sum(map(str.isalnum, text)) < _LEAST_LETTERS:
        raise InputError(
            f"the {name} has no text, only pictures; send those instead" if pictures else f"the {name} has no text"
        )
    reading = Reading(kind=kind, text=text, pages=len(pages))
    return _with_rules(reading, pages, rules)


def _laid_out(kind: Literal["html", "docx", "xlsx"], data: bytes, limits: Limits) -> tuple[tuple[Page, ...], int]:
    """The pages, and how many pictures are on them. Each reader is imported where it is needed."""
    if kind == "html":
        from .pages_html import read_html

        return read_html(data, limits)
    if kind == "docx":
        from .pages_docx import read_docx

        return read_docx(data, limits)
    from .pages_xlsx import read_xlsx

    return read_xlsx(data, limits), 0


def scans_of(reading: Reading, data: bytes, limits: Limits, ocr: Ocr) -> Sequence[int]:
    """The pages that OCR is to read."""
    if reading.kind == "image":
        from .images import count_pages

        return range(1, count_pages(data, limits) + 1)
    return range(1, reading.pages + 1) if ocr.mode == "always" and reading.kind == "pdf" else reading.textless


def _read_pdf(data: bytes, limits: Limits, rules: Rules, ocr: Ocr | None, way: Way | None) -> Reading:
    pdf = read_pdf(data, limits)
    text = "\f".join(page.text for page in pdf.pages)
    no_text = "" if text.strip() else NEEDS_OCR if pdf.textless else "the PDF has neither text nor images"
    reading = Reading(kind="pdf", text=text, pages=len(pdf.pages), no_text=no_text, textless=pdf.textless)
    reading = _with_embedded_xml(reading, pdf, limits)
    pages = pdf.pages
    if ocr:
        reading, pages = _recognised(reading, pages, data, limits, ocr, way)
    return _with_rules(reading, pages, rules)


def _read_image(reading: Reading, data: bytes, limits: Limits, rules: Rules, ocr: Ocr, way: Way | None) -> Reading:
    numbers = scans_of(reading, data, limits, ocr)
    blank = tuple(Page(number, 0.0, 0.0, "") for number in numbers)
    reading = replace(reading, pages=len(blank), textless=tuple(numbers))
    return _with_rules(*_recognised(reading, blank, data, limits, ocr, way), rules)


def _with_rules(reading: Reading, pages: Sequence[Page], rules: Rules) -> Reading:
    """With what the offline reader makes of the pages, and where they leave open what it took, if it is asked."""
    reading = replace(reading, words=pack(pages))
    if reading.no_text or rules == "never" or (rules == "fallback" and reading.xml_invoice is not None):
        return reading
    from .rules import read_sheet  # a worker that reads for a model is ready sooner without it
    from .rules_sheet import sheet_of

    invoice, doubts = read_sheet(sheet_of(pages))
    return replace(reading, rules_invoice=invoice, doubts=doubts)


def _recognised(
    reading: Reading, pages: Sequence[Page], data: bytes, limits: Limits, ocr: Ocr, way: Way | None
) -> tuple[Reading, tuple[Page, ...]]:
    """The reading and its pages with what OCR reads. A page that shows nothing but paper is not without text then; one
    that shows something that OCR can't read still is."""
    from .ocr_pages import FIRST, read_pages

    numbers = scans_of(reading, data, limits, ocr)
    shown = {found.page.number: found for found in read_pages(data, reading.kind, numbers, ocr, limits, way or FIRST)}
    found = {number: page for number, page in shown.items() if page.page.words}
    whole = tuple(found[page.number].page if page.number in found else page for page in pages)
    text = "\f".join(page.text for page in whole)
    reading = replace(
        reading,
        text=text,
        sure="\f".join(found[page.number].sure if page.number in found else page.text for page in pages),
        scanned=tuple(sorted(found)),
        textless=tuple(number for number in reading.textless if number in shown and number not in found),
        no_text="" if text.strip() else reading.no_text and f"{reading.no_text}; {_NO_WORDS}",
    )
    return reading, whole


def read_again(reading: Reading, data: bytes, limits: Limits, ocr: Ocr, way: Way) -> tuple[Page, ...]:
    """The scanned pages of a document, read once more in another way."""
    from .ocr_pages import read_pages

    found: Sequence[Recognised] = tuple(read_pages(data, reading.kind, reading.scanned, ocr, limits, way))
    return tuple(page.page for page in found)


def _with_embedded_xml(reading: Reading, pdf: PdfFile, limits: Limits) -> Reading:
    """Takes the e-invoice that a hybrid PDF carries; one that can't be used is a finding, the page still counts."""
    if not pdf.attachments:
        return reading
    from .einvoice import (  # most PDFs have none, and a worker is ready sooner without
        is_einvoice_name,
        parse_einvoice,
        paths_in,
    )

    for name, body in sorted(pdf.attachments, key=lambda attachment: not is_einvoice_name(attachment[0])):
        try:
            invoice, profile = parse_einvoice(body, limits)
        except InputError as exc:
            if is_einvoice_name(name):
                message = f"the embedded e-invoice {name[:80]} can't be used: {exc}"
                finding = Finding("xml.unusable", "warning", message)
                return replace(reading, xml_problem=str(exc), findings=(*reading.findings, finding))
        else:
            paths = paths_in(body, invoice, limits)
            return replace(reading, xml_invoice=invoice, profile=profile, xml_paths=paths)
    return reading
