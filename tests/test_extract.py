"""Which reader speaks for a document, and what becomes of one that none can read."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.batch import invoice_pdf

from counterfoil.document import Limits, ReaderName
from counterfoil.errors import InputError
from counterfoil.extract import examine
from pdfmaker import make_pdf

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
HYBRID = (SAMPLES / "mustang-505.hybrid.pdf").read_bytes()
XML = (SAMPLES / "xrechnung-0101-ubl.xml").read_bytes()
TODAY = date(2026, 1, 1)


def read_by(data: bytes, reader: ReaderName, *, model: bool = False) -> str:
    """Who reads it: a reader's name, or `model` where it is left to the model."""
    examined = examine(data, reader, model, Limits(), TODAY)
    return examined.extraction.reader if examined.extraction else "model"


@pytest.mark.parametrize(
    ("data", "reader", "model", "expected"),
    [
        (HYBRID, "auto", False, "xml"),
        (HYBRID, "auto", True, "xml"),
        (HYBRID, "xml", False, "xml"),
        (HYBRID, "rules", False, "rules"),
        (HYBRID, "rules", True, "rules"),
        (HYBRID, "model", True, "model"),
        (XML, "auto", False, "xml"),
        (XML, "xml", True, "xml"),
        (invoice_pdf("A"), "auto", False, "rules"),
        (invoice_pdf("A"), "auto", True, "model"),
        (invoice_pdf("A"), "rules", False, "rules"),
        (invoice_pdf("A"), "model", True, "model"),
    ],
)
def test_the_reader_that_was_asked_for_speaks(data: bytes, reader: ReaderName, model: bool, expected: str):
    """auto: e-invoice XML, else the model, else rules; a named reader is that reader, e-invoice or not."""
    assert read_by(data, reader, model=model) == expected


@pytest.mark.parametrize(
    ("data", "reader", "said"),
    [
        (invoice_pdf("A"), "xml", "no e-invoice XML"),
        (XML, "rules", "no page for --reader rules"),
        (XML, "model", "no page for --reader model"),
        (b"", "auto", "empty"),
        (b"plain words", "auto", "neither a PDF nor an e-invoice XML"),
        (b"PK\x03\x04", "auto", "ZIP"),
        (b"\x89PNG\r\n\x1a\n", "auto", "the image is damaged"),
        (b"\x89PNG\r\n\x1a\n", "rules", "no text layer, needs OCR"),
        (b"RIFF\0\0\0\0WEBP", "rules", "no text layer, needs OCR"),
        (make_pdf([[]]), "auto", "neither text nor images"),
    ],
)
def test_what_no_reader_can_read_is_said_in_one_sentence(data: bytes, reader: ReaderName, said: str):
    """By what the bytes are, whatever the file is called."""
    with pytest.raises(InputError, match=said):
        examine(data, reader, True, Limits(), TODAY)


def test_an_e_invoice_that_can_not_be_used_leaves_the_page_to_be_read_and_is_told():
    """A hybrid whose XML is broken is read from its page, with a finding that says why."""
    broken = make_pdf([[(50, 50, 12, "Invoice 1")]], attachment=("factur-x.xml", b"<!DOCTYPE x><x/>"))
    examined = examine(broken, "auto", False, Limits(), TODAY)
    assert examined.extraction is not None
    assert examined.extraction.reader == "rules"
    assert "xml.unusable" in {finding.code for finding in examined.extraction.findings}
