"""Pages as images: which pages a model sees, in what form, and what becomes of a document that was seen."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from datetime import date
from io import BytesIO
from typing import Any, Literal

import pytest
from PIL import Image
from tests.batch import Process, invoice_pdf, records_of
from tests.virtual import virtually

from counterfoil.document import Images, Limits
from counterfoil.errors import InputError, SetupError
from counterfoil.extract import EXTRACTOR, Examined, examine, recipe
from counterfoil.images import LONGEST_SIDE
from counterfoil.model import ScriptedModel
from counterfoil.store_memory import MemoryStore
from pdfmaker import Placed, lines, make_pdf

TODAY = date(2026, 1, 1)
LIMITS = Limits()
SCANNED = "q 595 0 0 842 0 0 cm BI /W 2 /H 1 /BPC 8 /CS /G ID 0~ EI Q\n"
"""Content that covers a page with one picture."""
WRITTEN = lines(50, 60, [f"A line of an invoice, number {n}, with its amount" for n in range(4)])


def scan(pages: int = 1, size: tuple[float, float] = (595, 842), rotate: int = 0) -> bytes:
    return make_pdf([[]] * pages, prologue=SCANNED, size=size, rotate=rotate)


def mixed(*pages: list[Placed]) -> bytes:
    return make_pdf(pages, prologue=SCANNED)


def picture(form: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", **saved: Any) -> bytes:
    """An image file, its left half darker than its right half."""
    image = Image.new("L", size, 200)
    image.paste(0, (0, 0, size[0] // 2, size[1]))
    image = image.convert(mode)
    body = BytesIO()
    image.save(body, form, **saved)
    return body.getvalue()


def seen(data: bytes, images: Images = "auto", *, model: bool = True, limits: Limits = LIMITS) -> Examined:
    return examine(data, "auto", model, limits, TODAY, images)


def shown(data: bytes, images: Images = "auto") -> list[int]:
    """The pages that the model sees."""
    return [image.page for image in seen(data, images).reading.images]


def opened(data: bytes, page: int = 0) -> Image.Image:
    return Image.open(BytesIO(seen(data).reading.images[page].data))


# Which pages


@pytest.mark.parametrize(
    ("data", "images", "pages"),
    [
        (invoice_pdf("A"), "auto", []),
        (invoice_pdf("A"), "never", []),
        (invoice_pdf("A"), "always", [1]),
        (scan(2), "auto", [1, 2]),
        (scan(2), "always", [1, 2]),
        (mixed(WRITTEN, []), "auto", [2]),
        (mixed(WRITTEN, []), "never", []),
        (mixed(WRITTEN, []), "always", [1, 2]),
        (mixed([(50, 50, 9, "Scanned 2026-01-01")]), "auto", [1]),
        (make_pdf([WRITTEN, []]), "auto", []),
        (picture("PNG"), "auto", [1]),
        (picture("JPEG"), "auto", [1]),
        (picture("WEBP"), "always", [1]),
    ],
)
def test_a_model_sees_the_pages_that_have_no_text_or_all_of_them(data: bytes, images: Images, pages: list[int]):
    """auto: what could not be read otherwise. A stamp on a scan is no text of the page; an empty page shows nothing."""
    assert shown(data, images) == pages


@pytest.mark.parametrize("data", [scan(), picture("PNG"), picture("TIFF")])
@pytest.mark.parametrize(("images", "model"), [("never", True), ("auto", False)])
def test_a_scan_that_nobody_may_see_needs_ocr(data: bytes, images: Images, model: bool):
    """As ever: one sentence, no call."""
    with pytest.raises(InputError, match="no text layer, needs OCR"):
        seen(data, images, model=model)


def test_text_that_was_drawn_as_outlines_is_seen():
    """Many shapes and no letter: a page to look at. A few lines on an empty page are not."""
    drawn = "".join(f"{30 + 10 * n} 700 6 9 re f\n" for n in range(40))
    assert shown(make_pdf([[]], prologue=drawn)) == [1]
    assert shown(make_pdf([WRITTEN, []], prologue="0 0 595 2 re f\n")) == []


def test_a_page_that_turns_out_to_be_blank_is_not_sent():
    """A white picture on it is nothing to read, and nothing that went unread."""
    blank = "q 595 0 0 842 0 0 cm BI /W 2 /H 1 /BPC 8 /CS /G ID ~~ EI Q\n"
    reading = seen(make_pdf([WRITTEN, []], prologue=blank)).reading
    assert (reading.images, reading.textless, reading.findings) == ((), (), ())


@pytest.mark.parametrize("data", [scan(4), picture("TIFF", save_all=True, append_images=[Image.new("L", (9, 9))] * 3)])
def test_a_document_is_shown_as_a_whole_or_not_at_all(data: bytes):
    """Four pages at a limit of three: an error that says so, never three of them."""
    assert len(seen(data, limits=replace(LIMITS, max_image_pages=4)).reading.images) == 4
    with pytest.raises(InputError, match=r"4 pages .* more than the limit of 3"):
        seen(data, limits=replace(LIMITS, max_image_pages=3))


# In what form


@pytest.mark.parametrize(
    ("size", "rotate", "expected"),
    [((595, 842), 0, (1108, 1568)), ((595, 842), 90, (1568, 1108)), ((14000, 300), 0, (1568, 34))],
)
def test_a_page_is_rendered_upright_and_of_modest_size(
    size: tuple[float, float], rotate: Literal[0, 90], expected: tuple[int, int]
):
    """134 dpi on A4, however large the page says it is."""
    image = opened(scan(size=size, rotate=rotate))
    assert image.format == "JPEG"
    assert image.size == pytest.approx(expected, abs=1)


def test_a_large_picture_is_shrunk_and_a_small_one_is_left_as_it_is():
    """Nothing is made up by enlarging."""
    assert opened(picture(size=(4000, 3000))).size == (LONGEST_SIDE, LONGEST_SIDE * 3 // 4)
    assert opened(picture(size=(40, 30))).size == (40, 30)


@pytest.mark.parametrize(
    ("form", "mode"),
    [("PNG", "1"), ("PNG", "L"), ("PNG", "P"), ("PNG", "I;16"), ("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "CMYK")],
)
def test_every_kind_of_pixel_becomes_one_that_can_be_seen(form: str, mode: str):
    """Black and white, palettes, sixteen bits, print colours."""
    image = Image.new("I;16", (40, 30), 60_000) if mode == "I;16" else Image.new("L", (40, 30), 230)
    image.paste(0, (0, 0, 20, 30))
    body = BytesIO()
    image.convert(mode).save(body, form)
    grey = opened(body.getvalue()).convert("L")
    assert grey.getpixel((3, 15)) != grey.getpixel((35, 15))


def test_what_is_transparent_is_paper():
    """Black letters on nothing must not become black on black."""
    image = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 20, 30))
    body = BytesIO()
    image.save(body, "PNG")
    assert opened(body.getvalue()).getpixel((35, 15)) == (255, 255, 255)


def test_a_photo_is_turned_as_its_camera_says_and_tells_no_more():
    """EXIF orientation is applied, and the rest, such as the place, is gone."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    image = opened(picture("JPEG", size=(40, 30), exif=exif))
    assert image.size == (30, 40)
    assert not image.getexif()


def test_the_pages_of_an_image_file_are_in_order():
    """A fax is a TIFF of several pages, of different sizes."""
    more = [Image.new("L", (50 + n, 20)) for n in range(2)]
    reading = seen(picture("TIFF", size=(40, 20), save_all=True, append_images=more)).reading
    assert (reading.kind, reading.pages, reading.textless) == ("image", 3, (1, 2, 3))
    assert [Image.open(BytesIO(image.data)).width for image in reading.images] == [40, 50, 51]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (picture()[:60], "the image is damaged"),
        (b"\x89PNG\r\n\x1a\n", "the image is damaged, or of a kind"),
        (b"II*\0" + b"\xff" * 40, "the image is damaged"),
        (picture(size=(3000, 2000)), "3,000 x 2,000 pixels, more than the limit of 5,000,000"),
    ],
)
def test_a_picture_that_can_not_be_used_says_why_in_one_sentence(data: bytes, said: str):
    """Pixels are counted before one is decoded."""
    with pytest.raises(InputError, match=said):
        seen(data, limits=replace(LIMITS, max_pixels=5_000_000))


def test_a_bomb_is_refused_by_its_header():
    """A few bytes that say they are ten billion pixels."""
    bomb = bytearray(picture())
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    with pytest.raises(InputError, match=r"more (pixels )?than the limit"):
        seen(bytes(bomb))


# What becomes of it


def test_the_images_setting_is_part_of_an_input_only_where_it_can_matter():
    """What `auto` reads as before keeps its name, and its results; `never` and `always` have names of their own."""
    before = {"extractor": EXTRACTOR, "reader": "auto", "model": "m", "prompt": 1}
    assert recipe("auto", "m") == recipe("auto", "m", "auto") == before
    assert recipe("auto", "m", "never") == before | {"images": "never"}
    assert recipe("auto", None, "never") == recipe("auto", None)


def run(source: dict[str, bytes], model: ScriptedModel | None, images: Images = "auto") -> dict[str, Any]:
    """The results of one run by document, with the record's status and reason."""

    async def story() -> dict[str, Any]:
        folder, out = MemoryStore("memory://source"), MemoryStore("memory://out")
        for name, body in source.items():
            await folder.put(name, body)
        await Process(out, folder, model, images=images).task
        told: dict[str, Any] = {}
        for name, record in (await records_of(out)).items():
            found = await out.get(record["result"]) if "result" in record else None
            told[name] = record | {"all": json.loads(found.body) if found else None}
        return told

    return virtually(story())


def says(**changed: Any) -> ScriptedModel:
    """A model that sees the same invoice on any picture."""
    known = {"invoice_number": "S-1", "issue_date": "2025-12-30", "currency": "EUR", "seller_name": "Paper Mill Ltd"}
    return ScriptedModel(
        lambda _: json.dumps(known | {"net_total": 100, "tax_total": 19, "gross_total": 119} | changed), latency=1.0
    )


def test_a_scan_whose_amounts_confirm_each_other_is_done_and_says_how_it_was_read():
    """There is no text to compare with, so the arithmetic must hold, and the result tells."""
    record = run({"scan.pdf": scan()}, says())["scan.pdf"]
    assert (record["status"], record["reader"]) == ("done", "model")
    assert ("page.image", "info") in {(finding["code"], finding["severity"]) for finding in record["all"]["findings"]}


@pytest.mark.parametrize("changed", [{"net_total": None, "tax_total": None}, {"gross_total": 120}, {"net_total": None}])
def test_a_scan_whose_total_nothing_confirms_is_not_done(changed: dict[str, Any]):
    """A model that misreads a figure on a picture leaves no other trace."""
    assert run({"scan.pdf": scan()}, says(**changed))["scan.pdf"]["status"] == "review"


def test_what_is_only_on_the_picture_is_not_taken_for_invented():
    """A mixed document: its number and totals are on the page that has no text."""
    record = run({"mixed.pdf": mixed(WRITTEN, [])}, says())["mixed.pdf"]
    assert record["status"] == "done"


@pytest.mark.parametrize("reader", ["rules", "model"])
def test_a_document_of_which_a_page_went_unread_is_never_done(reader: str):
    """Its first page adds up; what the other one says, nobody knows."""
    page = lines(50, 60, ["Paper Mill Ltd", "Invoice number: S-1", "Date: 2025-12-30", "Net 100.00", "VAT 19.00"])
    page += lines(50, 160, ["Total 119.00 EUR", "Payable within thirty days without any deduction"])
    model = says() if reader == "model" else None
    whole = run({"a.pdf": make_pdf([page])}, model, "never" if model else "auto")["a.pdf"]
    part = run({"a.pdf": mixed(page, [])}, model, "never" if model else "auto")["a.pdf"]
    assert (whole["status"], part["status"]) == ("done", "review")
    assert "page.unread" in part["findings"]


def test_a_model_that_can_not_see_stops_the_run_and_fails_no_document():
    """Through real refusals in `test_model_images`; here: the claim is given back for the next run."""
    model = ScriptedModel(lambda request: SetupError("takes no images"))
    with pytest.raises(SetupError, match="takes no images"):
        run({"scan.pdf": scan()}, model)
