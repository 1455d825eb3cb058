"""Who reviews: the name that a browser gave itself, which stands in the history of what is done with it.

It is no proof of who somebody is: the token tells who may come in, the name tells colleagues whom to ask.
"""

from __future__ import annotations

import getpass
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from .reviewing import LONGEST_NAME
from .web_site import BadForm, form_of, site_of

_A_YEAR = 365 * 86_400


def reviewer_of(request: Request) -> str:
    """The name of who asks; empty where nobody gave one, and this server is not for one person's machine alone."""
    given = unquote(request.cookies.get(_cookie(request), ""))
    if is_name(given):
        return given
    return "" if site_of(request).sessions.guarded else _user()


def is_name(text: str) -> bool:
    """Whether a review can be in this name."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and text == " ".join(text.split())


def _user() -> str:
    """Whose session this is at the machine's own login."""
    try:
        return getpass.getuser()[:LONGEST_NAME]
    except (OSError, KeyError, ImportError):
        return ""


def _cookie(request: Request) -> str:
    return f"{site_of(request).sessions.cookie}_name"


async def name_reviewer(request: Request) -> Response:
    """POST /reviewer: remembers a name in the browser, and leads back to where it was given."""
    given = dict(await form_of(request))
    name = " ".join(given.get("name", "").split())
    if not is_name(name):
        raise BadForm(400, f"A name has 1 to {LONGEST_NAME} letters, so that colleagues know whom to ask.")
    answer = RedirectResponse(_here(given.get("back", "")), 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(_cookie(request), quote(name), max_age=_A_YEAR, httponly=True, samesite="strict", secure=secure)
    return answer


def _here(address: str) -> str:
    """An address of this server, whatever was given."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"
