"""Reviewing in a real browser: field and box, correcting in place, two reviewers, and all of it by keyboard."""
# ruff: noqa: F811 - the fixtures are those of the page's other tests

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tests.batch import invoice_pdf
from tests.test_web_browser import (  # noqa: F401
    CHROMIUM,
    Open,
    Serve,
    browser,
    open_page,
    serve,
)
from tests.test_web_pages import EVIL

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def read_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OUT with three invoices that a real run has read."""
    place = tmp_path_factory.mktemp("reviewed")
    (place / "in").mkdir()
    for number in range(1, 4):
        (place / "in" / f"invoice-{number}.pdf").write_bytes(invoice_pdf(f"N-{number}", 100 * number))
    command = [sys.executable, "-m", "counterfoil", "run", str(place / "in"), "--out", str(place / "out"), "--quiet"]
    subprocess.run(command, check=True, timeout=60)
    return place / "out"


@pytest.fixture
def out(read_once: Path, tmp_path: Path) -> Generator[Path]:
    """A copy for one test."""
    shutil.copytree(read_once, tmp_path / "out")
    yield tmp_path / "out"


def record_of(out: Path, document: str) -> Any:
    return json.loads((out / "manifest" / "0000.json").read_text())["records"][document]


def test_a_field_is_corrected_where_it_stands_and_the_document_approved(out: Path, open_page: Open, serve: Serve):
    """Its box lights up with it; the checks speak at once; a correction is taken back; approved stays approved."""
    page = open_page(f"{serve(out)}documents/invoice-1.pdf")
    image = page.locator(".sheet img")
    image.wait_for()
    page.wait_for_function("document.querySelector('.sheet img').naturalWidth > 0")
    gross = page.locator(".fact[data-place=gross_total]")
    gross.hover()
    assert page.locator("rect.lit").get_attribute("data-place") == "gross_total"
    page.locator("rect[data-place=net_total]").hover()
    page.locator(".fact.lit", has_text="net total").wait_for()
    gross.locator("a.said").click()
    gross.locator("input:not([type=hidden])").fill("191,00")
    page.keyboard.press("Enter")
    page.locator(
        ".fact.has-error", has_text="net 100.00 + tax 19.00 is 119.00, but the gross total is 191.00"
    ).wait_for()
    assert "corrected by" in gross.inner_text()
    assert "was 119.00" in gross.inner_text()
    gross.get_by_role("button", name="Undo").click()
    page.locator(".fact.has-error", has_text="191.00").wait_for(state="detached")
    assert image.is_visible(), "the page stays while its fields change"
    page.get_by_role("button", name="Approve").click()
    page.locator("h1 .s-approved").wait_for()
    record = record_of(out, "invoice-1.pdf")
    assert (record["status"], "corrections" in record) == ("approved", False)
    assert [event["event"] for event in record["history"]][-3:] == ["corrected", "corrected", "approved"]


def test_the_second_of_two_reviewers_is_told_and_keeps_what_they_typed(out: Path, open_page: Open, serve: Serve):
    """Each in a browser and under a name of their own."""
    url = serve(out)
    anna, ben = open_page(f"{url}documents/invoice-2.pdf"), open_page(f"{url}documents/invoice-2.pdf")
    for page, name in ((anna, "Anna"), (ben, "Ben")):
        page.locator("details.who summary").click()
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Remember").click()
        page.locator("details.who summary", has_text=name).wait_for()
    ben.locator("a.said[data-path=seller_name]").click()
    ben.keyboard.type("Paper Mill of Ben")
    anna.get_by_role("button", name="Approve").click()
    anna.locator("h1 .s-approved").wait_for()
    ben.keyboard.press("Enter")
    ben.locator("#trouble", has_text="approved by Anna").wait_for()
    assert ben.locator("input[name='set.seller_name']").input_value() == "Paper Mill of Ben"
    assert ben.locator(".history .news").count() == 1
    assert "corrections" not in record_of(out, "invoice-2.pdf")
    ben.get_by_role("button", name="Reopen").click()
    ben.locator("h1 .s-review").wait_for()
    assert record_of(out, "invoice-2.pdf")["history"][-1]["by"] == "Ben"


def test_a_list_is_reviewed_by_keyboard_alone(out: Path, open_page: Open, serve: Serve):
    """Open, correct, approve, next, reject, next; and what a key does is said."""
    page = open_page(f"{serve(out)}documents?status=done")
    page.locator("a.open").first.wait_for()
    keys = page.keyboard
    for key in ("j", "Enter"):
        keys.press(key)
    page.locator("h1", has_text="invoice-1.pdf").wait_for()
    for key in ("e", "Escape", "e"):
        keys.press(key)
    path = page.locator(".editing input:not([type=hidden])").get_attribute("name")
    keys.type("200.00")
    keys.press("Enter")
    page.locator(".is-corrected").wait_for()
    keys.press("a")
    page.locator("h1 .s-approved").wait_for()
    keys.press("n")
    page.locator("h1", has_text="invoice-2.pdf").wait_for()
    keys.press("r")
    keys.type("not ours")
    keys.press("Enter")
    page.locator("h1 .s-rejected").wait_for()
    keys.press("n")
    page.locator("h1", has_text="invoice-3.pdf").wait_for()
    keys.press("?")
    page.locator("#help", has_text="approve, reject the document").wait_for()
    assert record_of(out, "invoice-1.pdf")["corrections"] == {str(path).removeprefix("set."): "200.00"}
    assert record_of(out, "invoice-2.pdf")["verdict"]["reason"] == "not ours"


def test_markup_in_every_field_is_text_when_it_is_corrected_too(out: Path, open_page: Open, serve: Serve):
    """In the field, its input, the history, and the sentence that refuses it."""
    page = open_page(f"{serve(out)}documents/invoice-3.pdf")
    for path, editor in (("seller_name", True), ("invoice_number", True), ("gross_total", False)):
        page.locator(f"a.said[data-path={path}]").click()
        page.locator(f"input[name='set.{path}']").fill(EVIL)
        page.keyboard.press("Enter")
        if editor:
            page.locator(f"a.said[data-path={path}]", has_text="<script>").wait_for()
    page.locator("#trouble", has_text="<script>").wait_for()
    assert page.locator("main script, main b").count() == 0
    assert record_of(out, "invoice-3.pdf")["corrections"] == {"seller_name": EVIL, "invoice_number": EVIL}
