"""Labelled amounts of the totals: which words say that an amount is the net, the tax, the gross total, what is due."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from .amounts import DecimalMark, find_amounts
from .currencies import CURRENCIES
from .dates import find_dates
from .document import Word
from .rules_figure_words import FIGURES
from .rules_sheet import Line, Sheet, overlap

_NUMBERS = re.compile(r"[\d.,%'’\s€$£¥₹:*()+\-–=/]|\b(?:eur|usd|chf|gbp|inr|in|aud|cad|rm|myr|incl|inkl)\b")
_CODE = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(sorted(CURRENCIES - {'ALL', 'TOP', 'TRY', 'NET', 'PEN', 'CUP'}))})(?![A-Za-z])"
)
_LETTER = re.compile(r"[^\W\d_]")
_PERCENT = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,3})?)\s?%")
_INCL = re.compile(r"\binc[i1)|!](?![a-z0-9])")
"""As OCR reads "incl"."""
_MAX_LABEL = 70
_NEAR = 3
"""Lines after a tax or a rounding in which the total that they lead to stands, whatever became of its label."""
_TOO_MUCH = Decimal(10) ** 10  # a number so long is a reference
_COVER = 0.35  # the least share of a text that its label must be, lest a word in a sentence count as one


@dataclass(frozen=True, slots=True)
class Figure:
    """An amount with its label. `others` are further amounts of the same label, left of it (a base),
    `rate` is the percentage in its label."""

    kind: str
    value: Decimal
    line: int
    others: tuple[Decimal, ...] = ()
    rate: Decimal | None = None


@lru_cache(4096)
def kind_of(folded: str) -> str | None:
    """What a label says; the longest phrase in it decides. A bare "total" counts only if nothing else is said.

    The kind "none" is for what looks like one of the others, and is not.
    """
    best, length = None, 0
    folded = _INCL.sub("incl", folded)
    for kind, pattern in FIGURES:
        for match in pattern.finditer(folded):
            whole = kind in ("tax", "none") or len(match.group()) > _COVER * len(_LETTER.findall(folded))
            if len(match.group()) > length and whole:
                best, length = kind, len(match.group())
                if kind == "total" and _NUMBERS.sub("", pattern.sub("", folded, count=1)):
                    best = None
    return best


def names_only(folded: str) -> bool:
    """Whether a text is nothing but the label of a figure, give or take a word."""
    for _, pattern in FIGURES:
        folded = pattern.sub("", folded)
    return len(_LETTER.findall(folded)) <= 3


def figures_of(sheet: Sheet, mark: DecimalMark | None, currency: str | None) -> list[Figure]:
    """Every labelled amount of the document, in reading order; none whose label names another currency."""
    figures: list[Figure] = []
    for line in sheet.lines:
        if currency and _other_currency(line, currency):
            continue
        on_line = list(_on_line(line, mark, sheet.lines[line.index - 1] if line.index else None))
        figures += on_line or _under(sheet, line, mark) or _aside(sheet, line, mark, figures)
    return figures


def _aside(sheet: Sheet, line: Line, mark: DecimalMark | None, figures: Sequence[Figure]) -> list[Figure]:
    """Further figures once there is one: where amounts stand half a line lower than their labels, and where what
    follows the tax has a label that can't be read, as OCR leaves them."""
    last = figures[-1] if figures else None
    if last is None or not line.cells:
        return []
    kind, (head, amounts) = kind_of(line.folded[-1]), _split(line.cells[-1].text, mark)
    if kind and kind != "none" and not amounts:
        value = _lower_right(sheet, line, mark)
        return [] if value is None else [Figure(kind, value, line.index)]
    near = last.kind in ("tax", "rounding") and line.index - last.line <= _NEAR
    unknown = len(line.cells) > 1 and not _LETTER.search(head) and not any(map(kind_of, line.folded))
    return [Figure("unnamed", amounts[0], line.index)] if near and unknown and len(amounts) == 1 else []


def _lower_right(sheet: Sheet, line: Line, mark: DecimalMark | None) -> Decimal | None:
    """The only amount of the next line, if it begins right of the last label of this one and has none of its own."""
    for lower in sheet.lines[line.index + 1 : line.index + 2]:
        if lower.page != line.page or lower.y0 - line.y1 > line.height:
            return None
        right = [cell for cell in lower.cells if cell.x1 > line.cells[-1].x0]
        left = [cell for cell in lower.cells if cell.x1 <= line.cells[-1].x0]
        parts = [_split(_CODE.sub("", cell.text), mark) for cell in right]
        amounts = [value for _, values in parts for value in values]
        if len(amounts) == 1 and not any(_LETTER.search(head) for head, _ in parts):
            return amounts[0] if not any(_split(cell.text, mark)[1] for cell in left) else None
    return None


def _other_currency(line: Line, currency: str) -> bool:
    codes = {code for cell in line.cells for code in _CODE.findall(cell.text)}
    return bool(codes) and currency not in codes


def _on_line(line: Line, mark: DecimalMark | None, above: Line | None) -> Iterator[Figure]:
    """Labels with their amounts to the right, up to the next label."""
    label: str | None = None
    values: list[Decimal] = []
    for cell, folded in zip(line.cells, line.folded, strict=True):
        head, amounts = _split(cell.text, mark)
        if _NUMBERS.sub("", folded[: len(head)]).strip():
            if label and values:
                yield from _figure(label, values, line.index)
            continued = f"{label} " if label and not values and folded.startswith("(") else ""
            label, values = continued + _whole_label(folded[: len(head)], cell, line, above), []
        values += amounts
    if label and values:
        yield from _figure(label, values, line.index)


def _whole_label(label: str, cell: Word, line: Line, above: Line | None) -> str:
    """With its first half, where a label such as "Sub Total" is broken in two: what ends the line above."""
    if above is None or kind_of(label) != "total" or above.page != line.page or line.y0 - above.y1 > line.height:
        return label
    if not above.cells or overlap(above.cells[-1], cell) <= 0:
        return label
    whole = f"{above.folded[-1]} {label}"
    return whole if kind_of(whole) not in (None, "total") and kind_of(above.folded[-1]) is None else label


def _figure(label: str, values: list[Decimal], line: int) -> Iterator[Figure]:
    kind = kind_of(label) if len(label) <= _MAX_LABEL and not _cents_apart(values) else None
    if kind and kind != "none" and abs(values[-1]) < _TOO_MUCH:
        rate = _PERCENT.search(label)
        yield Figure(kind, values[-1], line, tuple(values[:-1]), Decimal(rate[1].replace(",", ".")) if rate else None)


def _cents_apart(values: Sequence[Decimal]) -> bool:
    """Whether what looks like an amount may be the cents of one whose point OCR lost, as in "16 50"."""
    last = values[-2:]
    return len(last) == 2 and all(value.as_tuple().exponent == 0 for value in last) and 0 <= last[-1] < 100


def _split(text: str, mark: DecimalMark | None) -> tuple[str, list[Decimal]]:
    """A cell's label and the amounts at its end; the digits of dates are none."""
    for day in find_dates(text):
        text = text[: day.start] + "~" * (day.end - day.start) + text[day.end :]
    found = list(find_amounts(text, decimal_hint=mark))
    kept: list[Decimal] = []
    end = len(text)
    for amount in reversed(found):
        if _LETTER.search(_PERCENT.sub("", text[amount.end : end])):
            break
        kept.insert(0, amount.value)
        end = amount.start
    return (text[:end] if kept else text), kept


def _under(sheet: Sheet, line: Line, mark: DecimalMark | None) -> list[Figure]:
    """A row of labels with one row of amounts under it, as "Net | VAT | Total" over "100.00 | 20.00 | 120.00"."""
    labels = [(cell, kind_of(folded)) for cell, folded in zip(line.cells, line.folded, strict=True)]
    kinds = [kind for _, kind in labels if kind and kind != "none"]
    if len(kinds) < 2 or not {"gross", "total", "due"} & set(kinds) or not {"net", "subtotal", "tax"} & set(kinds):
        return []
    rows = [
        _amount_cells(lower, mark) for lower in sheet.lines[line.index + 1 : line.index + 3] if lower.page == line.page
    ]
    if not rows or len(rows[0]) < 2 or (len(rows) > 1 and len(rows[1]) >= len(rows[0])):
        return []
    return [
        Figure(kind, value, line.index)
        for cell, kind in labels
        if kind and kind != "none" and (value := _best_under(cell, rows[0])) is not None
    ]


def _amount_cells(line: Line, mark: DecimalMark | None) -> list[tuple[Word, Decimal]]:
    found: list[tuple[Word, Decimal]] = []
    for cell in line.cells:
        head, amounts = _split(cell.text, mark)
        if len(amounts) == 1 and not _LETTER.search(head):
            found.append((cell, amounts[0]))
    return found


def _best_under(label: Word, row: Sequence[tuple[Word, Decimal]]) -> Decimal | None:
    cell, value = max(row, key=lambda entry: overlap(label, entry[0]))
    return value if overlap(label, cell) > -10 else None


def tax_lines_of(sheet: Sheet, mark: DecimalMark | None) -> list[tuple[Decimal, Decimal, Decimal]]:
    """Rows of the tax breakdown: a rate with a base and a tax that it makes, to the cent. Each once."""
    found: dict[tuple[Decimal, Decimal], tuple[Decimal, Decimal, Decimal]] = {}
    for line in sheet.lines:
        rates = [Decimal(rate.replace(",", ".")) for rate in _PERCENT.findall(line.text)]
        captioned = any(kind_of(folded) == "tax" for folded in line.folded)
        if len(rates) != 1 or not (captioned or _PERCENT.match(line.text)):
            continue
        amounts = [found.value for cell in line.cells for found in find_amounts(cell.text, decimal_hint=mark)]
        for base, tax in pairwise(amounts):
            if base and abs(base * rates[0] / 100 - tax) <= Decimal("0.015"):
                found.setdefault((rates[0], base), (rates[0], base, tax))
    return list(found.values())
