"""Pages as images for models that see: rendered from a PDF, or taken from an image file.

Runs inside a killable worker process: pictures can be bombs, and rendering can take long. It promises JPEGs that are
upright, no longer than `LONGEST_SIDE`, and free of whatever else the file carries; and that a document is shown as a
whole or not at all: more pages than the limit are an error, never a selection.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from .document import Finding, Images, Limits, PageImage, Reading
from .errors import InputError
from .pdf import open_pdf, pdfium

LONGEST_SIDE = 1568
"""Pixels, 134 dpi on A4: more is shrunk by the providers themselves, so it would only be paid for in bytes."""
QUALITY = 75
"""Of the JPEG; a noisy scan of an A4 page then has about 200 KB."""
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP")
_PAGED = ("TIFF", "WEBP")
"""Formats whose frames are pages; the others' are animations or previews."""
_PAPER = "white"


def with_images(reading: Reading, data: bytes, images: Images, limits: Limits) -> Reading:
    """The reading together with the pages that a model is to see. Pages that turn out to be blank are left out.

    Raises `InputError` for more than `limits.max_image_pages`, a picture over `limits.max_pixels`, or a damaged one.
    """
    pages = count_pages(data, limits) if reading.kind == "image" else reading.pages
    every = images == "always" or reading.kind == "image"
    numbers = range(1, pages + 1) if every else sorted({*reading.textless, *reading.scanned})
    _check_count(len(numbers), limits)
    pictures = pictures_of(data, reading.kind, numbers, limits, LONGEST_SIDE)
    shown = tuple(_page_image(*pair) for pair in pictures if reading.kind == "image" or not _is_blank(pair[1]))
    seen = {image.page for image in shown}
    unread = seen - set(reading.scanned) if reading.kind == "image" else seen & set(reading.textless)
    return _told(replace(reading, images=shown, pages=pages, textless=tuple(sorted(unread))))


def _is_blank(picture: Any) -> bool:
    return all(low == high for low, high in picture.getextrema())


def _told(reading: Reading) -> Reading:
    """What only a picture shows, nothing here can compare the model's answer with: that is to be seen in the result."""
    if not reading.textless:
        return reading
    message = f"read from the image alone, with no text to compare with: page {', '.join(map(str, reading.textless))}"
    return replace(reading, findings=(*reading.findings, Finding("page.image", "info", message)))


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.max_image_pages:
        raise InputError(
            f"{count:,} pages of the document would go to the model as images, more than the limit of "
            f"{limits.max_image_pages}; split the document"
        )


def pictures_of(
    data: bytes, kind: str, numbers: Sequence[int], limits: Limits, longest: int
) -> Iterator[tuple[int, Any]]:
    """The pages of these numbers as RGB pictures, upright as the file says, `longest` pixels or less on their longest
    side; those of a PDF are drawn as large as that. Raises `InputError`."""
    if kind == "image":
        yield from _of_image_file(data, numbers, limits, longest)
    elif numbers:
        document = open_pdf(data)
        try:
            for number in numbers:
                yield number, _rendered(document, number, longest)
        finally:
            document.close()


def count_pages(data: bytes, limits: Limits) -> int:
    """How many pages an image file has. Raises `InputError` if it is none that can be read."""
    with _opened(data, limits) as picture:
        return getattr(picture, "n_frames", 1) if picture.format in _PAGED else 1


def _rendered(document: Any, number: int, longest: int) -> Any:
    """The page as an RGB picture, turned as /Rotate says."""
    try:
        page = document[number - 1]
        try:
            return page.render(scale=longest / max(*page.get_size(), 1.0)).to_pil().convert("RGB")
        finally:
            page.close()
    except (pdfium.PdfiumError, ValueError) as exc:
        raise InputError(f"page {number} of the PDF can't be rendered") from exc


def _of_image_file(data: bytes, numbers: Sequence[int], limits: Limits, longest: int) -> Iterator[tuple[int, Any]]:
    with _opened(data, limits) as picture:
        for number in numbers:
            if number > 1:
                picture.seek(number - 1)
            _check_pixels(picture.size, limits)
            # A JPEG is decoded at a fraction of its size where that is enough.
            picture.draft(None, (longest, longest))
            yield number, ImageOps.exif_transpose(_on_paper(_shrunk(picture, longest)))


@contextmanager
def _opened(data: bytes, limits: Limits) -> Generator[Any]:
    """The image file, for Pillow; whatever it raises meanwhile becomes an `InputError`."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as picture:
            yield picture
    except Image.DecompressionBombError as exc:
        raise InputError(f"the image has more pixels than the limit of {limits.max_pixels:,}") from exc
    except UnidentifiedImageError as exc:
        raise InputError("the image is damaged, or of a kind that can't be read") from exc
    except (OSError, ValueError, SyntaxError, EOFError) as exc:  # what Pillow raises for damaged ones
        raise InputError(f"the image is damaged: {' '.join(str(exc).split())[:200]}") from exc


def _check_pixels(size: tuple[int, int], limits: Limits) -> None:
    if size[0] * size[1] > limits.max_pixels:
        raise InputError(
            f"the image has {size[0]:,} x {size[1]:,} pixels, more than the limit of {limits.max_pixels:,}"
        )


def _shrunk(picture: Any, longest: int) -> Any:
    """A copy no longer than `longest`, made first of all: a large picture must not be held in several forms."""
    if picture.mode.startswith("I;16"):  # 16 bits become 8
        picture = picture.convert("I").point([level // 256 for level in range(65536)], "L")
    if picture.mode in ("1", "P"):  # or black and white would stay so, and thin lines go
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB" if picture.mode == "P" else "L")
    scale = min(1.0, longest / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _on_paper(picture: Any) -> Any:
    """The picture in RGB, what is transparent in it on white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    paper = Image.new("RGB", seen.size, _PAPER)
    paper.paste(seen, mask=seen.getchannel("A"))
    return paper


def _page_image(number: int, picture: Any) -> PageImage:
    body = BytesIO()
    picture.save(body, "JPEG", quality=QUALITY)
    return PageImage(number, "image/jpeg", body.getvalue())
