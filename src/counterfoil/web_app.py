"""The page as one application: which address leads to which page. It opens nothing; `command_serve` does."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .web_document import document_page
from .web_document_acts import act_on_document
from .web_document_original import original_page, original_part
from .web_documents import act_on_documents, documents_page
from .web_errors import sentence
from .web_guard import STATIC, Guard
from .web_originals import Originals
from .web_overview import Live, events, overview_page
from .web_reviewer import name_reviewer
from .web_site import BadForm, Site, site_of

Handler = Callable[[Request], Awaitable[Response]]
_STATIC = Path(__file__).parent / "web_static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class _Anything(Convertor[str]):
    """A document's name in an address: whatever characters it has, slashes and line breaks too."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _PageNumber(Convertor[int]):
    """The number of a page: any longer one is no address, where the usual convertor fails on thousands of digits."""

    regex = "[0-9]{1,6}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("anything", _Anything())
register_url_convertor("page_number", _PageNumber())


def application(site: Site, hosts: Collection[str] | None, originals: Originals) -> Starlette:
    """The application for one OUT; `hosts` are the names by which it may be asked, None for any."""
    routes = [
        Route("/", overview_page),
        Route("/events", events),
        Route("/documents", documents_page, methods=["GET"]),
        Route("/documents", act_on_documents, methods=["POST"]),
        Route("/documents/{document:anything}", document_page, methods=["GET"]),
        Route("/documents/{document:anything}", act_on_document, methods=["POST"]),
        Route("/original/{document:anything}", original_part, methods=["GET"]),
        Route("/original-page/{number:page_number}/{document:anything}", original_page, methods=["GET"]),
        Route("/reviewer", name_reviewer, methods=["POST"]),
        *(Route(STATIC + path.name, _static(path)) for path in sorted(_STATIC.iterdir()) if path.suffix in _TYPES),
    ]
    guard = Middleware(Guard, sessions=site.sessions, hosts=hosts, read_only=site.read_only)
    app = Starlette(
        routes=routes,
        middleware=[guard],
        exception_handlers={HTTPException: _http_error, BadForm: _bad_form},
    )
    app.router.redirect_slashes = False
    app.state.site, app.state.live, app.state.originals = site, Live(site), originals
    return app


def _static(path: Path) -> Handler:
    """One file of ours, read once. Nothing else in that folder, or out of it, has an address."""
    body = path.read_bytes()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    async def give(request: Request) -> Response:
        headers = {"cache-control": "no-cache", "etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=_TYPES[path.suffix], headers=headers)

    return give


async def _http_error(_request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    return sentence(status, "There is no page at this address." if status == 404 else "This can't be asked for here.")


async def _bad_form(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, BadForm) and site_of(request)
    return sentence(exc.status, str(exc))
