"""Where the page itself leaves open what the offline reader took: two values that are labelled alike, or none labelled.

Number and date of an invoice have no arithmetic. What makes them trustworthy is their label, and that no other value
has the same one; where that fails, an error says so, and a person looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from .dates import find_dates
from .document import Finding
from .rules_evidence import Evidence
from .rules_ids import as_number
from .rules_sheet import Sheet, Spot, near, spots
from .rules_words import DATE, DUE_DATE, ISSUED, NUMBER

_SHOWN = 3
_HEAD = 0.6
"""The part of the first page in which a bare "Date" is that of the document, and no heading of a column."""


def doubts(sheet: Sheet, evidence: Evidence, number: str | None, issued: date | None) -> Iterator[Finding]:
    """An error for the number, and for the date, where the labels do not decide."""
    if number is not None:
        labelled = [value for spot in spots(sheet, NUMBER, at_start=True) if (value := _number(sheet, spot))]
        if others := _differing(labelled, number):
            message = f"{number} was read as the invoice number, but {', '.join(others)} is labelled alike"
            yield Finding("number.ambiguous", "error", message, "invoice_number")
    if issued is not None:
        yield from _date_doubts(sheet, evidence, issued)


def _date_doubts(sheet: Sheet, evidence: Evidence, issued: date) -> Iterator[Finding]:
    strong = [value for spot in spots(sheet, ISSUED) if (value := _date(sheet, spot, evidence))]
    bare = [value for spot in spots(sheet, DATE, at_start=True) if (value := _date(sheet, spot, evidence))]
    if others := _differing(strong, issued) or ([] if issued in strong else _differing(bare, issued)):
        message = f"{issued} was read as the issue date, but {', '.join(others)} is labelled alike"
        yield Finding("dates.ambiguous", "error", message, "issue_date")
    elif not strong and _is_only_due(sheet, evidence, issued):
        message = f"{issued} was read as the issue date, but its label says that it is due then"
        yield Finding("dates.ambiguous", "error", message, "issue_date")


def _is_only_due(sheet: Sheet, evidence: Evidence, issued: date) -> bool:
    """Whether a date stands on the document once only, and there as the day by which to pay."""
    dates = [found.value for found in find_dates(sheet.text, month_first=evidence.month_first)]
    due = (_date(sheet, spot, evidence, anywhere=True) for spot in spots(sheet, DUE_DATE))
    return dates.count(issued) == 1 and issued in due


def _differing(values: list[str] | list[date], taken: str | date) -> list[str]:
    return [str(value) for value in dict.fromkeys(values) if value != taken][:_SHOWN]


def _number(sheet: Sheet, spot: Spot) -> str | None:
    """The likeliest value of a label, if it is a number."""
    text = next(near(sheet, spot, (NUMBER,)), None)
    return as_number(text.lstrip(" .:")) if text else None


def _date(sheet: Sheet, spot: Spot, evidence: Evidence, *, anywhere: bool = False) -> date | None:
    """The date that a label is followed by; unless `anywhere`, only at the head of the document."""
    if not anywhere and (spot.line.page > 1 or spot.line.y0 > _HEAD * sheet.page_height):
        return None
    for text in near(sheet, spot, (ISSUED, DATE, DUE_DATE)):
        found = next(find_dates(text, month_first=evidence.month_first), None)
        if found:
            return found.value if not re.search(r"[^\W\d]", text[: found.start]) else None
    return None
