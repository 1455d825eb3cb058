"""The page in a real browser: live, by keyboard, and nothing that a document says is ever obeyed.

Every page that a test opens is watched: no error in its console, no request to another host, no dialog.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from benchmarks.machine import model_server
from tests.batch import invoice_pdf
from tests.servers import free_port
from tests.test_web_pages import EVIL, HOSTILE
from tests.web_made import put_shard, record, write
from tests.web_server import serving, serving_here

from counterfoil.store_folder import FolderStore

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]
WITHIN = 2000
"""Milliseconds in which the page shows what has happened."""
Open = Callable[..., Any]
Serve = Callable[..., str]


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    """One for all tests; each opens contexts of its own in it."""
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def serve() -> Generator[Serve]:
    """Serves an OUT until the test is over."""
    with ExitStack() as stack:
        yield lambda out, **options: stack.enter_context(serving_here(out, **options))


@pytest.fixture
def open_page(browser: Any, serve: Serve) -> Generator[Open]:
    """Opens an address, and afterwards holds every page to what is promised of all."""
    troubles: list[str] = []
    contexts: list[Any] = []
    hosts: set[str | None] = set()

    def opened(address: str, *, fails: bool = False, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        if not fails:
            page.on(
                "console", lambda said: troubles.append(f"{said.type}: {said.text}") if said.type != "log" else None
            )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(address)
        hosts_allowed.add(urlsplit(address).netloc)
        return page

    hosts_allowed: set[str | None] = set()
    yield opened
    for context in contexts:
        context.close()
    assert not troubles
    assert hosts <= hosts_allowed


def made(out: Path, records: Mapping[str, Mapping[str, Any]]) -> Path:
    apart(write(FolderStore(out), records, shards=1))
    return out


def change(out: Path, records: Mapping[str, Any]) -> None:
    """What another process may have written."""
    apart(put_shard(FolderStore(out), 0, records, version=2))


def apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs it in a thread, since Playwright has a loop in this one."""
    thread = threading.Thread(target=lambda: asyncio.run(work))
    thread.start()
    thread.join()


def texts(page: Any) -> list[str]:
    return page.locator("a.open").all_inner_texts()


def test_a_run_is_watched_from_its_start_to_its_end(tmp_path: Path, open_page: Open, serve: Serve):
    """A real run with a slow model: the counts come by themselves, and the last within two seconds of the end."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(8):
        (source / f"{number}.pdf").write_bytes(invoice_pdf(f"N-{number}"))
    with model_server(0.7) as model:
        command = [sys.executable, "-m", "counterfoil", "run", str(source), "--out", str(out), "--quiet"]
        options = ["--model", "openai:slow", "--concurrency", "2", "--price", "1/2"]
        environ = os.environ | {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "none"}
        run = subprocess.Popen([*command, *options], env=environ)
        deadline = time.monotonic() + 20
        while not (out / "manifest.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        url = serve(out)
        page = open_page(url)
        seen: set[str] = set()
        while run.poll() is None:
            seen.add(page.locator(".big strong").inner_text())
            page.wait_for_timeout(50)
        page.locator(".big", has_text="8 of 8").wait_for(timeout=WITHIN)
        page.locator(".tile", has_text="0 alive").wait_for(timeout=WITHIN)
        assert run.returncode in (0, 1)
        assert seen - {"0", "8"}, "nothing was seen on the way"
        assert page.locator(".chart .bar").count() > 0
        assert page.locator(".chart .line").count() == 1
        assert page.locator(".tile", has_text="Model calls").locator(".value").inner_text() == "8"


def test_hostile_documents_are_text(tmp_path: Path, open_page: Open, serve: Serve):
    """Markup in every name, field, finding, reason and event; documents can be opened from the list."""
    fields = dict.fromkeys(("number", "date", "seller", "currency"), EVIL)
    event = {"at": "2026-03-02T09:00:00Z", "event": EVIL, "by": EVIL, EVIL: EVIL}
    evil = record("review", findings=[EVIL], reader=EVIL, **fields) | {"history": [event]}
    out = made(tmp_path, dict.fromkeys(HOSTILE, evil) | {"failed": record("failed", reason=EVIL)})
    url = serve(out)
    page = open_page(url)
    assert page.locator(".groups", has_text="<script>").count() == 2
    page.goto(f"{url}documents")
    assert len(texts(page)) == len(HOSTILE) + 1
    for number in range(0, len(HOSTILE), 2):
        page.locator("a.open").nth(number).click()
        page.locator("h1", has=page.locator("bdi")).wait_for()
        page.go_back()
        page.locator("a.open").first.wait_for()
    assert page.locator("main script, main img, main b").count() == 0


def test_a_wrong_token_is_told_in_one_sentence(tmp_path: Path, open_page: Open, serve: Serve):
    """And the right one, given once, is in no address afterwards."""
    token = "open-sesame-0123456789"
    url = serve(made(tmp_path, {"a.pdf": record()}), token=token)
    page = open_page(f"{url}?token=wrong-wrong-wrong", fails=True)
    assert page.locator("main p").first.inner_text().startswith("This token is not the one")
    page.goto(f"{url}documents?status=done&token={token}")
    page.locator("a.open").wait_for()
    assert page.url == f"{url}documents?status=done"
    page.goto(url)
    page.locator(".big", has_text="1 of 1").wait_for()


def test_a_filter_is_in_the_address_and_comes_back_from_it(tmp_path: Path, open_page: Open, serve: Serve):
    """What is chosen with the mouse can be sent to a colleague."""
    records = {f"{n}.pdf": record(seller="Zeta" if n % 2 else "Alpha", gross=f"{n}.00") for n in range(10)}
    url = serve(made(tmp_path, records | {"x.pdf": record("failed", reason="no Zeta text")}))
    page = open_page(f"{url}documents")
    page.locator(".chip", has_text="done").click()
    page.wait_for_url("**/documents?status=done")
    page.locator("#search").fill("zeta")
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents?status=done&q=zeta")
    page.get_by_role("columnheader", name="Gross").get_by_role("link").click()
    page.wait_for_url("**sort=-gross**")
    assert texts(page) == ["9.pdf", "7.pdf", "5.pdf", "3.pdf", "1.pdf"]
    colleague = open_page(page.url)
    assert texts(colleague) == texts(page)
    assert colleague.locator("#search").input_value() == "zeta"
    assert colleague.get_by_label("done").is_checked()


def test_all_of_it_works_by_keyboard(tmp_path: Path, open_page: Open, serve: Serve):
    """Down, open, back, choose, search, help; what has the focus can be seen."""
    url = serve(made(tmp_path, {f"{n}.pdf": record("failed") for n in range(5)}))
    page = open_page(f"{url}documents")
    retry = page.locator("button[value=retry]")
    assert retry.is_disabled()
    for key in ("j", "j", "ArrowDown", "k"):
        page.keyboard.press(key)
    assert page.locator("tr.at a.open").inner_text() == "1.pdf"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/1.pdf*")
    page.keyboard.press("j")
    page.wait_for_url("**/documents/2.pdf*")
    page.keyboard.press("u")
    page.wait_for_url("**/documents")
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.locator("input[name=document]:checked").count() == 1
    assert retry.is_enabled()
    page.keyboard.press("/")
    page.keyboard.type("j?x")
    assert page.locator("#search").input_value() == "j?x"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_what_is_chosen_is_retried_and_told(tmp_path: Path, open_page: Open, serve: Serve):
    """And the list shows what became of it."""
    url = serve(made(tmp_path, {f"{n}.pdf": record("failed", reason="no text") for n in range(3)}))
    page = open_page(f"{url}documents?status=failed")
    page.get_by_label("Choose 1.pdf").check()
    page.locator("button[value=retry]").click()
    page.locator(".note", has_text="1 document back to pending").wait_for()
    assert texts(page) == ["0.pdf", "2.pdf"]
    page.locator("#all").check()
    page.locator("button[value=retry]").click()
    page.locator(".note", has_text="2 documents back to pending").wait_for()
    assert texts(page) == []


def test_the_list_follows_what_others_do_but_never_a_choice(tmp_path: Path, open_page: Open, serve: Serve):
    """A row that is chosen stays where it is until the choice is undone."""
    out = made(tmp_path, {"b.pdf": record()})
    url = serve(out)
    page = open_page(f"{url}documents")
    page.get_by_label("Choose b.pdf").check()
    change(out, {"a.pdf": record(), "b.pdf": record()})
    page.wait_for_timeout(1800)
    assert texts(page) == ["b.pdf"]
    page.get_by_label("Choose b.pdf").uncheck()
    page.locator("h1").click(force=True)
    page.locator("a.open", has_text="a.pdf").wait_for(timeout=4000)


def test_without_script_everything_still_reads_and_filters(tmp_path: Path, open_page: Open, serve: Serve):
    """Server-rendered HTML first."""
    url = serve(made(tmp_path, {"a.pdf": record(), "b.pdf": record("failed", reason="no text")}))
    page = open_page(f"{url}documents", java_script_enabled=False)
    page.locator("#search").fill("no text")
    page.get_by_role("button", name="Filter").click()
    assert texts(page) == ["b.pdf"]
    page.locator("a", has_text="Overview").click()
    assert "2 of 2 documents finished" in page.locator(".big").inner_text()


def test_the_page_goes_on_when_the_server_is_back(tmp_path: Path, open_page: Open):
    """It says that the connection was lost, and shows what happened meanwhile."""
    out, port = made(tmp_path, {"a.pdf": record("pending")}), str(free_port())
    with serving(out, "--port", port) as server:
        page = open_page(server.url, fails=True)
        page.locator(".big", has_text="0 of 1").wait_for()
        server.stop()
        page.locator("#connection").wait_for()
    change(out, {"a.pdf": record()})
    with serving(out, "--port", port):
        page.locator(".big", has_text="1 of 1").wait_for(timeout=6000)
        page.locator("#connection").wait_for(state="hidden")


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_the_screen(width: int, tmp_path: Path, open_page: Open, serve: Serve):
    """On a phone, too, with the longest of names."""
    long = {"x" * 300 + ".pdf": record("review", findings=["a" * 60, "lines.sum"], seller="S" * 200)}
    url = serve(made(tmp_path, long | {"b.pdf": record("failed", reason="r" * 500)}))
    page = open_page(url)
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("", "documents", "documents/b.pdf"):
        page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert re.search(r"Counterfoil", page.title())
