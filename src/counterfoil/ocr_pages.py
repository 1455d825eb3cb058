"""Scanned pages and image files to pages of words with boxes, by whichever OCR engine the run has.

Runs inside a killable worker process. Each reading of a page takes `Limits.ocr_seconds` at the most. A page is read
again, in another `Way`, only where it is asked for: what two readings show is hardly misread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from PIL import Image

from .document import Limits, Ocr
from .errors import InputError
from .images import pictures_of
from .ocr_picture import evened, is_blank, straightened
from .ocr_words import Recognised, Seen, page_of

LONGEST = 3508
"""Pixels: A4 at 300 dpi."""
_MOST_ENLARGED = 3.0
_A4_HEIGHT = 842.0
_POOR = 70.0
"""Percent of confidence: words on a page that is not upright have less, in the middle."""
_FEW = 12


@dataclass(frozen=True, slots=True)
class Way:
    """How a page is read: at which part of the full size, and with which page segmentation mode of Tesseract."""

    size: float
    segmentation: int


FIRST = Way(1.0, 3)
SECOND = Way(0.72, 3)
OTHERS = (Way(0.72, 4), Way(0.72, 11))
"""For pages that the first way leaves open: as one column of text of any size, and as text anywhere."""


def read_pages(
    data: bytes, kind: str, numbers: Sequence[int], ocr: Ocr, limits: Limits, way: Way = FIRST
) -> Iterator[Recognised]:
    """The pages of these numbers, in order; blank ones are left out.

    Raises `InputError` for too many pages, and for what can't be shown or takes too long.
    """
    if len(numbers) > limits.max_ocr_pages:
        raise InputError(
            f"{len(numbers):,} pages need OCR, more than the limit of {limits.max_ocr_pages}; split the document"
        )
    for number, picture in pictures_of(data, kind, numbers, limits, LONGEST):
        even = straightened(evened(_enlarged(picture)))
        if not is_blank(even):
            yield _read(number, even, ocr, limits, way)


def _enlarged(picture: Any) -> Any:
    """A picture of few pixels made larger: engines want letters of 20 pixels or more."""
    scale = min(LONGEST / max(picture.size), _MOST_ENLARGED)
    if scale <= 1.1:
        return picture
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)


def _read(number: int, picture: Any, ocr: Ocr, limits: Limits, way: Way) -> Recognised:
    if way.size != 1:
        picture = picture.resize((round(picture.width * way.size), round(picture.height * way.size)))
    seen = _recognise(picture, ocr, limits, way)
    if _poor(seen) and (turns := _turns(picture, ocr, limits)):
        turned = picture.transpose({1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180}.get(turns, 2))
        picture, seen = turned, _recognise(turned, ocr, limits, way)
    return page_of(number, seen, picture.size, _A4_HEIGHT / max(picture.size))


def _poor(seen: Sequence[Seen]) -> bool:
    return len(seen) < _FEW or median(word.confidence for word in seen) < _POOR


def _recognise(picture: Any, ocr: Ocr, limits: Limits, way: Way) -> list[Seen]:
    if ocr.engine == "rapidocr":
        from .ocr_rapid import recognise as recognise_rapid

        return recognise_rapid(picture)
    from .ocr_tesseract import recognise

    return recognise(picture, ocr.languages, limits.ocr_seconds, way.segmentation)


def _turns(picture: Any, ocr: Ocr, limits: Limits) -> int:
    if ocr.engine != "tesseract":
        return 0
    from .ocr_tesseract import quarter_turns

    return quarter_turns(picture, limits.ocr_seconds)
