"""rapidocr, for machines without Tesseract: a picture in, words with boxes and confidence out.

Runs inside a killable worker process. Its models come with its package: nothing is loaded from a network.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, cast

from .ocr_words import Seen

_LONGEST = 2200
"""Pixels. It needs no more for the letters of an A4 page, and its memory grows with the picture."""
_Word = tuple[str, float, list[list[float]]]


def recognise(picture: Any) -> list[Seen]:
    """The words of a grey picture, boxes in its pixels."""
    scale = min(1.0, _LONGEST / max(picture.size))
    small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    found = _engine()(_pixels(small), return_word_box=True)
    lines = cast("tuple[tuple[_Word, ...], ...]", found.word_results or ())
    return [_seen(word, (number,), scale) for number, words in enumerate(lines) for word in words]


def _seen(word: _Word, line: tuple[int, ...], scale: float) -> Seen:
    text, confidence, corners = word
    xs, ys = [x / scale for x, _ in corners], [y / scale for _, y in corners]
    return Seen(text, min(xs), min(ys), max(xs), max(ys), 100 * confidence, line)


def _pixels(picture: Any) -> Any:
    numpy = cast(Any, import_module("numpy"))
    return numpy.asarray(picture.convert("RGB"))


@cache
def _engine() -> Any:
    rapidocr = cast(Any, import_module("rapidocr"))
    one = {"EngineConfig.onnxruntime.intra_op_num_threads": 1, "EngineConfig.onnxruntime.inter_op_num_threads": 1}
    return rapidocr.RapidOCR(params={**one, "Global.log_level": "critical"})
