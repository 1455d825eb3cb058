"""The header of an invoice's table: which columns there are, and where, also when it runs over several rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .dates import fold
from .document import Word
from .layout import join
from .rules_sheet import Line, Sheet, overlap
from .rules_words import COLUMNS

_CLEAN = re.compile(r"[^a-z0-9#%&°]+")
_NOISE = re.compile(r"\b(?:in|eur|euro|usd|gbp|chf|inr|excl|incl|net of)\b")
_NET = re.compile(r"\b(?:net|netto\w*|ht|h\.t|excl\w*|ex|imponibile|base|neto|ohne|taxable)\b")
_PRICE = re.compile(r"\b(?:price|preis|prix|prijs|prezzo|precio)\b")
_AMOUNT = re.compile(r"\d[.,]\d{2}\b|\d{3}")
_MAX_WORDS = 5
_MONEY = frozenset(("amount", "price", "gross"))
_THINGS = frozenset(("desc", "qty", "code", "pos"))


def _clean(text: str) -> str:
    return " ".join(_CLEAN.sub(" ", fold(text)).split())


_KINDS = {
    cleaned: kind
    for kind, text in reversed(COLUMNS.items())
    for phrase in text.split(",")
    if (cleaned := _clean(phrase))
}
_EXTRA_WORDS = "ohne excl incl ht ttc eur in of per pro kunde lief gtin gln art inkl mwst vat tax exkl no nr qty"
_HEADER_WORDS = frozenset(word for phrase in _KINDS for word in phrase.split()) | frozenset(_EXTRA_WORDS.split())


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, and the box of its header."""

    kind: str
    box: Word


@dataclass(frozen=True, slots=True)
class Header:
    """A table's columns from left to right, and the index of the last line that belongs to the header."""

    columns: tuple[Column, ...]
    last: int

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(column.kind for column in self.columns)

    def has(self, kind: str) -> bool:
        return kind in self.kinds


def column_kind(text: str) -> str | None:
    """What a column header says, with or without a currency or "net" beside it."""
    cleaned = _clean(text)
    return _KINDS.get(cleaned) or _KINDS.get(" ".join(_NOISE.sub(" ", cleaned).split()))


def header_at(sheet: Sheet, index: int) -> Header | None:
    """The table header whose main row is this line, rows above and below it taken in; None if it is none."""
    line = sheet.lines[index]
    spans = [] if _AMOUNT.search(line.text) else _spans(line.words)
    known = [kind for kind, _ in spans if kind]
    if not _enough(set(known)) or 2 * len(known) < len(spans):
        return None  # a sentence has words of headers too, among more others
    spans, last = _grown(spans), index
    for neighbour in _neighbours(sheet, index, -1):
        spans = _merged(spans, neighbour, above=True)
    for neighbour in _neighbours(sheet, index, 1):
        spans = _merged(spans, neighbour, above=False)
        last = neighbour.index
    columns = tuple(_columns(spans))
    kinds = {column.kind for column in columns}
    wide = columns[-1].box.x1 - columns[0].box.x0 > 0.35 * sheet.width
    return Header(columns, last) if _enough(kinds) and wide else None


def _enough(kinds: set[str]) -> bool:
    return bool(kinds & _MONEY) and bool(kinds & _THINGS) and ("desc" in kinds or len(kinds) > 2)


def _spans(words: Sequence[Word]) -> list[tuple[str | None, Word]]:
    """Words joined to the longest phrases that name a column; what names none stays by itself."""
    spans: list[tuple[str | None, Word]] = []
    at = 0
    while at < len(words):
        kind, length, box = None, 1, words[at]
        whole = words[at]
        for count in range(1, min(_MAX_WORDS, len(words) - at) + 1):
            if count > 1:
                if words[at + count - 1].x0 - whole.x1 > 1.2 * (whole.y1 - whole.y0):
                    break
                whole = join(whole, words[at + count - 1])
            found = column_kind(whole.text)
            if found:
                kind, length, box = found, count, whole
        spans.append((kind, box))
        at += length
    return spans


def _grown(spans: list[tuple[str | None, Word]]) -> list[tuple[str | None, Word]]:
    """Unknown words, and words of the same kind, go with the known heading that only a space parts them from."""
    grown: list[tuple[str | None, Word]] = []
    for kind, box in spans:
        last, before = grown[-1] if grown else (None, box)
        close = bool(grown) and box.x0 - before.x1 < 0.6 * (box.y1 - box.y0)
        if close and (kind == last or kind is None or last is None):
            grown[-1] = (last or kind, join(before, box))
        else:
            grown.append((kind, box))
    return grown


def _neighbours(sheet: Sheet, index: int, step: int) -> Iterator[Line]:
    """Up to two rows next to the main row that hold nothing but words of headers."""
    previous = sheet.lines[index]
    for offset in (1, 2):
        if not 0 <= index + step * offset < len(sheet.lines):
            return
        line = sheet.lines[index + step * offset]
        gap = line.y0 - previous.y1 if step > 0 else previous.y0 - line.y1
        words = [word for text in (_clean(cell.text) for cell in line.cells) for word in text.split()]
        if line.page != previous.page or gap > 0.6 * line.height or not all(word in _HEADER_WORDS for word in words):
            return
        yield line
        previous = line


def _merged(spans: list[tuple[str | None, Word]], line: Line, *, above: bool) -> list[tuple[str | None, Word]]:
    """The spans with the cells of a neighbouring row put over or under them."""
    merged = list(spans)
    for cell in line.cells:
        number = max(range(len(merged)), key=lambda n: overlap(merged[n][1], cell))
        kind, box = merged[number]
        if overlap(box, cell) <= 0:
            merged.append((column_kind(cell.text), cell))
            continue
        whole = join(cell, box) if above else join(box, cell)
        merged[number] = (column_kind(whole.text) or kind or column_kind(cell.text), whole)
    return sorted(merged, key=lambda span: span[1].x0)


def _columns(spans: Sequence[tuple[str | None, Word]]) -> Iterator[Column]:
    """Columns from left to right. Of two of a kind the net one counts, else the last."""
    chosen = {kind: _choice(spans, kind) for kind in ("desc", "amount", "price", "rate", "qty", "pos")}
    renamed = _by_another_name(spans, chosen["amount"])
    for number, (kind, box) in enumerate(spans):
        name = kind if kind and chosen.get(kind, number) == number else "other"
        yield Column(renamed.get(number, name), box)


def _by_another_name(spans: Sequence[tuple[str | None, Word]], amount: int) -> dict[int, str]:
    """What the first of two amounts is, where one column is missing: a quantity before the price, else the price."""
    kinds = [kind for kind, _ in spans]
    first = kinds.index("amount") if "amount" in kinds else amount
    if first == amount:
        return {}
    if "qty" not in kinds and "price" in kinds and first < kinds.index("price"):
        return {first: "qty"}
    if "price" not in kinds and "qty" in kinds and _PRICE.search(fold(spans[first][1].text)):
        return {first: "price"}
    return {}


def _choice(spans: Sequence[tuple[str | None, Word]], kind: str) -> int:
    places = [number for number, (found, _) in enumerate(spans) if found == kind]
    net = [number for number in places if _NET.search(fold(spans[number][1].text))]
    sure = [number for number in places if _clean(spans[number][1].text) != "rate"]  # a price, or of the tax
    return next(iter(net or sure[::-1] or places), -1)
