"""One document: what was read, what was found, what it took, and all that happened to it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .commit import Record
from .duplicates import finding_of
from .jsonfile import Json
from .results import Results, findings_of
from .spend import usage_of
from .web_documents import neighbours
from .web_errors import sentence
from .web_page import page
from .web_query import parse
from .web_site import Site, site_of


async def document_page(request: Request) -> Response:
    """GET /documents/{document}; the rest of the address is the filter that it was reached by."""
    site, document = site_of(request), request.path_params["document"]
    await site.watch.fresh()
    record = await site.watch.manifest.get(document)
    if record is None:
        return sentence(404, "There is no such document here.")
    result = await _result(site, record)
    query, _ = parse(request.query_params.multi_items())
    position, before, after = neighbours(site.chosen(query), document)
    values: dict[str, Any] = {
        "document": document,
        "record": record,
        "result": result,
        "usage": usage_of(record),
        "findings": _findings(record, result),
        "copies": site.watch.index.copies_of(document),
        "query": query,
        "here": query.address(),
        "position": position,
        "found": len(site.chosen(query)),
        "before": before,
        "after": after,
    }
    return page(request, "document.html", view="document", **values)


async def _result(site: Site, record: Record) -> Json | None:
    if not record.get("result"):
        return None
    stored = await Results(site.watch.manifest.store, site.watch.clock).find(record["input"])
    return stored.content if stored else None


def _findings(record: Record, result: Json | None) -> list[Any]:
    """All findings, errors first."""
    found = list(findings_of(result)) if result else []
    found += [finding_of(record["duplicate"])] if record.get("duplicate") else []
    return sorted(found, key=lambda finding: ("error", "warning", "info").index(finding.severity))
