"""The door of the page: who may come in, and what no page of another site can do."""

from __future__ import annotations

import re

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.web_made import record, served

from counterfoil.errors import Unavailable

TOKEN = "open-sesame-0123456789"
ONE = {"a.pdf": record("failed", reason="no text layer, needs OCR")}


async def test_another_name_than_its_own_gets_no_answer():
    """A page elsewhere whose name was pointed at this machine (DNS rebinding) reads nothing."""
    async with served(ONE) as browser:
        for host in ("evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[", "a b"):
            answer = await browser.get("/", host=host)
            assert (answer.status_code, "a.pdf" in answer.text) == (421, False), host
        for host in ("127.0.0.1:8765", "LOCALHOST", "localhost:1"):
            assert (await browser.get("/", host=host)).status_code == 200, host


async def test_without_the_token_nobody_comes_in():
    """None, a wrong one, a cookie of somebody's own making: one sentence, and nothing of the documents."""
    async with served(ONE, token=TOKEN) as browser:
        for path in ("/", "/documents", "/documents/a.pdf", "/events", "/nowhere"):
            answer = await browser.get(path)
            assert answer.status_code == 401
            assert "Open the address with the token" in answer.text
        wrong = await browser.get("/?token=open-sesame")
        assert (wrong.status_code, "This token is not the one" in wrong.text) == (403, True)
        assert "set-cookie" not in wrong.headers
        forged = await browser.get("/", cookie=f"counterfoil_8765=me.{'0' * 64}")
        assert forged.status_code == 401


async def test_the_token_opens_once_and_leaves_the_address():
    """After that a cookie does, which no script reads and no other site's page sends."""
    async with served(ONE, token=TOKEN) as browser:
        answer = await browser.get(f"/documents?status=failed&token={TOKEN}")
        assert 'url=/documents?status=failed"' in answer.text
        assert TOKEN not in answer.text
        cookie = answer.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
        assert TOKEN not in cookie
        assert "a.pdf" in (await browser.get("/documents?status=failed")).text


async def test_a_session_outlives_the_server_only_where_the_token_does():
    """A restart with the same token knows the cookie; with another one it does not."""
    async with served(ONE, token=TOKEN) as browser:
        await browser.get(f"/?token={TOKEN}")
        cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    for token, status in ((TOKEN, 200), (TOKEN + "x", 401)):
        async with served(ONE, token=token) as browser:
            assert (await browser.get("/", cookie=cookie)).status_code == status


async def test_a_link_on_another_site_leads_in_and_keeps_the_session():
    """A browser keeps a strict cookie back then; another one would end the forms that it has open."""
    async with served(ONE) as browser:
        answer = await browser.get(
            "/documents?q=%22%3E%3Cscript%3E", sec_fetch_site="cross-site", sec_fetch_mode="navigate"
        )
        assert 'url=/documents?q=%22%3E%3Cscript%3E"' in answer.text
        assert "set-cookie" not in answer.headers


async def test_no_address_leads_elsewhere():
    """What a token is taken from stays here, whatever its path looks like."""
    async with served(ONE, token=TOKEN) as browser:
        for path in ("//evil.example/", "/%2f/evil.example", "/\\evil.example/"):
            answer = await browser.get(f"http://127.0.0.1:8765{path}?token={TOKEN}")
            assert not re.search(r"url=(//|/\\|http)", answer.text), path


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "null", "sec_fetch_site": "cross-site"}, True),
        ({"origin": "http://127.0.0.1:9999"}, True),
        ({"origin": "http://["}, True),
        ({"sec_fetch_site": "cross-site"}, True),
        ({"sec_fetch_site": "same-site"}, True),
        ({}, False),
    ],
)
async def test_another_site_s_page_changes_nothing(headers: dict[str, str], word: bool):
    """Neither by a form with our own word in it, were it known, nor by one without."""
    async with served(ONE) as browser:
        csrf = await browser.csrf()
        fields = [("action", "retry"), ("document", "a.pdf"), *([("csrf", csrf)] if word else [])]
        assert (await browser.post("/documents", fields, **headers)).status_code == 403
        assert (await browser.site.watch.manifest.get("a.pdf") or {})["status"] == "failed"


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "null", "sec_fetch_site": "same-origin"}, {"origin": "http://127.0.0.1:8765"}]
)
async def test_a_form_of_our_own_is_taken(headers: dict[str, str]):
    """Under no-referrer a browser sends no origin with it."""
    async with served(ONE) as browser:
        fields = [("action", "retry"), ("document", "a.pdf"), ("csrf", await browser.csrf())]
        assert (await browser.post("/documents", fields, **headers)).status_code == 303


async def test_the_word_of_another_session_is_none():
    """Each browser's forms bear its own."""
    async with served(ONE) as browser:
        csrf = await browser.csrf()
        browser.client.cookies.clear()
        await browser.get("/")
        answer = await browser.post("/documents", [("action", "retry"), ("document", "a.pdf"), ("csrf", csrf)])
        assert (answer.status_code, "earlier session" in answer.text) == (403, True)


async def test_no_action_is_without_that_guard():
    """Whatever takes a POST refuses one without the session's word."""
    async with served(ONE) as browser:
        await browser.get("/")
        app = browser.client._transport.app  # type: ignore[attr-defined]
        posts = [route.path for route in app.routes if "POST" in (route.methods or ())]
        assert "/documents" in posts
        for path in posts:
            answer = await browser.post(re.sub(r"\{\w+:\w+\}", "1", path), [("action", "retry"), ("document", "a.pdf")])
            assert answer.status_code == 403, path


async def test_read_only_refuses_every_change():
    """And offers none."""
    async with served(ONE, read_only=True) as browser:
        page = (await browser.get("/documents")).text
        assert 'value="retry"' not in page
        assert "read-only" in page
        answer = await browser.post("/documents", [("action", "retry"), ("document", "a.pdf"), ("csrf", "x")])
        assert (answer.status_code, "--read-only" in answer.text) == (403, True)


async def test_every_answer_forbids_what_is_not_ours():
    """Pages, errors, files, refusals alike."""
    async with served(ONE) as browser:
        for path in ("/", "/documents", "/documents/a.pdf", "/documents/b.pdf", "/nowhere", "/static/page.js"):
            headers = (await browser.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        refused = await browser.get("/", host="evil.example")
        assert "default-src 'none'" in refused.headers["content-security-policy"]


async def test_only_our_own_files_have_an_address():
    """No path leads out of the folder, and the names in it are known beforehand."""
    async with served(ONE) as browser:
        assert (await browser.get("/static/page.css")).headers["content-type"].startswith("text/css")
        for path in ("../web_app.py", "%2e%2e/web_app.py", "..%2fweb_app.py", "", ".", "/etc/passwd", "page.css/"):
            assert (await browser.get(f"/static/{path}")).status_code == 404, path


async def test_no_traceback_reaches_a_browser(capsys: pytest.CaptureFixture[str]):
    """A defect is one sentence there, and one on stderr, which tells it to whoever runs the server."""

    async def broken(_request: Request) -> Response:
        raise RuntimeError("secret detail")

    async def unavailable(_request: Request) -> Response:
        raise Unavailable("s3://bucket did not answer within 60 s")

    async with served(ONE) as browser:
        routes = browser.client._transport.app.router.routes  # type: ignore[attr-defined]
        routes += [Route("/broken", broken), Route("/unavailable", unavailable)]
        answer = await browser.get("/broken")
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        told = capsys.readouterr().err
        assert "RuntimeError: secret detail" in told
        assert told.count("\n") == 1
        assert "did not answer" in (await browser.get("/unavailable")).text
