"""Tax ids, IBANs and the invoice's own number, as they are printed, and whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stdnum import iban as iban_number
from stdnum.ch import uid as swiss_uid
from stdnum.eu import vat as eu_vat
from stdnum.gb import vat as british_vat

from .dates import find_dates, fold
from .document import Word
from .rules_sheet import Line, Sheet, Spot, below, near, spots
from .rules_words import NUMBER, TAX_ID, TAX_NUMBER_ONLY, TITLE, YOURS

_EU = re.compile(
    r"(?<![A-Z0-9])(?:ATU ?\d{8}|BE ?[01]?\d{3}[. ]?\d{3}[. ]?\d{3}|DE ?\d{3} ?\d{3} ?\d{3}|DK ?\d{8}|E[EL] ?\d{9}|"
    r"ES ?[A-Z0-9]-?\d{7}-?[A-Z0-9]|FI ?\d{7}-?\d|FR ?[A-Z0-9]{2} ?\d{3} ?\d{3} ?\d{3}|GB ?\d{3} ?\d{4} ?\d{2}|"
    r"HU ?\d{8}|IE ?\d[A-Z0-9]\d{5}[A-Z]{1,2}|IT ?\d{11}|LU ?\d{8}|NL ?\d{9} ?B ?\d{2}|NL\d{3}\.\d{3}\.\d{3}\.B\d{2}|"
    r"PL ?\d{10}|PT ?\d{9}|SE ?\d{12}|CHE[- ]?\d{3}\.?\d{3}\.?\d{3})(?![A-Z0-9])"
)
_ID = re.compile(
    r"(?:(?:[A-Z]{2,3}|ATU)[ \-.]?)?(?=[A-Z0-9.\-/ ]*\d)[A-Z0-9]+(?:[ .\-/][A-Z0-9]*\d[A-Z0-9]*)*"
    r"(?: (?:MWST|TVA|IVA|MVA))?"
)
_PREFIXED = re.compile(r"[A-Z]{2,3}[A-Z0-9]*\d{4}")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_IBAN_LABEL = re.compile(r"iban(?:[\s\-.]*nr)?[\s.:]*", re.IGNORECASE)
_NUMBER = re.compile(r"[#№]?\s*([A-Za-z0-9](?:[\w./\-]*\w)?)")
_SERIES = re.compile(r"([A-Z]{1,5})\s+(\d[\w./\-]*\w)")
_BARE = re.compile(r"(?:#|no|nr|number|nummer|numero|num|n°)[\s.:]*$")
_LOOSE = re.compile(r"(?:#|№|n[°ºo]\.?|nr\.?|num\.?|no\.?)\s*[:.]?\s*(?=[a-z0-9])")
_NUMBERED_TITLE = re.compile(
    r"(?:\w*(?:rechnung|gutschrift|korrektur)|(?:\w+ )?(?:invoice|facture|factuur|fattura|factura|avoir))[\s(),\d:]*"
    r"(?:\b(?:nr|no|num|number|nummer|numero)\b\.?|#|№|n[°º])[\s:]*"
)
_OF_DAY = re.compile(r"\s+(?:vom|dated|of|from|du|van|del|de)\b")


@dataclass(frozen=True, slots=True)
class TaxId:
    """A tax id with its place. `vat`: it is one for VAT, not only a tax number; `yours`: its label says the buyer's."""

    text: str
    line: Line
    box: Word
    vat: bool
    yours: bool


def tax_ids(sheet: Sheet) -> list[TaxId]:
    """Every tax id that is labelled, or valid by its check digits; each text once, the labelled first."""
    found: dict[str, TaxId] = {}
    for spot in spots(sheet, TAX_ID):
        label = fold(spot.box.text)[: spot.end]
        text = _labelled_id(sheet, spot)
        if text:
            yours = bool(YOURS.search(label) or YOURS.match(fold(spot.rest)))
            vat = not TAX_NUMBER_ONLY.fullmatch(label[spot.start :])
            found.setdefault(_compact(text), TaxId(text, spot.line, spot.box, vat, yours))
    for line in sheet.lines:
        for cell in line.cells:
            for match in _EU.finditer(cell.text):
                if _is_valid(match.group()):
                    found.setdefault(_compact(match.group()), TaxId(match.group(), line, cell, True, False))
    return list(found.values())


def _is_valid(text: str) -> bool:
    return any(check.is_valid(text) for check in (eu_vat, british_vat, swiss_uid))


def _labelled_id(sheet: Sheet, spot: Spot) -> str | None:
    for text in near(sheet, spot, (TAX_ID,)):
        rest = YOURS.sub("", fold(text), count=1) if YOURS.match(fold(text)) else fold(text)
        text = text[len(text) - len(rest) :].lstrip(" .:#-")
        strict, match = _EU.match(text), _ID.match(text)
        if strict:
            return strict.group()
        if match and 7 <= sum(char.isdigit() for char in match.group()) <= 15 and not _looks_otherwise(match.group()):
            return match.group()
        if text is not spot.rest and spot.rest:
            return None
    return None


def _looks_otherwise(text: str) -> bool:
    return next(find_dates(text), None) is not None or bool(re.fullmatch(r"[\d ]+[.,]\d{2}", text)) or _is_iban(text)


def _compact(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def _is_iban(text: str) -> bool:
    return bool(iban_number.is_valid(text, check_country=False))


def ibans(sheet: Sheet) -> list[str]:
    """Every IBAN: those that are labelled so, whatever their check digits, and those that are valid; each once."""
    found: dict[str, str] = {}
    for line in sheet.lines:
        for number, cell in enumerate(line.cells):
            labelled = bool(_IBAN_LABEL.search(line.cells[number - 1].text)) if number else False
            for match in _IBAN.finditer(cell.text):
                before = _IBAN_LABEL.search(cell.text[: match.start()])
                text = _shortest_valid(match.group())
                if text or ((before or labelled) and not found):
                    text = text or re.sub(r"(?: [A-Z]+)+$", "", match.group())
                    found.setdefault(_compact(text), text)
    return list(found.values())


def _shortest_valid(text: str) -> str | None:
    """The IBAN at the start of a text that may run on into other words."""
    parts = text.split(" ")
    for count in range(len(parts), 0, -1):
        candidate = " ".join(parts[:count])
        if _is_iban(candidate):
            return candidate
    return None


def invoice_number(sheet: Sheet) -> str | None:
    """The document's own number: by a label that begins its cell, else by the title that it stands with, else by a
    label within a sentence."""
    readings = (_by_label(sheet, at_start=True), _numbered_and_dated(sheet), _by_title(sheet), _by_label(sheet))
    return next((number for reading in readings for number in reading), None)


def _by_label(sheet: Sheet, *, at_start: bool = False) -> Iterator[str]:
    for spot in spots(sheet, NUMBER, at_start=at_start):
        for text in near(sheet, spot, (NUMBER,)):
            number = as_number(text.lstrip(" .:"))
            if number:
                yield number


def _numbered_and_dated(sheet: Sheet) -> Iterator[str]:
    """As "Mietrechnung Nr. 4711 vom 5.3.2018" or "Facture (380) n° 12 du 5 mars 2018", whatever kind it is."""
    for line in sheet.lines:
        for cell, folded in zip(line.cells, line.folded, strict=True):
            title = _NUMBERED_TITLE.match(folded)
            number = as_number(cell.text[title.end() :]) if title and line.page == 1 else None
            if title and number and _OF_DAY.match(folded[title.end() :][len(number) :]):
                yield number


def _by_title(sheet: Sheet) -> Iterator[str]:
    """As "Invoice INV/2023/0008", "Schlussrechnung Nr. 4711 vom 5.3.2018", or "# 17" under the title."""
    titles = [spot for spot in spots(sheet, TITLE, at_start=True) if spot.line.page == 1]
    for title in titles:
        mark = _LOOSE.match(fold(title.rest))
        rest = title.rest[mark.end() :] if mark else title.rest
        if len(title.box.text) < 60 and rest[:1].isalnum():
            number = as_number(rest)
            if number:
                yield number
        under = next(below(sheet, title.box, title.line), None)
        if not title.rest and under and len(title.line.cells) > 2 and as_number(under[1].text) == under[1].text:
            yield under[1].text  # one of several headings in a row, the values under them
        right = title.line.cells[title.cell + 1 :]
        if right and not title.rest and as_number(right[0].text) == right[0].text:
            yield right[0].text
    yield from _by_title_row(sheet)
    for spot in spots(sheet, _BARE, at_start=True):
        top = spot.line.page == 1 and spot.line.y0 < 0.4 * sheet.page_height
        if top and not spot.rest and spot.cell + 1 < len(spot.line.cells):
            number = as_number(spot.line.cells[spot.cell + 1].text)
            if number and titles:
                yield number


def _by_title_row(sheet: Sheet) -> Iterator[str]:
    """As "Nr. 4711" or "# 17" in the row of the title or one of the two below it."""
    for line in sheet.lines:
        for cell, folded in zip(line.cells, line.folded, strict=True):
            loose = _LOOSE.match(folded)
            if loose and any(map(_titled, _around(sheet, line))):
                number = as_number(cell.text[loose.end() :])
                if number:
                    yield number


def _around(sheet: Sheet, line: Line) -> list[Line]:
    return [near for near in sheet.lines[max(0, line.index - 2) : line.index + 1] if near.page == line.page]


def _titled(line: Line) -> bool:
    return any(TITLE.search(folded) or "rechnung" in folded for folded in line.folded)


def as_number(text: str) -> str | None:
    """The identifier that a text begins with: it has a digit, and is no date, amount or phone number."""
    text = text.strip()
    if next((found for found in find_dates(text) if found.start < 2), None):
        return None
    series = _SERIES.match(text)
    match = _NUMBER.match(text)
    number = f"{series[1]} {series[2]}" if series else match[1] if match else ""
    if not any(char.isdigit() for char in number) or len(number) > 40:
        return None
    if text[len(number) :].lstrip().startswith(("%", "€", "$", "£")):
        return None
    return number


def is_prefixed(text: str) -> bool:
    """Whether a tax id names its country."""
    return bool(_PREFIXED.match(_compact(text)))
