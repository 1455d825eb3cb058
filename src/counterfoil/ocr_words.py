"""What an OCR engine saw, made words as a PDF has them: noise left out, boxes as tall as their line. Pure geometry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from .document import Page, Word
from .layout import grid_text, rows_of

SURE = 60.0
"""Percent. Words that an engine is less sure of are wrong more often than one time in ten or so."""
_LEAST = 10.0
_LOOSE = 1.5
"""Heights of a capital in the box of a line: what PDFs give has room above and below the letters."""
_BELOW = 0.22
_DESCENDERS = frozenset("gjpqy,;()[]{}|/\\Qçß@$§µ_")
_TALL = re.compile(r"[A-Z0-9bdfhklßÄÖÜÉÈÀ&%€£$()\[\]/]")
_LETTER = re.compile(r"\w")
_FRAME = "|¦_~[]{}‘’“”\"'`^°—–=*»«\\!"
"""What lines of tables and specks are taken for, at the ends of words."""
_KEPT_ALONE = frozenset("-–—€$£¥₹%&#/+:")


@dataclass(frozen=True, slots=True)
class Seen:
    """A word in pixels, y downwards, its box tight around the ink. `confidence` is in percent; `line` tells words of
    one line by the engine's opinion."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float
    line: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recognised:
    """A page as OCR read it. `sure` is its text without the words that the engine was in doubt about."""

    page: Page
    sure: str


def page_of(number: int, seen: Sequence[Seen], size: tuple[int, int], points: float) -> Recognised:
    """The page of these words; `size` in pixels, `points` is the size of one pixel."""
    placed = list(_placed(_clean(seen), points))
    rows = rows_of(word for word, _ in placed)
    unsure = {word for word, confidence in placed if confidence < SURE}
    page = Page(
        number, size[0] * points, size[1] * points, grid_text(rows), tuple(word for row in rows for word in row)
    )
    sure = [[word for word in row if word not in unsure] for row in rows]
    return Recognised(page, grid_text([row for row in sure if row]))


def _clean(seen: Iterable[Seen]) -> Iterator[Seen]:
    for word in seen:
        text = word.text if word.text in _KEPT_ALONE else word.text.strip(_FRAME)
        speck = not _LETTER.search(text) and (text not in _KEPT_ALONE or word.confidence < SURE)
        if text and not speck and word.confidence >= _LEAST:
            yield Seen(text, word.x0, word.y0, word.x1, word.y1, word.confidence, word.line)


def _placed(seen: Iterable[Seen], points: float) -> Iterator[tuple[Word, float]]:
    """The words of each line on one baseline, in points, with their confidence."""
    for _, group in groupby(sorted(seen, key=lambda word: word.line), key=lambda word: word.line):
        line = list(group)
        capital = median(map(_capital, line))
        for word in line:
            bottom = _baseline(word, line, capital) + _BELOW * _LOOSE * capital
            top = bottom - _LOOSE * capital
            box = (word.x0 * points, top * points, word.x1 * points, bottom * points)
            yield Word(word.text, *box), word.confidence


def _capital(word: Seen) -> float:
    """How tall a capital is in the word's face, going by which letters it has."""
    height = word.y1 - word.y0
    tall, low = bool(_TALL.search(word.text)), bool(_DESCENDERS.intersection(word.text))
    return height / {(True, True): 1.28, (True, False): 1.0, (False, True): 1.0, (False, False): 0.73}[tall, low]


def _baseline(word: Seen, line: Sequence[Seen], capital: float) -> float:
    """Where the word stands: by the plain words nearest to it, since signs hang and descenders reach below."""
    plain = [other for other in line if _LETTER.search(other.text) and not _DESCENDERS.intersection(other.text)]
    if not plain:
        return word.y1 - (0.28 * capital if _DESCENDERS.intersection(word.text) else 0.0)
    nearest = sorted(plain, key=lambda other: abs(other.x0 + other.x1 - word.x0 - word.x1))[:3]
    return median(other.y1 for other in nearest)
