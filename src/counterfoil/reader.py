"""One file's bytes in, a `Reading` out: what the bytes are decides, never the name.

Runs inside a killable worker process (`offload`): it may be slow, and with hostile bytes it may hang or die. It never
writes, and never opens anything but the bytes it is given.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from .document import Finding, Limits, Reading
from .errors import InputError
from .pdf import PdfFile, read_pdf

Rules = Literal["never", "fallback", "always"]
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
)
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive or an Office file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file or an Outlook message"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{\\rtf", "an RTF text"),
)
_HEAD = 4096
NEEDS_OCR = "no text layer, needs OCR"


def read_document(data: bytes, limits: Limits, *, rules: Rules) -> Reading:
    """Reads a PDF or an e-invoice XML; of an image file it says only what it is.

    `rules`: whether the offline reader reads the pages too (`fallback`: only where there is no e-invoice XML).

    Raises `InputError` in one sentence for whatever can't be read.
    """
    head = data[:_HEAD]
    if not data:
        raise InputError("the file is empty")
    if b"%PDF-" in head:
        return _read_pdf(data, limits, rules)
    if _looks_like_xml(head):
        from .einvoice import parse_einvoice

        invoice, profile = parse_einvoice(data, limits)
        return Reading(kind="xml", xml_invoice=invoice, profile=profile)
    if image := _image_format(head):
        return Reading(kind="image", pages=1, no_text=f"{NEEDS_OCR}: the file is a {image} image")
    for magic, name in _OTHERS:
        if head.startswith(magic):
            raise InputError(f"neither a PDF nor an e-invoice XML: the file is {name}")
    raise InputError(
        "neither a PDF nor an e-invoice XML; leave such files out with --include '*.pdf' --include '*.xml'"
    )


def _image_format(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((name for magic, name in _IMAGES if head.startswith(magic)), None)


def _looks_like_xml(head: bytes) -> bool:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "ignore").lstrip().startswith("<")
    return head.lstrip().startswith(b"<") or head.startswith((b"<\0", b"\0<"))


def _read_pdf(data: bytes, limits: Limits, rules: Rules) -> Reading:
    pdf = read_pdf(data, limits)
    text = "\f".join(page.text for page in pdf.pages)
    no_text = "" if text.strip() else NEEDS_OCR if pdf.textless else "the PDF has neither text nor images"
    reading = Reading(kind="pdf", text=text, pages=len(pdf.pages), no_text=no_text, textless=pdf.textless)
    reading = _with_embedded_xml(reading, pdf, limits)
    if no_text:
        return reading
    if rules == "never" or (rules == "fallback" and reading.xml_invoice is not None):
        return reading
    from .rules import read_rules  # a worker that reads for a model is ready sooner without it

    return replace(reading, rules_invoice=read_rules(pdf.pages))


def _with_embedded_xml(reading: Reading, pdf: PdfFile, limits: Limits) -> Reading:
    """Takes the e-invoice that a hybrid PDF carries; one that can't be used is a finding, the page still counts."""
    if not pdf.attachments:
        return reading
    from .einvoice import is_einvoice_name, parse_einvoice  # most PDFs have none, and a worker is ready sooner without

    for name, body in sorted(pdf.attachments, key=lambda attachment: not is_einvoice_name(attachment[0])):
        try:
            invoice, profile = parse_einvoice(body, limits)
        except InputError as exc:
            if is_einvoice_name(name):
                message = f"the embedded e-invoice {name[:80]} can't be used: {exc}"
                finding = Finding("xml.unusable", "warning", message)
                return replace(reading, xml_problem=str(exc), findings=(*reading.findings, finding))
        else:
            return replace(reading, xml_invoice=invoice, profile=profile)
    return reading
