"""What is done to one document on its page: correct, approve, reject, reopen, retry; each only as it was shown.

What can't be done is told on the page, with all that the reviewer has typed still in hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from . import transitions
from .commit import Record, Records
from .errors import Refused, ReviewConflict
from .manifest import Manifest
from .reviewing import review
from .transitions_review import Act, refuse_unseen
from .web_document import InHand, shown
from .web_errors import sentence
from .web_query import Query, parse
from .web_reviewer import reviewer_of
from .web_site import BadForm, document_path, form_of, site_of

_NAMELESS = "Say who you are first, at the top of the page: it stands in the history of what you do."
_MOST_FIELDS = 500
_FIELD = "set."


@dataclass(frozen=True, slots=True)
class _Given:
    """A form of the page: an act on the revision that was shown. `values` are those that were changed, by path; None
    for one that is to be as it was read."""

    act: str
    seen: int
    values: Mapping[str, str | None]
    reason: str
    query: Query
    at: int | None


async def act_on_document(request: Request) -> Response:
    """POST /documents/{document}."""
    site, document, by = site_of(request), request.path_params["document"], reviewer_of(request)
    given = _given(await form_of(request))
    typed: dict[str, str | None] = {path: text for path, text in given.values.items() if text is not None}
    try:
        if not by:
            raise Refused(_NAMELESS)
        async with Manifest.open(site.watch.manifest.store, clock=site.watch.clock) as manifest:
            await _done(manifest, document, given, by)
    except Refused as exc:
        since = exc.since if isinstance(exc, ReviewConflict) else ()
        in_hand = InHand(typed, given.reason, str(exc).removeprefix(f"{document}: "), since, given.at)
    else:
        in_hand = InHand(at=given.at)
    await site.watch.look()
    if not in_hand.trouble and request.headers.get("x-part") != "document":
        return RedirectResponse(_address(document, given), 303)
    record = await site.watch.manifest.get(document)
    if record is None:
        return sentence(404, "There is no such document here.")
    return await shown(request, document, record, given.query, in_hand, 409 if in_hand.since else 400)


async def _done(manifest: Manifest, document: str, given: _Given, by: str) -> None:
    if given.act == "retry":
        await _retry(manifest, document, given.seen)
        return
    if given.act not in get_args(Act):
        raise BadForm(400, "There is no such action.")
    fields = given.values if given.act in ("correct", "approve") else None
    await review(manifest, document, cast("Act", given.act), by=by, seen=given.seen, fields=fields, reason=given.reason)


async def _retry(manifest: Manifest, document: str, seen: int) -> Record:
    at = manifest.clock.stamp()

    def change(records: Records) -> Records:
        if document in records:
            refuse_unseen(document, records[document], seen)
        return transitions.retry(document, at)(records)

    return (await manifest.register_of(document).commit(change))[document]


def _given(form: Sequence[tuple[str, str]]) -> _Given:
    fields: dict[str, Any] = dict(form)
    values: dict[str, str | None] = {}
    for name, text in form:
        path = name.removeprefix(_FIELD)
        if name.startswith(_FIELD) and text != fields.get(f"was.{path}"):
            values[path] = text
    if fields.get("undo"):
        values[fields["undo"]] = None
    if fields.get("remove"):
        values[fields["remove"]] = ""
    if len(values) > _MOST_FIELDS:
        raise BadForm(400, f"These are more than {_MOST_FIELDS} corrections at once.")
    number, at = fields.get("seen", ""), fields.get("at", "")
    return _Given(
        "correct" if fields.get("undo") or fields.get("remove") else fields.get("act", ""),
        int(number) if number.isdecimal() and len(number) < 9 else -1,
        values,
        fields.get("reason", "") if fields.get("act") != "correct" else "",
        parse(parse_qsl(fields.get("query", "")))[0],
        int(at) if at.isdecimal() and len(at) < 9 else None,
    )


def _address(document: str, given: _Given) -> str:
    at = f"at={given.at}" if given.at else ""
    rest = "&".join(filter(None, (given.query.address(), at)))
    return document_path(document) + (f"?{rest}" if rest else "")
