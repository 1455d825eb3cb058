"""One document: its fields beside the page they were read from, what the checks found, and all that happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .commit import Record
from .jsonfile import Json
from .kinds import CONTAINER
from .rechecking import findings_said
from .results import Results
from .spend import usage_of
from .transitions import FINISHED
from .transitions_review import acts_on, revision, told_verdict
from .web_document_fields import shown_fields
from .web_documents import neighbours
from .web_errors import sentence
from .web_page import page
from .web_query import Query, parse
from .web_reviewer import reviewer_of
from .web_site import Site, session_of, site_of


@dataclass(frozen=True, slots=True)
class InHand:
    """What a reviewer has typed and is not recorded: values by path (None: open as it is), a reason, and in one
    sentence why not. `at` is where the document stood in the list (from 1) that it may have left by what was done."""

    values: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    reason: str = ""
    trouble: str = ""
    since: tuple[Mapping[str, Any], ...] = ()
    at: int | None = None


async def document_page(request: Request) -> Response:
    """GET /documents/{document}; the rest of the address is the filter that it was reached by. `edit=FIELD` opens a
    field for correction, for browsers without script."""
    site, document = site_of(request), request.path_params["document"]
    await site.watch.fresh()
    record = await site.watch.manifest.get(document)
    if record is None:
        return sentence(404, "There is no such document here.")
    query, _ = parse(request.query_params.multi_items())
    at = request.query_params.get("at", "")
    edited = dict.fromkeys(request.query_params.getlist("edit"))
    in_hand = InHand(edited, at=int(at) if at.isdecimal() and len(at) < 9 else None)
    return await shown(request, document, record, query, in_hand)


async def shown(
    request: Request, document: str, record: Record, query: Query, in_hand: InHand, status: int = 200
) -> Response:
    """The page of a document; with the header `x-part: document` what changes of it by an act, with 200 whatever came
    of it: a browser takes anything else for trouble with the page."""
    site = site_of(request)
    result = await result_of(site, record)
    values = _values(site, document, record, result, query, in_hand)
    if request.headers.get("x-part") == "document":
        values |= {"csrf": session_of(request).csrf, "reviewer": reviewer_of(request)}
        return HTMLResponse(site.fragment("_document.html", **values))
    return page(request, "document.html", view="document", status=status, **values)


def _values(
    site: Site, document: str, record: Record, result: Json | None, query: Query, in_hand: InHand
) -> dict[str, Any]:
    position, before, after = _around(site, query, document, in_hand.at)
    is_invoice = result is not None and "invoice" in result and result["reader"] != CONTAINER
    fields = shown_fields(record, result, in_hand.values) if result and is_invoice else None
    return {
        "document": document,
        "record": record,
        "revision": revision(record),
        "verdict": told_verdict(record) if record.get("verdict") else "",
        "acts": frozenset[str]() if site.read_only else acts_on(record),
        "retriable": not site.read_only and record.get("status") in FINISHED - {"approved"},
        "result": result,
        "fields": fields,
        "data": (result or {}).get("data") or {},
        "findings": findings_said(record, result) if result and fields is None else (),
        "usage": usage_of(record),
        "copies": site.watch.index.copies_of(document),
        "query": query,
        "here": query.address(),
        "position": position,
        "at": position or in_hand.at,
        "found": len(site.chosen(query)),
        "before": before,
        "after": after,
        "in_hand": in_hand,
    }


def _around(site: Site, query: Query, document: str, at: int | None) -> tuple[int | None, str | None, str | None]:
    """Where a document stands in its list, and what is before and after it; by where it stood, if it has left it."""
    rows = site.chosen(query)
    position, before, after = neighbours(rows, document)
    if position is None and at:
        before = rows[at - 2].document if 0 <= at - 2 < len(rows) else None
        after = rows[at - 1].document if at - 1 < len(rows) else None
    return position, before, after


async def result_of(site: Site, record: Record) -> Json | None:
    """The result of a document, None if there is none."""
    if not record.get("result"):
        return None
    stored = await Results(site.watch.manifest.store, site.watch.clock).find(record["input"])
    return stored.content if stored else None
