"""Printed amounts to `Decimal`, whatever the country. It never rounds, and never guesses what one separator means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from .currencies import CURRENCIES

DecimalMark = Literal[",", "."]

_CODE = rf"(?:{'|'.join(sorted(CURRENCIES))}|E(?:uro|URO)s?|RM)(?![A-Za-z])"
_SYMBOL = rf"(?:(?:US|CA|AU|NZ|HK|S|C|A|R)?\$|[€£¥₹₽₺₩₪]|{_CODE}|Fr\.|Rs\.?|kr\.?|zł|Kč|Ft)"
_MINUS = "-−–‒"
_SPACE = " \u00a0\u2009\u202f"
_CORE = rf"(?:\d{{1,3}}(?:[{_SPACE}]\d{{3}})+(?:[.,]\d+)?|\d[\d.,'’]*|[.,]\d+)"
_WHOLE = re.compile(
    rf"(?:{_SYMBOL}\s?(?=\())?(?P<open>\()?\s*(?P<minus>[{_MINUS}+])?\s*(?:{_SYMBOL})?\s*(?P<inner>[{_MINUS}])?\s*"
    rf"(?P<core>{_CORE})(?P<dash>[{_MINUS}]{{1,2}})?\s*(?:{_SYMBOL})?\s*(?P<after>[{_MINUS}])?\s*(?(open)\))",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    rf"(?<![\w.,/:#+{_MINUS}])(?:(?:[{_MINUS}+(]\s?)?(?:{_SYMBOL}\s?)?(?:[{_MINUS}]\s?)?)"
    rf"{_CORE}(?:[{_MINUS}]{{1,2}}(?!\w))?\)?(?:\s?(?:[€£¥₹$]|{_CODE}))?"
)
_NOT_AFTER = re.compile(r"\s?%|[\w/]|[:.,\-]\d")
_COMMA = re.compile(r"(?<![\d.,'’])(?:\d{1,3}(?:[.'’ \u00a0]\d{3})+|\d+),\d{2}(?![\d.,])")
_POINT = re.compile(r"(?<![\d.,'’])(?:\d{1,3}(?:[,'’ \u00a0]\d{2,3})+|\d+)\.\d{2}(?![\d.,])")
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class FoundAmount:
    """An amount inside a text: where it is, and what it says."""

    start: int
    end: int
    value: Decimal


def parse_amount(text: str, *, decimal_hint: DecimalMark | None = None) -> Decimal | None:
    """The number of one printed amount, with or without currency and sign; None if it is none, or ambiguous.

    "1.000" and "1,000" may be a thousand or one: `decimal_hint`, the document's decimal mark, decides, else None.
    """
    match = _WHOLE.fullmatch(text.strip())
    if match is None:
        return None
    core = match["core"]
    if match["dash"] and core[-1] in ".,":
        core = core[:-1]  # Swiss: 12.- and 12.-- are 12
    elif match["dash"] and len(match["dash"]) > 1:
        return None
    value = _number(core, decimal_hint)
    if value is None:
        return None
    trailing = match["dash"] if match["core"][-1] not in ".," else None
    signs = [match["open"], match["minus"] if match["minus"] != "+" else None, match["inner"], match["after"], trailing]
    negative = sum(1 for sign in signs if sign)
    return (-value if negative else value) if negative < 2 else None


def find_amounts(text: str, *, decimal_hint: DecimalMark | None = None) -> Iterator[FoundAmount]:
    """Every amount in a text, in order. Percentages, dates, times and parts of identifiers are none."""
    for match in _TOKEN.finditer(text):
        if _NOT_AFTER.match(text, match.end()):
            continue
        token = match.group()
        value = parse_amount(token if "(" in token else token.rstrip(")"), decimal_hint=decimal_hint)
        if value is not None:
            yield FoundAmount(match.start(), match.end(), value)


def decimal_mark(text: str) -> DecimalMark | None:
    """The decimal mark that the amounts of a text agree on (those with two decimals); None if they don't."""
    commas, points = len(_COMMA.findall(text)), len(_POINT.findall(text))
    if commas > 3 * points:
        return ","
    return "." if points > 3 * commas else None


def _number(core: str, hint: DecimalMark | None) -> Decimal | None:
    separators = [char for char in core if not char.isdigit()]
    if sum(char.isdigit() for char in core) > _MAX_DIGITS or core[-1] in ".,'’":
        return None
    if not separators:
        return Decimal(core)
    last, others = separators[-1], separators[:-1]
    if last in others or last not in ".,":
        return _grouped(core, separators)
    whole, _, decimals = core.rpartition(last)
    if others:
        grouped = _grouped(whole, others)
        return None if grouped is None else Decimal(f"{grouped}.{decimals}")
    if len(decimals) == 3 and 1 <= len(whole) <= 3 and whole.lstrip("0"):
        if hint is None:
            return None
        if last != hint:
            return Decimal(whole + decimals)
    return Decimal(f"{whole or '0'}.{decimals}")


def _grouped(text: str, separators: list[str]) -> Decimal | None:
    """Thousands in threes by one separator, or the Indian way in twos before the last three."""
    if len(set(separators)) != 1:
        return None
    first, *groups = text.split(separators[0])
    threes = all(len(group) == 3 for group in groups)
    indian = separators[0] == "," and len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[:-1])
    if not 1 <= len(first) <= 3 or not (threes or (indian and len(first) <= 2)):
        return None
    return Decimal(first + "".join(groups))
