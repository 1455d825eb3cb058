"""PDF text: columns kept, rotation undone, embedded XML taken out, and every refusal a clean reason."""

from __future__ import annotations

from dataclasses import replace

import pypdfium2
import pytest

from counterfoil.document import Limits
from counterfoil.errors import InputError
from counterfoil.pdf import read_pdf
from pdfmaker import lines, make_pdf, table

LIMITS = Limits()


def test_columns_stay_apart_and_below_each_other() -> None:
    """A reader, person or model, must see which number belongs to which column."""
    pdf = make_pdf([table(100, (50, 250, 400), [("Item", "Qty", "Amount"), ("Blue pens", "3", "12.50")])])
    (page,) = read_pdf(pdf, LIMITS).pages
    head, row = page.text.splitlines()
    assert head.index("Qty") == row.index("3")
    assert head.index("Amount") == row.index("12.50")
    assert "Blue pens" in row


def test_words_carry_their_boxes_from_the_top_edge_down() -> None:
    """Points, with y growing downwards, so that geometry reads like the page."""
    pdf = make_pdf([[(100, 200, 10, "Hello world")]])
    (page,) = read_pdf(pdf, LIMITS).pages
    hello, world = page.words
    assert [hello.text, world.text] == ["Hello", "world"]
    assert hello.x0 == pytest.approx(100, abs=1)
    assert hello.y0 < 200 < hello.y1 < 205
    assert world.x0 > hello.x1


def test_sizes_mixed_in_one_line_share_the_line() -> None:
    """A large total beside a small label is one row."""
    pdf = make_pdf([[(50, 100, 8, "Total"), (200, 100, 20, "99.00"), (50, 130, 8, "next")]])
    assert [line.split() for line in read_pdf(pdf, LIMITS).pages[0].text.splitlines() if line] == [
        ["Total", "99.00"],
        ["next"],
    ]


def test_bold_by_printing_twice_is_read_once() -> None:
    """Some programs draw text twice, half a point apart."""
    pdf = make_pdf([[(50, 100, 10, "Total"), (50.3, 100, 10, "Total")]])
    assert read_pdf(pdf, LIMITS).pages[0].text.split() == ["Total"]


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_pages_turned_as_a_whole_read_upright(rotate: int) -> None:
    """/Rotate alone turns text and page together: reading it upright gives the same text."""
    (page,) = read_pdf(make_pdf([lines(50, 100, ["first", "second line"])], rotate=rotate), LIMITS).pages
    assert page.text.split() == ["first", "second", "line"]
    assert page.words[0].x0 < page.words[2].x0
    assert page.words[0].y0 < page.words[1].y0


def test_text_set_sideways_on_a_turned_page_reads_upright() -> None:
    """Landscape pages are often portrait pages with sideways text."""
    sideways = "BT /F1 10 Tf 0 1 -1 0 100 50 Tm (left right) Tj ET BT /F1 10 Tf 0 1 -1 0 120 50 Tm (below) Tj ET\n"
    (page,) = read_pdf(make_pdf([[]], rotate=90, prologue=sideways), LIMITS).pages
    assert (page.width, page.height) == (842, 595)
    assert [word.text for word in page.words] == ["left", "right", "below"]
    assert page.words[0].x0 == pytest.approx(50, abs=1)


def test_sideways_notes_in_the_margin_do_not_break_the_rows() -> None:
    """They are kept, at the end of the text, and are no words of the layout."""
    margin = "BT /F1 6 Tf 0 1 -1 0 20 300 Tm (Printed by Example Press) Tj ET\n"
    (page,) = read_pdf(
        make_pdf([lines(50, 300, ["one", "two", "three", "four", "five", "six"])], prologue=margin), LIMITS
    ).pages
    assert page.text.splitlines()[-1] == "Printed by Example Press"
    assert [word.text for word in page.words] == ["one", "two", "three", "four", "five", "six"]


def test_embedded_xml_is_taken_out_by_name_or_by_its_first_bytes() -> None:
    """The name of the attachment is the sender's choice."""
    page = lines(50, 100, ["x"])
    assert read_pdf(make_pdf([page], attachment=("factur-x.xml", b"<a/>")), LIMITS).attachments == (
        ("factur-x.xml", b"<a/>"),
    )
    assert read_pdf(make_pdf([page], attachment=("data.bin", b"<a/>")), LIMITS).attachments == (("data.bin", b"<a/>"),)
    assert read_pdf(make_pdf([page], attachment=("terms.txt", b"hello")), LIMITS).attachments == ()


def test_embedded_xml_over_the_limit_is_refused_by_name() -> None:
    """The reason names the file and the bound."""
    pdf = make_pdf([[]], attachment=("factur-x.xml", b"<a/>" * 100))
    with pytest.raises(InputError, match=r"factur-x\.xml has 400 bytes"):
        read_pdf(pdf, replace(LIMITS, max_xml_bytes=100))


def test_too_many_pages_are_refused_before_any_is_read() -> None:
    """The number is in the reason."""
    with pytest.raises(InputError, match="3 pages, more than the limit of 2"):
        read_pdf(make_pdf([[], [], []]), replace(LIMITS, max_pages=2))


def test_more_text_than_the_limit_is_refused() -> None:
    """The limit is over all pages together."""
    pages = [lines(50, 100, ["0123456789"]), lines(50, 100, ["0123456789"])]
    assert len(read_pdf(make_pdf(pages), replace(LIMITS, max_text=40)).pages) == 2
    with pytest.raises(InputError, match="more text than the limit, on page 2"):
        read_pdf(make_pdf(pages), replace(LIMITS, max_text=15))


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(range(256)) * 4])
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    """Damaged beyond repair is a value of its own, not a crash."""
    with pytest.raises(InputError, match=r"no PDF|damaged"):
        read_pdf(data, LIMITS)


def test_junk_before_the_header_and_a_lost_cross_reference_are_tolerated() -> None:
    """Mail gateways do the one, careless programs the other; pdfium repairs it."""
    pdf = make_pdf([lines(50, 100, ["still here"])])
    assert read_pdf(b"junk\n" * 500 + pdf, LIMITS).pages[0].text == "still here"
    assert read_pdf(pdf.replace(b"startxref\n", b"startxref\n9"), LIMITS).pages[0].text == "still here"


def test_an_image_is_noticed_without_being_decoded() -> None:
    """A page of one image and no text is what needs OCR."""
    image = "q 100 0 0 100 50 50 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q\n"
    assert read_pdf(make_pdf([[]], prologue=image), LIMITS).textless == (1,)
    assert read_pdf(make_pdf([[]]), LIMITS).textless == ()


def test_pdfium_says_when_a_password_is_needed() -> None:
    """The code that `read_pdf` looks for is the one that pdfium gives for a wrong password."""
    assert pypdfium2.raw.FPDF_ERR_PASSWORD == 4
    assert pypdfium2.raw.FPDF_ERR_SECURITY == 5
