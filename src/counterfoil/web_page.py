"""A whole page: a template with what the head of every page says of the server, the session and who asks."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .web_progress import progress
from .web_reviewer import reviewer_of
from .web_site import session_of, site_of


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """The page of a template; `values` are its own, and each is text in it, never markup."""
    site = site_of(request)
    query = f"?{request.url.query}" if request.url.query else ""
    raw: bytes = request.scope.get("raw_path") or b"/"
    head = {
        "now": progress(site),
        "csrf": session_of(request).csrf,
        "reviewer": reviewer_of(request),
        "back": raw.decode("latin-1") + query,
        "notice": "",
    }
    return HTMLResponse(site.fragment(template, **{**head, **values}), status)
