"""What a page tells of how to read it: language, decimal mark, order of day and month, currency.

Each is None where nothing tells, or where the evidence disagrees.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .amounts import DecimalMark, decimal_mark
from .currencies import CURRENCIES
from .dates import fold, month_first
from .rules_sheet import Sheet
from .rules_words import CURRENCY, LANGUAGES

_WORD = re.compile(r"[^\W\d_]+")
_UNITS = frozenset("BOV CHE CHW CLF COU MXV USN UYI UYW XAG XAU XDR XPD XPT".split())  # of account, on no invoice
_CODE = "|".join(sorted(CURRENCIES - _UNITS))
_CODE_BY_AMOUNT = re.compile(
    rf"(?<![A-Za-z])(?:(?P<before>{_CODE})\s{{0,2}}-?(?=\d)|(?<=[\d.,\s]\d)\s?-?(?P<after>{_CODE})(?![A-Za-z])|\((?P<alone>{_CODE})\))"
)
_ANY_CODE = re.compile(rf"(?<![A-Za-z0-9])(?:{_CODE})(?![A-Za-z0-9])")
_WORDS = frozenset("ALL TOP CUP TRY PEN MAD SOS SVC BHD".split())  # on their own, rather words and forms of companies
_SYMBOLS = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₽": "RUB",
    "₺": "TRY",
    "₩": "KRW",
    "₪": "ILS",
    "zł": "PLN",
    "Kč": "CZK",
}
_DOLLARS = {"US$": "USD", "CA$": "CAD", "C$": "CAD", "AU$": "AUD", "A$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD"}
_BY_AMOUNT = (
    ("INR", re.compile(r"\bRs\.? ?(?=\d)")),
    ("EUR", re.compile(r"\d ?E(?:uro|URO)\b|\bE(?:uro|URO) ?(?=\d)")),
    ("MYR", re.compile(r"\bRM ?(?=\d)|\(RM\)|^\W*RM\W*$|(?<=  )RM$", re.MULTILINE)),
)
_DOLLAR = re.compile(r"(?<![A-Z])(US|CA|AU|NZ|HK|[CAS])?\$")
_NAMES = {
    "US Dollars": "USD", "US dollars": "USD", "U.S. Dollars": "USD", "Pound Sterling": "GBP", "Pounds Sterling": "GBP",
    "Swiss Francs": "CHF", "Schweizer Franken": "CHF", "Canadian Dollars": "CAD", "Australian Dollars": "AUD",
    "Indian Rupees": "INR", "Euros": "EUR",
}  # fmt: skip
_DOLLAR_LANDS = (
    ("AUD", re.compile(r"\bABN\b|\bAustralia\b")),
    ("CAD", re.compile(r"\bCanada\b|\bHST\b|\b[A-Z]\d[A-Z] \d[A-Z]\d\b")),
    ("NZD", re.compile(r"\bNew Zealand\b")),
    ("SGD", re.compile(r"\bSingapore\b")),
    ("HKD", re.compile(r"\bHong Kong\b")),
    ("MXN", re.compile(r"\bRFC\b|\bM[ée]xico\b")),
)
_AMERICAN = re.compile(r"\b[A-Z]{2},? \d{5}(?:-\d{4})?\b|\bUnited States\b|\bUSA\b")
_ACCOUNT = re.compile(r"\bIBAN\b|\bSWIFT\b", re.IGNORECASE)
"""Beside these a currency is that of an account, of which a seller may have several."""
_NEVER = re.compile(r"(?!)")
# What currencies are called on pages that have neither code nor sign of theirs.
_SPELT = {
    "EUR": re.compile(r"\beuros?\b", re.IGNORECASE),
    "GBP": re.compile(r"\bpounds?\b|\bsterling\b", re.IGNORECASE),
    "USD": re.compile(r"\bU\.?S\.? dollars?\b", re.IGNORECASE),
    "CHF": re.compile(r"\bSFr\.?|\bFr\.(?= ?\d)|\b(?:Swiss francs?|Schweizer Franken|francs suisses)\b", re.IGNORECASE),
    "INR": re.compile(r"\bRs\.? ?(?=\d)|\brupees\b", re.IGNORECASE),
    "MYR": re.compile(r"\bRM ?(?=\d)|\(RM\)|\bringgit\b", re.IGNORECASE),
    "JPY": re.compile(r"¥|円|\byen\b", re.IGNORECASE),
    "CNY": re.compile(r"¥|元|\bRMB\b"),
    "SEK": re.compile(r"\bkr\b|\bkronor\b", re.IGNORECASE),
    "NOK": re.compile(r"\bkr\b|\bkroner\b", re.IGNORECASE),
    "DKK": re.compile(r"\bkr\b|\bkroner\b", re.IGNORECASE),
}
_BRITISH = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b|\bUnited Kingdom\b")
_DAY_FIRST = frozenset("EUR GBP AUD NZD INR CHF SGD ZAR DKK NOK SEK PLN CZK MXN BRL".split())


@dataclass(frozen=True, slots=True)
class Evidence:
    """How to read numbers and dates of this document, and its language and currency."""

    language: str | None
    mark: DecimalMark | None
    month_first: bool | None
    currency: str | None


def evidence_of(sheet: Sheet) -> Evidence:
    """Weighs the whole text."""
    language = _language(sheet.text)
    currency = _currency(sheet)
    return Evidence(language, _mark(sheet.text, language, currency), _order(sheet.text, language, currency), currency)


def _language(text: str) -> str | None:
    words = Counter(word.lower() for word in _WORD.findall(text))
    scores = sorted(((sum(words[word] for word in known), name) for name, known in LANGUAGES.items()), reverse=True)
    (best, name), (second, _) = scores[0], scores[1]
    return name if best > second else None


def _mark(text: str, language: str | None, currency: str | None) -> DecimalMark | None:
    seen = decimal_mark(text)
    if seen or language is None:
        return seen
    return "." if language == "en" or currency in ("CHF", "USD", "GBP", "INR") else ","


def _order(text: str, language: str | None, currency: str | None) -> bool | None:
    proven = month_first(text)
    if proven is not None:
        return proven
    if language is not None and language != "en":
        return False
    if currency in ("USD", None) and _AMERICAN.search(text):
        return True
    if currency is None and _BRITISH.search(text):
        return False
    return False if currency in _DAY_FIRST else None


def _currency(sheet: Sheet) -> str | None:
    """The stated one, else the one that most amounts carry; a tie between two is none."""
    stated = _stated(sheet)
    if stated:
        return stated
    text = "\n".join(
        "  ".join(cell.text for cell in line.cells if not _ACCOUNT.search(cell.text)) for line in sheet.lines
    )
    votes = Counter(next(filter(None, match.groups())) for match in _CODE_BY_AMOUNT.finditer(text))
    for symbol, code in _SYMBOLS.items():
        votes[code] += text.count(symbol)
    for code, sign in _BY_AMOUNT:
        votes[code] += len(sign.findall(text))
    for name, code in _NAMES.items():
        votes[code] += sheet.text.count(name)
    dollars = Counter(match.group() for match in _DOLLAR.finditer(text))
    for sign, code in _DOLLARS.items():
        votes[code] += dollars[sign]
    votes[_plain_dollar(sheet.text, votes)] += dollars["$"]
    ranked = [(code, count) for code, count in votes.most_common(2) if count]
    if not ranked:
        return _lone_code(sheet.text)
    return None if len(ranked) == 2 and ranked[0][1] == ranked[1][1] else ranked[0][0]


def _stated(sheet: Sheet) -> str | None:
    for line in sheet.lines:
        for number, folded in enumerate(line.folded):
            match = CURRENCY.search(folded)
            if match:
                found = _ANY_CODE.search("  ".join(_after(line.cells[number].text[match.end() :], line.cells, number)))
                if found:
                    return found.group()
    return None


def _after(rest: str, cells: Sequence[object], number: int) -> list[str]:
    return [rest, *(str(getattr(cell, "text", "")) for cell in cells[number + 1 : number + 2])]


def _plain_dollar(text: str, votes: Counter[str]) -> str:
    """Whose dollar a bare $ is: one named elsewhere, that of the land in the addresses, else the US one."""
    named = [code for code in ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN") if votes[code]]
    if len(named) == 1:
        return named[0]
    if _AMERICAN.search(text):
        return "USD"
    return next((code for code, sign in _DOLLAR_LANDS if sign.search(text)), "USD")


def _lone_code(text: str) -> str | None:
    codes = {match.group() for match in _ANY_CODE.finditer(text)} - _WORDS
    return codes.pop() if len(codes) == 1 else None


def folded_text(sheet: Sheet) -> str:
    """The whole text folded, of the same length."""
    return fold(sheet.text)


def names_currency(text: str, code: str) -> bool:
    """Whether a text names a currency: by its code, its name, its own sign, or a shared sign and a land that has it."""
    if re.search(rf"(?<![A-Za-z]){re.escape(code)}(?![A-Za-z])", text):
        return True
    signs = [sign for table in (_SYMBOLS, _DOLLARS, _NAMES) for sign, theirs in table.items() if theirs == code]
    if any(sign in text for sign in signs) or _SPELT.get(code, _NEVER).search(text):
        return True
    if "$" not in text:
        return False
    land = next((sign for theirs, sign in _DOLLAR_LANDS if theirs == code), _AMERICAN if code == "USD" else _NEVER)
    return bool(land.search(text))
