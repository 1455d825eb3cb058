"""What every page is made from: the watched OUT, the templates, who asks. Data and small helpers; no page itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request

from .display import printable
from .web_query import Query
from .web_rows import Row
from .web_session import Session, Sessions, is_ours
from .web_watch import Watch

_FOLDER = Path(__file__).parent
LARGEST_FORM = 4_000_000
"""Bytes of a form: some ten thousand names of documents."""


class BadForm(Exception):
    """A form that is refused: `status` and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Listed:
    """The documents of a query as they were at a version of the index."""

    version: int
    rows: list[Row]
    digest: str


@dataclass(frozen=True, slots=True)
class Site:
    """One served OUT. `lists` keeps the last lists that were asked for, as long as the index stands still."""

    watch: Watch
    sessions: Sessions
    read_only: bool
    pages: Environment = field(default_factory=lambda: _environment())
    lists: dict[tuple[Any, ...], Listed] = field(default_factory=dict[tuple[Any, ...], Listed])

    @property
    def out(self) -> str:
        return self.watch.manifest.store.url

    def chosen(self, query: Query) -> list[Row]:
        """The documents of a query, in order."""
        return self._list(query).rows

    def digest(self, query: Query) -> str:
        """Tells whether a list is still the one that was shown: the same documents, each as it was."""
        return self._list(query).digest

    def _list(self, query: Query) -> Listed:
        known = self.lists.get(query.chosen)
        if known is None or known.version != self.watch.index.version:
            rows = query.choose(self.watch.index.rows())
            digest = format(hash(tuple((row.document, row.revision) for row in rows)) & 0xFFFFFFFFFFFFFFFF, "x")
            known = Listed(self.watch.index.version, rows, digest)
            self.lists.pop(query.chosen, None)
            while len(self.lists) >= _LISTS:
                del self.lists[next(iter(self.lists))]
            self.lists[query.chosen] = known
        return known

    def fragment(self, template: str, **values: Any) -> str:
        """A template filled; every value is text in it, never markup."""
        return self.pages.get_template(template).render(site=self, **values)


_LISTS = 4


def site_of(request: Request) -> Site:
    return request.app.state.site


def session_of(request: Request) -> Session:
    return request.state.session


async def form_of(request: Request) -> list[tuple[str, str]]:
    """The fields of a form, once it is known to come from a page of this session; else `BadForm`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise BadForm(413, "This is more than can be sent at once; choose fewer documents, or all of a filter.")
    fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    word = next((value for name, value in fields if name == "csrf"), "")
    if not is_ours(session_of(request), word):
        raise BadForm(403, "This form is of an earlier session; go back, load the page anew, and try again.")
    return fields


def document_path(document: str) -> str:
    """The address of a document's page, whatever its name is made of."""
    return "/documents/" + quoted(document)


def quoted(document: str) -> str:
    """A name as it stands in addresses and forms: browsers would change its line breaks."""
    return quote(document, safe="")


def amount(value: Decimal | str | None) -> str:
    """Money for people: thousands apart, at least two decimals, none taken away."""
    if value is None or value == "":
        return ""
    number = value if isinstance(value, Decimal) else Decimal(value)
    text = f"{number:,f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"


def shown(text: str) -> str:
    """Text of a document as one can see it: no line breaks, nothing that turns letters around, and blanks in quotes."""
    plain = printable(text)
    return plain if not text or plain.strip() else f'"{plain}"'


def moment(seconds: int | None) -> str:
    """A time for people: 2026-01-31 13:05, in UTC like every time in a manifest."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _environment() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(_FOLDER / "web_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {
        "amount": amount,
        "moment": moment,
        "document_path": document_path,
        "quoted": quoted,
        "shown": shown,
    }
    pages.filters.update(filters)
    return pages
