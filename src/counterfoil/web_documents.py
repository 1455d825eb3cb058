"""The list of documents: what an address asks for, a page of it at a time; and what is done to many of them at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from .manifest import Manifest
from .web_actions import Outcome, approve_all, retry_all
from .web_page import page
from .web_query import SIZES, STATUSES, Query, parse
from .web_reviewer import reviewer_of
from .web_rows import Row
from .web_site import BadForm, Site, form_of, session_of, site_of

COLUMNS: Sequence[tuple[str, str]] = (
    ("document", "Document"),
    ("status", "Status"),
    ("number", "Number"),
    ("date", "Date"),
    ("seller", "Seller"),
    ("gross", "Gross"),
    ("reader", "Reader"),
    ("ended", "Finished (UTC)"),
)
_AROUND = 2
_ALWAYS = ("done", "review", "failed", "running", "pending")


async def documents_page(request: Request) -> Response:
    """GET /documents; with the header `x-part: list` the list alone."""
    site = site_of(request)
    await site.watch.fresh()
    query, bad = parse(request.query_params.multi_items())
    values: dict[str, Any] = {"index": site.watch.index, **listing(site, query, bad)}
    if request.headers.get("x-part") == "list":
        return HTMLResponse(site.fragment("_list.html", csrf=session_of(request).csrf, **values))
    return page(request, "documents.html", view="documents", notice=_notice(request.query_params), **values)


def listing(site: Site, query: Query, bad: Sequence[str]) -> dict[str, Any]:
    """What the list of a query says: one page of it, and the addresses that lead on."""
    found, total = site.chosen(query), site.watch.index.total
    pages = max(1, -(-len(found) // query.size))
    number = min(query.page, pages)
    start = (number - 1) * query.size
    kinds = [s for s in STATUSES if total.statuses[s] or s in query.statuses or s in _ALWAYS]
    return {
        "query": query,
        "bad": bad,
        "found": len(found),
        "rows": found[start : start + query.size],
        "digest": site.digest(query),
        "start": start,
        "page_number": number,
        "pages": pages,
        "numbers": page_numbers(number, pages),
        "statuses": [(status, total.statuses[status]) for status in kinds],
        "columns": [_heading(query, name, title) for name, title in COLUMNS],
        "readers": sorted({*total.readers, *([query.reader] if query.reader else [])}),
        "finding_names": sorted({*total.findings, *([query.finding] if query.finding else [])}),
        "sizes": SIZES,
        "here": query.address(page=number),
    }


def _heading(query: Query, name: str, title: str) -> Mapping[str, str]:
    """A column's head; it leads to the list sorted by it, once more to the other direction."""
    here = query.sort == name
    down = not query.descending if here else name in ("gross", "ended")
    order = ("descending" if query.descending else "ascending") if here else ""
    return {
        "name": name,
        "title": title,
        "order": order,
        "address": query.address(sort=name, descending=down, page=1),
    }


def page_numbers(page: int, pages: int) -> list[int | None]:
    """Those to offer: the first, the last, the ones around; None where some are left out."""
    near = {1, pages, *range(page - _AROUND, page + _AROUND + 1)}
    shown = sorted(n for n in near if 1 <= n <= pages)
    out: list[int | None] = []
    for number in shown:
        if out and out[-1] is not None and number - out[-1] > 1:
            out.append(None)
        out.append(number)
    return out


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done to many documents. `named`: only by somebody whose name is known, and who saw them so. `left`:
    why some are not changed."""

    act: Callable[[Manifest, Mapping[str, int], str], Awaitable[Outcome]]
    done: str
    named: bool = False
    left: str = "in no state for it, or changed since they were shown"


ACTIONS: Mapping[str, Action] = {
    "retry": Action(
        retry_all,
        "back to pending, for the next run to read",
        left="in no state for it, corrected by a person, or changed since they were shown",
    ),
    "approve": Action(approve_all, "approved", named=True),
}


async def act_on_documents(request: Request) -> Response:
    """POST /documents: an action on those chosen, or on all of the filter; leads back to the list."""
    site, by = site_of(request), reviewer_of(request)
    fields = await form_of(request)
    given = dict(fields)
    query, _ = parse(parse_qsl(given.get("query", "")))
    action = ACTIONS.get(given.get("action", ""))
    if action is None:
        raise BadForm(400, "There is no such action.")
    if action.named and not by:
        raise BadForm(400, "Say who you are first, at the top of the page: it stands in the history of each document.")
    if given.get("all") == "yes":
        await site.watch.look()
        if action.named and given.get("digest") != site.digest(query):
            raise BadForm(409, "The list is not what it was when it was shown; go back, load it anew, and look again.")
        seen = {row.document: row.revision for row in site.chosen(query)}
    else:
        seen = dict(_seen(value) for name, value in fields if name == "document")
    outcome = await action.act(site.watch.manifest, seen, by) if seen else Outcome(0, 0)
    await site.watch.look()
    told = f"did={given['action']}&changed={outcome.changed}&refused={outcome.refused}"
    return RedirectResponse("/documents?" + "&".join(filter(None, (query.address(), told))), 303)


def _seen(value: str) -> tuple[str, int]:
    """A document of the list, and the revision that was shown."""
    revision, _, name = value.partition(".")
    return unquote(name), int(revision) if revision.isdecimal() and len(revision) < 9 else -1


def _notice(given: Mapping[str, str]) -> str:
    """What an action came to; only numbers are taken from the address, so that no link can put words there."""
    action = ACTIONS.get(given.get("did", ""))
    changed, refused = (given.get(name, "0") for name in ("changed", "refused"))
    if action is None or not all(number.isdecimal() and len(number) < 9 for number in (changed, refused)):
        return ""
    left = f"{int(refused):,} left as they are: {action.left}"
    if not int(changed):
        return f"No document {action.done}: " + (left if int(refused) else "none was chosen") + "."
    told = f"{int(changed):,} {'document' if int(changed) == 1 else 'documents'} {action.done}"
    return f"{told}; {left}." if int(refused) else f"{told}."


def neighbours(rows: Sequence[Row], document: str) -> tuple[int | None, str | None, str | None]:
    """Where a document stands in a list (from 1), and those before and after it."""
    at = next((n for n, row in enumerate(rows) if row.document == document), None)
    if at is None:
        return None, None, rows[0].document if rows else None
    before = rows[at - 1].document if at else None
    after = rows[at + 1].document if at + 1 < len(rows) else None
    return at + 1, before, after
