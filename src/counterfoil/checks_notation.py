"""How amounts, dates and numbers look on a page, in the notations of the countries whose invoices we read.

`Notation` answers whether a page shows a value, in whichever notation. It is lenient: it would rather find a value that
is not meant than miss one that is there, so that a contradiction is a contradiction. It never reads an invoice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

_GAP = "[ \u00a0\u202f\u2009]"
_GROUP = f"(?:[.,'’]|{_GAP}{{1,2}})?"
_POINT = f"{_GAP}?[.,]{_GAP}?"
# 1.234,56  1,234.56  1 234,56  1'234.56  1234.56  12,50: with two decimals, what is printed is money.
_MONEY = re.compile(rf"(?<![\d.,])(?:\d{{1,3}}(?:(?:[.,'’]|{_GAP})\d{{3}})+|\d+)[.,]\d{{2}}(?![.,]?\d)")
_TOTAL = re.compile(
    r"\b(?:total|gesamt|summe|endbetrag|rechnungsbetrag|zahlbetrag|zu zahlen|brutto|ttc|montant|net à payer|totaal|"
    r"te betalen|totale|importo|da pagare|importe|a pagar|balance|amount due|due payable)",
    re.IGNORECASE,
)
_RATE = re.compile(r"(\d[\d.,]*)\s?%")
_MIN_AMOUNTS = 3
_MAX_GARBLED = 0.05
_MONTHS = (
    "january janvier januari januar gennaio enero jänner jan janv gen ene",
    "february février fevrier februari februar febbraio febrero feb févr",
    "march mars maart märz maerz marzo mar mrt mär",
    "april avril aprile abril apr avr abr",
    "may mai mei maggio mayo mag",
    "june juin juni giugno junio jun giu",
    "july juillet juli luglio julio jul juil lug",
    "august août aout augustus agosto aug ago",
    "september septembre settembre septiembre sep sept set",
    "october octobre oktober ottobre octubre oct okt ott",
    "november novembre noviembre nov",
    "december décembre decembre dezember dicembre diciembre dec dez déc dic",
)


class Notation:
    """One document's text. All questions are answered from the text alone, spelling of digits and spaces aside."""

    def __init__(self, text: str) -> None:
        self.text = unicodedata.normalize("NFKC", text)

    def shows(self, amount: Decimal) -> bool:
        """Whether the amount is printed, with either sign, to two decimals or in full; or without decimals if whole."""
        return any(re.search(pattern, self.text) for pattern in _amount_patterns(abs(amount)))

    def shows_text(self, value: str) -> bool:
        """Whether a number or name is printed, punctuation, spaces, line breaks and case aside."""
        wanted = _squeezed(value)
        return not wanted or wanted in self._squeezed

    def shows_date(self, day: date) -> bool:
        """Whether a date is printed: in figures in any order, or with the month's name."""
        return any(re.search(pattern, self.text, re.IGNORECASE) for pattern in _date_patterns(day))

    @cached_property
    def amounts(self) -> frozenset[Decimal]:
        """Everything printed with two decimals, without signs."""
        return frozenset(_money_value(match[0]) for match in _MONEY.finditer(self.text))

    @property
    def largest(self) -> Decimal:
        """The largest amount printed with two decimals, 0 if there is none."""
        return max(self.amounts, default=Decimal(0))

    @cached_property
    def total(self) -> Decimal | None:
        """What the page seems to give as its total: the largest amount in a row that speaks of one."""
        rows = [line for line in self.text.splitlines() if _TOTAL.search(line)]
        return max((_money_value(match[0]) for line in rows for match in _MONEY.finditer(line)), default=None)

    @cached_property
    def has_rates(self) -> bool:
        """Whether a percentage other than 0 is printed."""
        return any(match[1].strip("0.,") for match in _RATE.finditer(self.text))

    @cached_property
    def has_amounts(self) -> bool:
        """Whether the page clearly prints amounts, and its characters can be trusted."""
        return len(self.amounts) >= _MIN_AMOUNTS and not self._garbled

    @cached_property
    def _garbled(self) -> bool:
        strange = sum(
            unicodedata.category(c) in ("Co", "Cn", "Cc") or c == "\ufffd" for c in self.text if c not in "\n\r\t\f"
        )
        return strange > _MAX_GARBLED * len(self.text) or self.text.count("(cid:") > _MIN_AMOUNTS

    @cached_property
    def _squeezed(self) -> str:
        return _squeezed(self.text)


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def _money_value(printed: str) -> Decimal:
    return Decimal(f"{re.sub(r'[^0-9]', '', printed[:-3])}.{printed[-2:]}")


def _amount_patterns(amount: Decimal) -> Iterator[str]:
    cents = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    for value in dict.fromkeys((cents, amount.normalize())):
        whole, _, decimals = format(value, "f").partition(".")
        tail = f"{_POINT}{decimals}0*" if decimals.strip("0") else rf"(?:{_POINT}(?:0+|[-–—]+))?"
        if len(decimals) == 2 and decimals.endswith("0") and decimals != "00":
            tail = f"{_POINT}{decimals[0]}0*"
        for figures in dict.fromkeys((_grouped(whole, 3), _grouped(whole, 2))):
            yield rf"(?<!\d)(?<!\d[.,'’]){figures}{tail}(?![.,]?\d)"


def _grouped(whole: str, size: int) -> str:
    """The digits with an optional separator after each group: the last of three, those before it of `size`."""
    head, last = whole[:-3], whole[-3:]
    groups: list[str] = []
    while head:
        groups.insert(0, head[-size:])
        head = head[:-size]
    return _GROUP.join([*groups, last])


def _date_patterns(day: date) -> Iterator[str]:
    d, m, y = rf"0?{day.day}", rf"0?{day.month}", rf"(?:{day.year}|['’]?{day.year % 100:02d})"
    sep = r"\s?[./\-\s·年月]\s?"
    for order in ((d, m, y), (m, d, y), (rf"{day.year}", m, d)):
        yield rf"(?<!\d){sep.join(order)}(?!\d)"
    yield rf"(?<!\d){day:%Y%m%d}(?!\d)"
    month = rf"(?:{'|'.join(_month_names(day.month))})\.?"
    yield rf"(?<!\d){d}(?:st|nd|rd|th|er|º|°)?[\s.\-/]*(?:de\s|of\s)?\s*{month}[\s,.\-/]*(?:de\s|del\s)?\s*{y}(?!\d)"
    yield rf"(?<!\w){month}[\s.\-]*{d}(?:st|nd|rd|th)?[\s,.\-]*{y}(?!\d)"


def _month_names(month: int) -> Iterable[str]:
    return sorted(_MONTHS[month - 1].split(), key=len, reverse=True)
