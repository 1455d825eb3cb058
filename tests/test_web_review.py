"""The page of a document: what is sent by its forms, and what comes of it; without a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.batch import invoice_pdf
from tests.test_review import content_of, manifest_with
from tests.test_web_pages import EVIL
from tests.web_made import Browser, browsing

from counterfoil.document import Limits
from counterfoil.errors import InputError
from counterfoil.jsonfile import Json, encode
from counterfoil.manifest import Manifest
from counterfoil.results import result_key
from counterfoil.reviewing import review
from counterfoil.store_folder import FolderStore
from counterfoil.store_memory import MemoryStore
from counterfoil.viewing import draw, look
from counterfoil.web_originals import Originals


async def act(browser: Browser, document: str = "a.pdf", **fields: str) -> Any:
    """Sends a form of the page, as it was shown."""
    shown = (await browser.get(f"/documents/{quote(document)}")).text
    word, seen = (re.search(rf'name="{name}" value="([^"]*)"', shown) for name in ("csrf", "seen"))
    assert word
    hidden = {"csrf": word[1], "seen": seen[1] if seen else "1"}
    return await browser.post(f"/documents/{quote(document)}", [*(hidden | fields).items()])


async def record_of(store: MemoryStore) -> Json:
    return await (await Manifest.read(store)).get("a.pdf") or {}


async def test_a_form_of_the_page_is_a_review_in_the_name_of_who_sent_it():
    """Corrections and approval in one change; back to the page, by where the document stood in its list."""
    store = MemoryStore()
    await manifest_with(store)
    async with browsing(store) as browser:
        sent = {"act": "approve", "set.gross_total": "119,00", "was.gross_total": "191.00", "at": "3"}
        sent |= {"set.net_total": "100.00", "was.net_total": "100.00", "query": "status=review"}
        answer = await act(browser, **sent)
        assert (answer.status_code, answer.headers["location"]) == (303, "/documents/a.pdf?status=review&at=3")
        record = await record_of(store)
        assert (record["status"], record["corrections"]) == ("approved", {"gross_total": "119.00"})
        shown = (await browser.get("/documents/a.pdf")).text
        assert f"Approved by {record['verdict']['by']}" in shown
        assert "was 191.00" in shown
        await act(browser, act="reopen")
        await act(browser, undo="gross_total")
        assert "corrections" not in await record_of(store)
        await act(browser, act="retry")
        assert (await record_of(store))["status"] == "pending"


async def test_who_comes_second_is_told_and_keeps_what_they_typed():
    """What the other did, in words; and nothing of theirs is recorded."""
    store = MemoryStore()
    await manifest_with(store)
    async with browsing(store) as browser:
        async with Manifest.open(store) as manifest:
            await review(manifest, "a.pdf", "correct", by="anna", fields={"seller_name": "Anna's"})
        answer = await act(browser, seen="1", act="correct", **{"set.gross_total": "119", "was.gross_total": "191.00"})
        assert answer.status_code == 409
        assert "corrected (seller_name) by anna" in answer.text
        assert re.search(r'name="set.gross_total" value="119"', answer.text)
        assert (await record_of(store))["corrections"] == {"seller_name": "Anna's"}


async def test_what_can_not_be_understood_is_told_beside_what_was_typed():
    """One sentence, and the input as it was left."""
    store = MemoryStore()
    await manifest_with(store)
    async with browsing(store) as browser:
        answer = await act(browser, act="correct", **{"set.gross_total": "many", "was.gross_total": "191.00"})
        assert answer.status_code == 400
        assert "is no amount" in answer.text
        assert 'value="many"' in answer.text
        answer = await act(browser, act="reject", reason=" ")
        assert "say why it is rejected" in answer.text
        assert (await act(browser, act="burn")).status_code == 400


async def test_nobody_reviews_without_a_name_or_on_a_page_for_reading():
    """The name stands in the history; a page that is read-only has no forms."""
    store = MemoryStore()
    await manifest_with(store)
    async with browsing(store, token="a-long-enough-token") as browser:
        await browser.get("/?token=a-long-enough-token")
        answer = await act(browser, act="approve")
        assert (answer.status_code, (await record_of(store))["status"]) == (400, "review")
        assert "Say who you are first" in answer.text
    async with browsing(store, read_only=True) as browser:
        assert '<form method="post"' not in (await browser.get("/documents/a.pdf")).text
        assert (await browser.post("/documents/a.pdf", [("act", "approve")])).status_code == 403


async def test_hostile_values_are_text_in_every_field_and_input():
    """As they are shown, edited, corrected, refused, and told in the history."""
    invoice: dict[str, Any] = dict(content_of()["invoice"])
    texts = "invoice_number seller_name buyer_name currency iban purchase_order buyer_reference payment_reference"
    invoice |= dict.fromkeys(texts.split(), EVIL) | {
        "line_items": [{"description": EVIL, "net_amount": "1", "unit": EVIL}]
    }
    finding = {"code": EVIL, "severity": "error", "message": EVIL, "field": "seller_name"}
    content = content_of(invoice, findings=[finding], profile=EVIL)
    store = MemoryStore()
    await manifest_with(store, reason=EVIL)
    await store.put(result_key(content["input"]), encode(content))
    async with browsing(store) as browser:
        pages = [(await browser.get("/documents/a.pdf")).text, (await browser.get("/documents/a.pdf?edit=iban")).text]
        sent = {"set.seller_name": EVIL * 2, "set.gross_total": EVIL, "was.gross_total": ""}
        pages.append((await act(browser, act="correct", **sent)).text)
        await act(browser, act="reject", reason=EVIL, **{"set.seller_name": EVIL})
        pages.append((await browser.get("/documents/a.pdf")).text)
    for page in pages:
        assert EVIL not in page
        assert "&lt;" in page
        assert len(re.findall("<script", page)) == 2  # ours


async def test_only_documents_of_the_manifest_are_looked_at_and_only_within_the_source(tmp_path: Path):
    """Whatever a record is called; and whatever is not there is told in a sentence."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    store = FolderStore(tmp_path / "out")
    await manifest_with(store)
    header = {"format": "counterfoil/1", "shards": 1, "source": str(tmp_path / "in")}
    await store.put("manifest.json", encode(header))
    async with Manifest.open(store) as manifest:
        await manifest.update("../secret.txt", status="done", mark="1", history=[])
    async with browsing(store) as browser:
        assert (await browser.get("/original/secret.txt")).status_code == 404
        assert (await browser.get(f"/original-page/{'9' * 5000}/a.pdf")).status_code == 404
        assert (await browser.get(f"/documents/a.pdf?edit=line_items.{'9' * 5000}.net_amount")).status_code == 200
        for document in ("a.pdf", "../secret.txt"):
            answer = await browser.get("/original/" + quote(document, safe=""))
            assert "It can't be shown" in answer.text
            assert "secret<" not in answer.text
            assert (await browser.get("/original-page/1/" + quote(document, safe=""))).status_code == 404


def test_a_file_is_seen_as_pictures_elements_or_text_and_never_as_it_is(tmp_path: Path):
    """A PDF by its pages, XML by its elements, HTML by its words."""
    limits = Limits()
    view = look(invoice_pdf("N-1"), limits)
    assert (view.pages, len(view.sizes)) == (1, 1)
    assert draw(invoice_pdf("N-1"), 1, limits).startswith(b"\xff\xd8\xff")
    xml = look(b"<?xml version='1.0'?><Invoice><ID>7</ID><L><A>1</A></L><L><A>2</A></L></Invoice>", limits)
    assert [(e.depth, e.path, e.text) for e in xml.elements][1:4] == [
        (1, "/Invoice/ID", "7"),
        (1, "/Invoice/L[1]", ""),
        (2, "/Invoice/L[1]/A", "1"),
    ]
    html = look(
        b"<html><body><p>Invoice 17 of Example Paper for twelve boxes</p><script>alert(1)</script></body></html>",
        limits,
    )
    assert "Invoice 17 of Example Paper" in html.text
    assert "alert" not in html.text
    for body, number in ((b"<html><body>Hello you</body></html>", 1), (b"%PDF-1.4 no", 1), (b"", 1)):
        with pytest.raises(InputError):
            draw(body, number, limits)


async def test_a_file_that_changed_since_it_was_read_is_told_of(tmp_path: Path):
    """By its bytes: whatever its date says."""
    (tmp_path / "a.pdf").write_bytes(invoice_pdf("N-1"))
    store = MemoryStore()
    await manifest_with(store)
    header: Mapping[str, Any] = {"format": "counterfoil/1", "shards": 1, "source": str(tmp_path)}
    await store.put("manifest.json", encode(header))
    manifest = await Manifest.read(store)
    async with Originals(manifest) as originals:
        record = await record_of(store)
        view, changed = await originals.view("a.pdf", record, content_of())
        assert (view.pages, changed) == (1, True)
        first = await originals.page("a.pdf", record, 1)
        assert await originals.page("a.pdf", record, 1) is first
