"""Which documents a list shows, in which order: read from an address, and written back to one.

Pure: an address gives a `Query`, a query chooses from rows. A value that can't be meant is left out and named, so that
an address that was mended by hand shows a list and not an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from .kinds import CONTAINER
from .web_rows import Row

STATUSES = ("done", "review", "failed", "approved", "rejected", "running", "pending", CONTAINER)
SIZES = (50, 100, 200)
SORTS: Mapping[str, Callable[[Row], Any]] = {
    "document": lambda row: row.document,
    "status": lambda row: STATUSES.index(row.status) if row.status in STATUSES else len(STATUSES),
    "number": lambda row: row.number,
    "date": lambda row: row.date,
    "seller": lambda row: row.seller.casefold(),
    "gross": lambda row: None if row.gross is None else float(row.gross),
    "reader": lambda row: row.reader,
    "ended": lambda row: row.ended,
}
_FOLLOWED = ("finding", "reader", "seller", "reason", "q")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; the empty one is all documents by name. `least` and `most` bound the gross total, `since` and
    `until` the issue date (ISO, inclusive); `text` is looked for in name, number, seller and reason."""

    statuses: tuple[str, ...] = ()
    finding: str = ""
    reader: str = ""
    seller: str = ""
    reason: str = ""
    least: Decimal | None = None
    most: Decimal | None = None
    since: str = ""
    until: str = ""
    text: str = ""
    sort: str = "document"
    descending: bool = False
    page: int = 1
    size: int = SIZES[1]

    def address(self, **changes: Any) -> str:
        """The query, with `changes`, as the part of an address after `?`; what is as usual is left out."""
        query = replace(self, **changes)
        usual = Query()
        pairs: list[tuple[str, str]] = [("status", status) for status in query.statuses]
        pairs += [(name, value) for name, value in query._words() if value]
        if (query.sort, query.descending) != (usual.sort, usual.descending):
            pairs.append(("sort", f"-{query.sort}" if query.descending else query.sort))
        pairs += [("size", str(query.size))] if query.size != usual.size else []
        pairs += [("page", str(query.page))] if query.page != 1 else []
        return urlencode(pairs)

    def _words(self) -> Sequence[tuple[str, str]]:
        return (
            ("finding", self.finding),
            ("reader", self.reader),
            ("seller", self.seller),
            ("reason", self.reason),
            ("min", "" if self.least is None else format(self.least, "f")),
            ("max", "" if self.most is None else format(self.most, "f")),
            ("from", self.since),
            ("to", self.until),
            ("q", self.text),
        )

    @property
    def filtered(self) -> bool:
        """Whether anything is asked for beside the order."""
        return bool(self.statuses) or any(value for _, value in self._words())

    @property
    def chosen(self) -> tuple[Any, ...]:
        """What decides which rows there are, and in which order; not which page of them is shown."""
        return (self.statuses, *self._words(), self.sort, self.descending)

    def choose(self, rows: Iterable[Row]) -> list[Row]:
        """The rows asked for, in order; those without the value that is sorted by come last in both directions."""
        tests = self._tests()
        found = [row for row in rows if all(test(row) for test in tests)]
        found.sort(key=SORTS["document"])
        if self.sort == "document":
            return found[::-1] if self.descending else found
        keyed = [(SORTS[self.sort](row), row) for row in found]
        known = [pair for pair in keyed if pair[0] not in (None, "")]
        known.sort(key=itemgetter(0), reverse=self.descending)
        return [row for _, row in known] + [row for key, row in keyed if key in (None, "")]

    def _tests(self) -> list[Callable[[Row], bool]]:
        """Cheapest first. What was opened for its parts is no document, and shown only when asked for."""
        wanted = frozenset(self.statuses)
        tests: list[Callable[[Row], bool]] = [
            (lambda row: row.status in wanted) if wanted else (lambda row: row.status != CONTAINER)
        ]
        finding, reader, reason = self.finding, self.reader, self.reason
        if reader:
            tests.append(lambda row: row.reader == reader)
        if finding:
            tests.append(lambda row: finding in row.findings)
        if reason:
            tests.append(lambda row: row.kind == reason)
        return tests + self._bounds() + self._texts()

    def _bounds(self) -> list[Callable[[Row], bool]]:
        least, most, since, until = self.least, self.most, self.since, self.until
        tests: list[Callable[[Row], bool]] = []
        if least is not None:
            tests.append(lambda row: row.gross is not None and row.gross >= least)
        if most is not None:
            tests.append(lambda row: row.gross is not None and row.gross <= most)
        if since:
            tests.append(lambda row: row.date >= since)
        if until:
            tests.append(lambda row: "" < row.date <= until)
        return tests

    def _texts(self) -> list[Callable[[Row], bool]]:
        seller, text = self.seller.casefold(), self.text.casefold()
        tests: list[Callable[[Row], bool]] = []
        if seller:
            tests.append(lambda row: seller in row.seller.casefold())
        if text:
            tests.append(lambda row: text in f"{row.document}\0{row.number}\0{row.seller}\0{row.reason}".casefold())
        return tests


def parse(pairs: Iterable[tuple[str, str]]) -> tuple[Query, list[str]]:
    """The query of an address (name and value of each part), and a sentence for each value that can't be meant."""
    given = [(name, value.strip()) for name, value in pairs]
    last = {name: value for name, value in given if value}
    bad: list[str] = []
    statuses = tuple(dict.fromkeys(value for name, value in given if name == "status" and value in STATUSES))
    sort = last.get("sort", "document")
    if sort.removeprefix("-") not in SORTS:
        sort = "document"
    size = _number(last.get("size"), SIZES[1])
    query = Query(
        statuses,
        **{"text" if name == "q" else name: last.get(name, "") for name in _FOLLOWED},
        least=_amount(last.get("min"), "amount from", bad),
        most=_amount(last.get("max"), "amount to", bad),
        since=_day(last.get("from"), "date from", bad),
        until=_day(last.get("to"), "date to", bad),
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        page=max(1, _number(last.get("page"), 1)),
        size=size if size in SIZES else SIZES[1],
    )
    return query, bad


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 9 else otherwise


def _amount(text: str | None, name: str, bad: list[str]) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if value.is_finite() and -30 < value.adjusted() < 15:  # written out, 1e-999999999 would fill the memory
        return value
    bad.append(f"{name}: {text[:40]} is no number; write it like 1234.56")
    return None


def _day(text: str | None, name: str, bad: list[str]) -> str:
    if text is None:
        return ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        bad.append(f"{name}: {text[:40]} is no date; write it like 2026-01-31")
        return ""
