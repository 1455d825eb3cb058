"""Scans and images: what OCR reads of them, what is certain then, and what becomes of a document without it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageDraw
from tests.batch import invoice_pdf

from counterfoil.checks_ocr import in_doubt, unlike
from counterfoil.document import Limits, Ocr
from counterfoil.errors import InputError, SetupError
from counterfoil.extract import Examined, Extraction, examine, recipe, recipe_of
from counterfoil.invoice import Invoice
from counterfoil.ocr import find_ocr
from counterfoil.ocr_pages import FIRST, SECOND
from counterfoil.ocr_picture import evened, is_blank, skew, straightened
from counterfoil.ocr_words import Seen, page_of
from counterfoil.pdf import is_garbage
from counterfoil.reader import read_document
from counterfoil.rereading import read_best
from pdfmaker import drawn, make_pdf

TODAY = date(2026, 1, 1)
LIMITS = Limits()
TESSERACT = find_ocr("auto") if find_ocr("auto").engine == "tesseract" else Ocr("auto")
RAPIDOCR = version("rapidocr") if find_spec("rapidocr") and find_spec("onnxruntime") else ""
needs_tesseract = pytest.mark.skipif(
    not TESSERACT.engine, reason="tesseract is not installed: apt-get install tesseract-ocr tesseract-ocr-deu"
)
INVOICE = """
    Muster Werkzeuge GmbH
    Hafenstrasse 12, 20457 Hamburg
    USt-IdNr. DE136695976

    Rechnung
                                                     Rechnungsnummer   RE-2024-0815
    Kunde AG                                         Rechnungsdatum    14.03.2024
    Ringweg 3, 50667 Koeln

    Pos   Bezeichnung              Menge    Einzelpreis     Betrag
    1     Bohrmaschine             2        199,50 EUR      399,00 EUR
    2     Schraubensatz            4        25,25 EUR       101,00 EUR

                                            Nettobetrag     500,00 EUR
                                            MwSt 19 %        95,00 EUR
                                            Gesamtbetrag    595,00 EUR
"""
PDF = make_pdf([drawn(INVOICE)])


def printed(pdf: bytes = PDF, dpi: int = 200, page: int = 0) -> Image.Image:
    """A page on paper."""
    return pypdfium2.PdfDocument(pdf)[page].render(scale=dpi / 72).to_pil().convert("L")


def saved(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    body = BytesIO()
    picture.save(body, form, **options)
    return body.getvalue()


def read(data: bytes, ocr: Ocr = TESSERACT) -> Examined:
    """As a run reads it: with the time for OCR where it is needed."""
    first = examine(data, "auto", False, LIMITS, TODAY, "auto", ocr)
    return examine(data, "auto", False, LIMITS, TODAY, "auto", ocr, True) if first.scans else first


def extracted(data: bytes, ocr: Ocr = TESSERACT) -> tuple[Extraction, Invoice]:
    extraction = read(data, ocr).extraction
    assert extraction is not None
    assert isinstance(extraction.fields, Invoice)
    return extraction, extraction.fields


def check(invoice: Invoice) -> None:
    assert invoice.invoice_number == "RE-2024-0815"
    assert invoice.issue_date == date(2024, 3, 14)
    assert (invoice.currency, invoice.gross_total) == ("EUR", Decimal("595.00"))


# Reading


@pytest.mark.skipif(not RAPIDOCR, reason="rapidocr is not installed: pip install 'counterfoil[ocr]'")
def test_rapidocr_reads_a_picture_where_there_is_no_tesseract():
    extraction, invoice = extracted(saved(printed(dpi=150)), Ocr("auto", "rapidocr", RAPIDOCR))
    check(invoice)
    assert extraction.status == "done", extraction.findings


@needs_tesseract
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: saved(printed(), "JPEG", quality=60), id="JPEG"),
        pytest.param(lambda: saved(printed().rotate(90, expand=True, fillcolor=255), "TIFF"), id="a quarter turn"),
        pytest.param(lambda: saved(shaded(printed().rotate(2.6, Image.Resampling.BICUBIC, fillcolor=255))), id="skew"),
    ],
)
def test_a_picture_of_an_invoice_is_read_as_its_pdf_is(data: Any):
    """Whatever the format, and however it lay on the glass."""
    extraction, invoice = extracted(data())
    check(invoice)
    assert extraction.status == "done", extraction.findings
    assert [line.net_amount for line in invoice.line_items] == [Decimal("399.00"), Decimal("101.00")]


def shaded(picture: Image.Image) -> Image.Image:
    """Darker to the right, as a photograph in a room."""
    shadow = Image.linear_gradient("L").rotate(90).resize(picture.size).point(lambda level: 255 - level // 3)
    return ImageChops.multiply(picture, shadow)


@needs_tesseract
def test_every_page_of_a_tiff_is_read():
    """Its frames are pages; a blank one is no page that went unread."""
    pages = [printed(dpi=150), Image.new("L", (600, 800), 255)]
    found = read(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert (found.reading.pages, found.reading.scanned, found.reading.textless) == (2, (1,), ())


@needs_tesseract
def test_a_picture_without_words_fails_rather_than_being_an_empty_invoice():
    """And says that OCR was tried."""
    picture = Image.new("L", (800, 600), 255)
    ImageDraw.Draw(picture).ellipse((200, 200, 500, 400), fill=0)
    with pytest.raises(InputError, match="OCR found no text"):
        read(saved(picture))


@needs_tesseract
def test_always_reads_pages_that_have_text_too():
    """Their own text is set aside; with `auto` it is what counts."""
    always = find_ocr("always")
    assert read(PDF, always).reading.scanned == (1,)
    assert read(PDF).reading.scanned == ()


@needs_tesseract
def test_a_page_that_takes_too_long_ends_its_document_only():
    """Tesseract is stopped, and the sentence says the limit."""
    hasty = Limits(ocr_seconds=0.01)
    with pytest.raises(InputError, match=r"OCR of a page took longer than 0\.01 s"):
        examine(saved(printed()), "auto", False, hasty, TODAY, "auto", TESSERACT, True)


@needs_tesseract
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_tesseract_dies_with_its_worker(tmp_path: Path):
    """A worker that is killed leaves no orphan behind."""
    program = tmp_path / "tesseract"
    program.write_text("#!/bin/sh\necho $$ > " + str(tmp_path / "pid") + "\nexec sleep 60\n")
    program.chmod(0o755)
    code = (
        "from PIL import Image\nfrom counterfoil.ocr_tesseract import recognise\n"
        "recognise(Image.new('L', (9, 9)), ['eng'], 50)"
    )
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    worker = subprocess.Popen([sys.executable, "-c", code], env=environ)
    for _ in range(400):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            break
        time.sleep(0.02)
    child = int((tmp_path / "pid").read_text())
    worker.kill()
    worker.wait()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.02)
    raise AssertionError("tesseract outlived its worker")


# Pictures


@pytest.mark.parametrize("angle", [-3.2, 0.7, 4.0])
def test_a_skewed_page_is_levelled(angle: float):
    """To a quarter of a degree."""
    page = printed(dpi=100).rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    assert abs(skew(page) + angle) < 0.25
    assert abs(skew(straightened(page))) <= 0.25


def test_shadows_go_and_ink_stays():
    """Paper is white again on the dark side, and letters are not."""
    even = evened(shaded(printed(dpi=100)))
    assert sum(even.histogram()[:100]) > 1000
    assert even.getpixel((even.width - 5, even.height - 5)) > 240
    assert not is_blank(even)
    assert is_blank(evened(shaded(Image.new("L", (800, 1000), 250))))


# Words


def seen(text: str, x: float, y: float, confidence: float = 95.0, height: float = 20.0) -> Seen:
    return Seen(text, x, y - height, x + 12 * len(text), y, confidence, (1, 1, round(y / 10)))


def test_words_on_one_line_share_it_whatever_their_letters():
    """A comma hangs, a p reaches below; boxes are as tall as the line."""
    words = [
        seen("Total", 10, 100),
        Seen("amp", 100, 86, 130, 106, 90.0, (1, 1, 10)),
        seen("100,00", 300, 104, height=24),
    ]
    page = page_of(1, words, (1000, 1400), 0.6).page
    assert page.text.split() == ["Total", "amp", "100,00"]
    assert page.text.count("\n") == 0


def test_lines_of_tables_and_specks_are_no_words():
    """What OCR takes a frame for does not get into the text; a currency sign of its own does."""
    words = [
        seen("|", 5, 50),
        seen("|Menge", 10, 50),
        seen("~", 200, 50, 20),
        seen("€", 300, 50),
        seen("x", 400, 50, 3),
    ]
    assert page_of(1, words, (1000, 1400), 0.6).page.text.split() == ["Menge", "€"]


# What is certain


def test_a_field_that_rests_on_words_in_doubt_is_uncertain():
    """One finding for each, which names it; a field that is not there is none."""
    invoice = Invoice(invoice_number="R-105", issue_date=date(2024, 3, 14), gross_total=Decimal("595.00"))
    assert [f.field for f in in_doubt(invoice, "Nr. R-105 vom 14.03.2024 ... 595,00")] == []
    found = list(in_doubt(invoice, "Nr. vom 14.03.2024 ..."))
    assert [(f.code, f.severity, f.field) for f in found] == [
        ("ocr.uncertain", "error", "invoice_number"),
        ("ocr.uncertain", "error", "gross_total"),
    ]


def test_what_a_second_reading_has_otherwise_is_uncertain():
    """Both values are told."""
    first = Invoice(invoice_number="R-105", currency="EUR", gross_total=Decimal("595.00"))
    second = Invoice(invoice_number="R-1O6", currency="EUR", gross_total=Decimal("595.00"))
    (finding,) = unlike(first, second, "R-1O6 595,00")
    assert (finding.code, finding.field) == ("ocr.uncertain", "invoice_number")
    assert "R-105" in finding.message
    assert "R-1O6" in finding.message
    assert [f.field for f in unlike(first, Invoice(invoice_number="R-105"), "595,00")] == ["currency"]


@pytest.mark.parametrize(
    ("text", "garbage"),
    [
        ("Rechnung Nr. 17 vom 1.2.2024 über 595,00 EUR, zahlbar sofort ohne Abzug bitte überweisen", False),
        ("Καλημέρα τιμολόγιο ΑΦΜ 123456 σύνολο", False),
        ("\ue001\ue002\ue003\ue004 \ue005\ue006 12", True),
        ("!\"#$%&'()*+,-./ $%&/()= 12 ab !\"#$%&'()*", True),
        ("Bnctl xfprs Gkjhg qwrtz Hjklm nbvcx Pkjhg rtzpl Qwrtp sdfgh", True),
    ],
)
def test_a_text_layer_of_garbage_is_told_from_text(text: str, garbage: bool):
    """Whatever its language."""
    assert is_garbage(text) is garbage


# Without it, and names


def test_without_ocr_a_scan_fails_and_says_what_to_install():
    """One sentence, with the command."""
    with pytest.raises(
        InputError, match=r"no text layer, needs OCR: the file is a PNG image; install Tesseract .*apt-get"
    ):
        read(saved(Image.new("L", (40, 30))), Ocr("auto"))


@needs_tesseract
def test_a_language_that_is_not_installed_is_one_sentence():
    """Before anything is read."""
    with pytest.raises(SetupError, match="Tesseract has no tlh here; install it"):
        find_ocr("auto", ["eng", "tlh"])


@needs_tesseract
def test_only_what_ocr_read_is_named_by_it():
    """Text PDFs keep their names on every machine; so do answers that were paid for."""
    base = recipe("auto", None)
    assert recipe("auto", None, ocr=TESSERACT) == base
    assert recipe("auto", None, ocr=find_ocr("always")) == base | {"ocr": TESSERACT.facts}
    assert recipe_of(read(invoice_pdf("A")), base, TESSERACT) == base
    assert recipe_of(read(saved(printed(dpi=110))), base, TESSERACT) == base | {"ocr": TESSERACT.facts}


@needs_tesseract
def test_a_reading_that_leaves_the_total_open_gives_way_to_one_that_confirms_it():
    """Another way of OCR is taken where it proves the total; what proves itself at once is not read again."""
    data = saved(printed())
    good = read_document(data, LIMITS, rules="always", ocr=TESSERACT)
    assert read_best(good, data, LIMITS, "always", TESSERACT) == (good, SECOND)
    poor = replace(good, text="", rules_invoice=Invoice(invoice_number="RE-2024-0815"))
    best, again = read_best(poor, data, LIMITS, "always", TESSERACT)
    assert best.rules_invoice is not None and best.rules_invoice.gross_total == Decimal("595.00")
    assert again == FIRST  # another picture than the one that was read
