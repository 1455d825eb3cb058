"""The door of the page: every request passes it before anything else, and every answer on its way out.

It promises: no answer to a wrong host name where only this machine may ask (a foreign page can't rebind its name to
us), none without the token where one is needed, no change by a page of another origin, none at all where the server is
read-only; on every answer the headers that forbid a browser to run, load, frame or tell what is not ours; and that no
traceback leaves. It never looks into a body.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .display import printable
from .errors import CounterfoilError
from .web_errors import again, sentence
from .web_session import Session, Sessions

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
STATIC = "/static/"
"""What lies here is the same for everybody, and tells nothing."""
_READS = frozenset({"GET", "HEAD"})


class Guard:
    """`hosts`: the names by which this server may be asked, None for any. Puts the `Session` into the scope's state."""

    def __init__(self, app: ASGIApp, sessions: Sessions, hosts: Collection[str] | None, *, read_only: bool) -> None:
        self._app, self._sessions, self._hosts, self._read_only = app, sessions, hosts, read_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refused = self._refusal(request)
        if refused:
            await refused(scope, receive, _dressed(send))
            return
        session = self._sessions.find(_cookie(request, self._sessions.cookie))
        cookie = None
        if session is None and not scope["path"].startswith(STATIC):
            token = request.query_params.get("token")
            if token is None and _from_elsewhere(request.headers):
                await again(_address(request))(scope, receive, _dressed(send))
                return
            if self._sessions.guarded and not (token and self._sessions.admits(token)):
                await _no_entry(token)(scope, receive, _dressed(send))
                return
            session = self._sessions.new()
            cookie = self._set_cookie(request, session)
        sending = _Watched(_dressed(send, cookie))
        if "token" in request.query_params and request.method in _READS:  # it would stay in the history of the browser
            await again(_address(request))(scope, receive, sending)
            return
        scope.setdefault("state", {})["session"] = session
        await self._answer(scope, receive, sending)

    def _refusal(self, request: Request) -> Response | None:
        if self._hosts is not None and _host(request.headers) not in self._hosts:
            return sentence(421, "This server answers only to the address that it printed when it was started.")
        if request.method in _READS:
            return None
        if request.method != "POST":
            return sentence(405, "There is nothing here that can be asked for in this way.")
        if self._read_only:
            return sentence(403, "This page is read-only: it was started with --read-only.")
        if not _same_origin(request.headers):
            return sentence(403, "This request comes from another site's page, so it was refused.")
        return None

    def _set_cookie(self, request: Request, session: Session) -> str:
        secure = "; Secure" if request.url.scheme == "https" else ""
        return f"{self._sessions.cookie}={session.cookie}; HttpOnly; SameSite=Strict; Path=/{secure}"

    async def _answer(self, scope: Scope, receive: Receive, send: _Watched) -> None:
        try:
            await self._app(scope, receive, send)
        except CounterfoilError as exc:
            await send.instead(sentence(502, str(exc)), scope, receive)
        except Exception as exc:
            what = printable(f"{type(exc).__name__}: {exc}")
            sys.stderr.write(f"counterfoil: internal error while showing {printable(scope['path'])} ({what})\n")
            await send.instead(sentence(500, "Something went wrong while this page was made."), scope, receive)


class _Watched:
    """Remembers whether an answer has begun: only before that it can still become another."""

    def __init__(self, send: Send) -> None:
        self._send, self._begun = send, False

    async def __call__(self, message: Message) -> None:
        self._begun = True
        await self._send(message)

    async def instead(self, response: Response, scope: Scope, receive: Receive) -> None:
        if not self._begun:
            await response(scope, receive, self)


def _dressed(send: Send, cookie: str | None = None) -> Send:
    """Adds our headers to an answer; what it says itself of caching stays."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            headers.setdefault("cache-control", "no-store")
            if cookie:
                headers.append("set-cookie", cookie)
        await send(message)

    return sending


def _cookie(request: Request, name: str) -> str | None:
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return morsel.value if morsel else None


def _host(headers: Headers) -> str:
    """The name in the Host header, without the port; nothing where it is none."""
    try:
        return (urlsplit(f"//{headers.get('host', '')}").hostname or "").lower()
    except ValueError:
        return ""


def _same_origin(headers: Headers) -> bool:
    """A browser says where a form comes from; what says nothing is no browser, and has no session of one.

    Under our own no-referrer the origin of a form is `null`: then its other header must say that the page is ours.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return False
    if origin == "null":
        return site == "same-origin"
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host", "")
    except ValueError:  # an origin that no browser sends
        return False


def _no_entry(token: str | None) -> Response:
    if token is None:
        return sentence(401, "Open the address with the token that was printed when this server was started.")
    return sentence(403, "This token is not the one of this server; it prints its address when it is started.")


def _from_elsewhere(headers: Headers) -> bool:
    """Whether a link on another site's page led here: then a browser keeps the cookie back, though it may have one."""
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") == "navigate"


def _address(request: Request) -> str:
    """What was asked for, without the token."""
    rest = [(name, value) for name, value in parse_qsl(request.url.query, True) if name != "token"]
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    path = "/" + raw.decode("latin-1").lstrip("/\\")  # never `//host`, which would be an address elsewhere
    return path + (f"?{urlencode(rest)}" if rest else "")
