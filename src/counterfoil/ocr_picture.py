"""A page's picture made easy to read: grey, evenly lit, upright to a tenth of a degree. Works on pixels only.

Pure: the same picture gives the same result. It needs no more than Pillow, and a fraction of a second for a page.
"""

from __future__ import annotations

from statistics import pvariance
from typing import Any, cast

from PIL import Image, ImageChops, ImageFilter, ImageOps

_SMALL = 700
"""Pixels, longest side, of the copy that light and skew are measured on."""
_LETTER = 9
"""Pixels of the small copy: wider than any stroke, so that a maximum over them shows the paper between letters."""
_MOST_SKEW = 5.0
_STEP = 0.5
_FINE = 0.1
_WORTH_TURNING = 0.15
"""Degrees; less does not hurt a reader, and turning blurs a little."""
_INK = 128
_FAINT = 200
"""Where nothing is darker than this, there is no writing to make darker, only the grain of the paper."""
_LEAST_INK = 0.0005
_WHITE = 255


def evened(picture: Any) -> Any:
    """The picture in grey, shadows and tints of the paper taken out, and its contrast stretched."""
    grey = picture.convert("L")
    small = _reduced(grey)
    paper = small.filter(ImageFilter.MaxFilter(_LETTER)).filter(ImageFilter.BoxBlur(_LETTER))
    paper = paper.resize(grey.size, Image.Resampling.BILINEAR)
    even = ImageChops.add(grey, ImageChops.invert(paper))
    darkest = cast("tuple[int, int]", even.getextrema())[0]
    return ImageOps.autocontrast(even, cutoff=(0.5, 0)) if darkest < _FAINT else even


def straightened(picture: Any) -> Any:
    """The even picture turned so that its lines of text are level, where they are up to 5 degrees off."""
    angle = skew(picture)
    if abs(angle) < _WORTH_TURNING:
        return picture
    return picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=_WHITE)


def skew(picture: Any) -> float:
    """Degrees, counter-clockwise, that the picture is to be turned by: where the rows differ most in darkness."""
    ink = ImageChops.invert(_reduced(picture))
    steps = int(_MOST_SKEW / _STEP)
    coarse = max((n * _STEP for n in range(-steps, steps + 1)), key=lambda angle: _levelness(ink, angle))
    fine = [round(coarse + n * _FINE, 1) for n in range(-4, 5)]
    return max(fine, key=lambda angle: (_levelness(ink, angle), -abs(angle)))


def is_blank(picture: Any) -> bool:
    """Whether there is next to no ink on the even picture, specks aside."""
    small = _reduced(picture).filter(ImageFilter.MedianFilter(3))
    dark = sum(cast("list[int]", small.histogram())[:_INK])
    return dark < _LEAST_INK * small.width * small.height


def _levelness(ink: Any, angle: float) -> float:
    turned = ink.rotate(angle, Image.Resampling.BILINEAR) if angle else ink
    rows = turned.resize((1, turned.height), Image.Resampling.BOX).tobytes()
    return pvariance([float(a - b) for a, b in zip(rows[1:], rows, strict=False)])


def _reduced(picture: Any) -> Any:
    scale = min(1.0, _SMALL / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)
