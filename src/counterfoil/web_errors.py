"""Errors as a page of one sentence: what a browser is told when there is nothing else to show."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse, Response

_TITLES = {401: "A token is needed", 403: "Not allowed", 404: "Not found", 405: "Not allowed", 409: "Changed meanwhile"}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title} - Counterfoil</title>
<link rel="stylesheet" href="/static/page.css"><link rel="icon" href="/static/icon.svg"></head>
<body class="alone"><main><h1>{title}</h1><p>{text}</p><p><a href="/">Overview</a></p></main></body>
</html>
"""


def sentence(status: int, text: str) -> Response:
    """A page that says one thing."""
    title = _TITLES.get(status, "That did not work")
    return HTMLResponse(_PAGE.format(title=escape(title), text=escape(text)), status)


def again(address: str) -> Response:
    """A page that leads on to `address`, here. A redirect would not do: a browser that was led here by another site's
    page gives a strict cookie only to a request that our own page makes."""
    head = f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(address)}">'
    return HTMLResponse(f'<!doctype html><html lang="en"><head>{head}<title>Counterfoil</title></head></html>')
