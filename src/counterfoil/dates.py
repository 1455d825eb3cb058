"""Printed dates in English, German, French, Dutch, Italian and Spanish. An ambiguous date is None, never a guess."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

_MONTHS = {
    1: "january januar jaenner januari janvier gennaio enero jan janv gen ene jänner",
    2: "february februar februari fevrier febbraio febrero feb febr fev",
    3: "march märz marz maerz maart mars marzo mar mrz mrt",
    4: "april avril aprile abril apr avr abr",
    5: "may mai mei maggio mayo mag",
    6: "june juni juin giugno junio jun giu",
    7: "july juli juillet luglio julio jul juil lug",
    8: "august augustus aout agosto aug ago",
    9: "september septembre settembre septiembre setiembre sep sept set",
    10: "october oktober octobre ottobre octubre oct okt ott",
    11: "november novembre noviembre nov",
    12: "december dezember decembre dicembre diciembre dec dez dic",
}
_MONTH = {name: number for number, names in _MONTHS.items() for name in names.split()}
_NAMES = "|".join(sorted(_MONTH, key=len, reverse=True))
_YEAR = r"(?P<{0}>(?:19|20)\d{{2}}|\d{{2}}(?!\d))"
_PATTERN = re.compile(
    r"(?<![\w])(?:"
    r"(?P<iy>(?:19|20)\d{2})(?P<isep>[-/.])(?P<im>\d{1,2})(?P=isep)(?P<id>\d{1,2})(?!\d)"
    r"|(?P<na>\d{1,2})\s?(?P<nsep>[-/.])\s?(?P<nb>\d{1,2})\s?(?P=nsep)\s?" + _YEAR.format("ny") + r"(?![\d/])"
    r"|(?P<dd>\d{1,2})(?:st|nd|rd|th|er|°|º|\.)?[\s\-/.]*(?:of\s+|de\s+|di\s+)?(?P<dm>" + _NAMES + r")\b\.?"
    r"(?:[\s\-/.,']+(?:de[l]?\s+)?|')" + _YEAR.format("dy") + r"(?!\d)"
    r"|(?P<mm>" + _NAMES + r")\b\.?[\s\-]*(?P<md>\d{1,2})(?:st|nd|rd|th)?\s*[,\s\-]\s*" + _YEAR.format("my") + r"(?!\d)"
    r")",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date inside a text. `value` is None where day and month could be either way round."""

    start: int
    end: int
    value: date | None


def fold(text: str) -> str:
    """Lower case without accents, of the same length, so that places found in it hold for the original."""
    return text.lower() if text.isascii() else "".join(map(_fold_char, text))


@lru_cache(4096)
def parse_date(text: str, *, month_first: bool | None = None) -> date | None:
    """The date that a text consists of; None if it is none or ambiguous and `month_first` isn't known."""
    found = next(find_dates(text.strip(), month_first=month_first), None)
    return found.value if found and found.start == 0 and found.end == len(text.strip()) else None


def find_dates(text: str, *, month_first: bool | None = None) -> Iterator[FoundDate]:
    """Every date in a text, in order. `month_first` says how to read 03/04/2024, None where nothing tells."""
    for match in _PATTERN.finditer(fold(text)):
        known, value = _value(match, month_first)
        if known:
            yield FoundDate(match.start(), match.end(), value)


def month_first(text: str) -> bool | None:
    """What the numeric dates of a text prove: True for 11/15/2024, False for 15/11/2024, None for none or both."""
    proofs: set[bool] = set()
    for match in _PATTERN.finditer(fold(text)):
        if match["na"] and match["nsep"] != ".":
            first, second = int(match["na"]), int(match["nb"])
            if first > 12 >= second:
                proofs.add(False)
            elif second > 12 >= first:
                proofs.add(True)
    return proofs.pop() if len(proofs) == 1 else None


def _fold_char(char: str) -> str:
    if char.isascii():
        return char.lower()
    base = unicodedata.normalize("NFKD", char)[0].lower()
    return base if len(base) == 1 else char


def _value(match: re.Match[str], month_first: bool | None) -> tuple[bool, date | None]:
    """Whether it is a date at all, and which."""
    if match["iy"]:
        return _checked(match["iy"], int(match["im"]), int(match["id"]))
    if match["dd"]:
        return _checked(match["dy"], _MONTH[match["dm"]], int(match["dd"]))
    if match["mm"]:
        return _checked(match["my"], _MONTH[match["mm"]], int(match["md"]))
    first, second, year = int(match["na"]), int(match["nb"]), match["ny"]
    if match["nsep"] == "." or first > 12 or first == second:
        return _checked(year, second, first)
    if second > 12:
        return _checked(year, first, second)
    if month_first is None:
        return first > 0 and second > 0, None
    return _checked(year, first, second) if month_first else _checked(year, second, first)


def _checked(year: str, month: int, day: int) -> tuple[bool, date | None]:
    full = int(year) if len(year) == 4 else 2000 + int(year)
    try:
        return True, date(full, month, day)
    except ValueError:
        return False, None
